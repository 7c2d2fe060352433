"""What passes between a step that defers, the trigger that waits, and the step that goes on.

Plain data, since it goes through Airflow's database: where the pod is and how to wait for it, and then how it
ended. Nothing secret is in it: the cluster is named by its Airflow connection, MLflow by its configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Self

from tradewind.cluster.judgement import ObservationOptions
from tradewind.cluster.pod_end import PodEnd
from tradewind.errors import FatalError, RetryableError, TradewindError
from tradewind.operators.cluster_reference import ClusterReference

__all__ = ["Report", "Waiting", "told"]

LONGEST_TAIL_LINE = 1000


@dataclass(frozen=True, slots=True)
class Waiting:
    """How to wait for a pod that was launched.

    Attributes:
        cluster: where it is.
        pod: as created or taken over, without what its containers run.
        options: how to observe it.
        launched_at: when that was; seconds since the epoch.
        deadline: when the task's `execution_timeout` ends; None: it has none.
        bare: the container whose lines are shown without its name before them; None: all of them.
        keep_on_kill: leave the pod alone when the task is killed.
        grace_seconds: that the pod gets to end when the task is killed; None: as the pod has it.
        state: what the task that goes on needs to know; it comes back with the report.
        record: of the step in MLflow, for when the task is killed; None: it is not tracked.
    """

    cluster: ClusterReference
    pod: Mapping[str, Any]
    options: ObservationOptions
    launched_at: float
    deadline: float | None = None
    bare: str | None = None
    keep_on_kill: bool = False
    grace_seconds: int | None = None
    state: Mapping[str, Any] = field(default_factory=dict)
    record: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return JSON data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make one of what `to_dict` gave."""
        known = dict(data)
        known["cluster"] = ClusterReference(**data["cluster"])
        known["options"] = ObservationOptions(**data["options"])
        return cls(**known)


@dataclass(frozen=True, slots=True)
class Report:
    """What a trigger tells the step that goes on.

    Attributes:
        what: "ended": the pod has; "timeout": the task's time is over; "lost": nobody can say.
        pod: as last seen, without what its containers run.
        state: what the task wrote down before it was deferred.
        end: how it ended.
        message: the container's termination message.
        left: containers whose log is the worker's to show, and up to where it was shown; see `Shown`.
        error: why nobody can say: `message`, `remedy`, `kind`, and whether it is `fatal`.
    """

    what: Literal["ended", "timeout", "lost"]
    pod: Mapping[str, Any]
    state: Mapping[str, Any]
    end: PodEnd | None = None
    message: str = ""
    left: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None

    def exception(self) -> TradewindError:
        """Return the error for which the wait has failed."""
        error = self.error or {}
        kind = FatalError if error.get("fatal") else RetryableError
        message = str(error.get("message") or "the trigger has lost the pod")
        return kind(message, remedy=error.get("remedy", ""), kind=error.get("kind", ""))

    def to_event(self) -> dict[str, Any]:
        """Return JSON data, which says little of itself where an event is logged."""
        data = asdict(self)
        if self.end is not None:
            data["end"]["tail"] = [line[:LONGEST_TAIL_LINE] for line in self.end.tail]
        return _Quiet(data)

    @classmethod
    def from_event(cls, event: Mapping[str, Any]) -> Self:
        """Make one of what `to_event` gave."""
        end = event.get("end")
        known = dict(event)
        known["end"] = PodEnd(**{**end, "tail": tuple(end.get("tail") or ())}) if end else None
        return cls(**known)


def told(error: TradewindError) -> dict[str, Any]:
    """Return an error as `Report.error` has it."""
    return {
        "message": error.message,
        "remedy": error.remedy,
        "kind": error.kind,
        "fatal": isinstance(error, FatalError),
    }


class _Quiet(dict[str, Any]):
    """Airflow logs each event in full, into the task's log: a pod's status and its results do not belong
    there.
    """

    def __repr__(self) -> str:
        name = self["pod"].get("metadata", {}).get("name", "?")
        kind = (self.get("end") or {}).get("kind")
        return f"pod {name}: {self['what']}" + (f" ({kind})" if kind else "")

    __str__ = __repr__
