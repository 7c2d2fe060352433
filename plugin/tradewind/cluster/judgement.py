"""What is to be done about a pod, given what is known of it: deadlines, the order of things, the end.

The rules by which a step waits for its pod, as a state machine without requests, threads or clocks, so that
they are the same whether a worker waits for one pod or a triggerer for a thousand. Whoever waits passes on
what the watch says and the time, and does what the `Finding` asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tradewind.cluster.ends import PodEnd, ended
from tradewind.cluster.pods import Pod
from tradewind.cluster.starts import never_started, stuck, unmountable
from tradewind.cluster.statuses import (
    conditions,
    container_names,
    has_ended,
    has_started,
    init_runs,
    phase,
    terminated,
)

__all__ = ["Finding", "Judgement", "ObservationOptions", "ReadResult"]

ReadResult = Callable[[str], "dict[str, Any] | None"]
"""Makes a result of a termination message; None when it holds none."""

SETTLE_SECONDS = 2.0
LOOK_SECONDS = 10.0
"""On a node and not started: from then on its events may tell why; each time it takes twice as long."""
SILENT_SECONDS = 120.0
"""Beyond its grace period: a pod that was told to end, on a node from which nothing is heard."""


@dataclass(frozen=True, slots=True)
class ObservationOptions:
    """How to observe a pod.

    Attributes:
        container: name of the step's container.
        logs: containers whose logs are shown; "all" for every one of them.
        schedule_seconds: how long the pod may wait for a node.
        start_seconds: how long it may then take to start.
        plain: its exit code is its whole result.
        events_every: seconds between two looks at the pod's events before it starts; None: none are shown.
    """

    container: str
    logs: Collection[str] | Literal["all"] = ()
    schedule_seconds: float = 120.0
    start_seconds: float = 120.0
    plain: bool = False
    events_every: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look at a pod comes to.

    Attributes:
        follow: containers whose log is there from now on.
        started: the step's container has just started.
        show_events: it is time for a look at the pod's events.
        over: nothing more comes from the step's container: read its log to the end, then ask for `verdict`.
        hindered: the pod may never start: get its events, then ask for `hindrance`.
    """

    follow: tuple[str, ...] = ()
    started: bool = False
    show_events: bool = False
    over: bool = False
    hindered: bool = False


class Judgement:
    """Judges one pod. All times are seconds of one monotonic clock.

    Args:
        pod: as created or found.
        options: see there.
        created_at: when the pod was created or taken over.

    Attributes:
        pod: as last seen.
        gone: it no longer exists.
        message: the termination message of the step's container, once it has ended.
    """

    def __init__(self, pod: Pod, options: ObservationOptions, created_at: float) -> None:
        self.pod = pod
        self.gone = False
        self.message = ""
        self._options = options
        self._created_at = created_at
        self._followed: set[str] = set()
        self._started = False
        self._scheduled_at: float | None = None
        self._settle_at: float | None = None
        self._events_at = created_at
        self._look_at: float | None = None
        self._silent_at: float | None = None
        self._silent = False
        self._excused_until: float | None = None

    @property
    def was_deleted(self) -> bool:
        """Say whether the pod was deleted before it had ended well: its events may tell by whom."""
        state = terminated(self.pod, self._options.container)
        leaving = self.gone or bool(self.pod["metadata"].get("deletionTimestamp"))
        return leaving and (state is None or state["exitCode"] != 0)

    def see(self, pod: Pod, now: float, *, gone: bool = False) -> Finding:
        """Take in the pod as it is now, changed or not."""
        self.pod, self.gone = pod, gone
        if self._excused_until is not None and now >= self._excused_until:
            self._excused_until = None
        container = self._options.container
        follow = self._follow()
        if gone or has_ended(pod, container) or self._is_silent(now):
            return Finding(follow=follow, over=self._settled(now))
        if self._started:
            return Finding(follow=follow)
        if has_started(pod, container):
            self._started = True
            return Finding(follow=follow, started=True)
        show_events = self._options.events_every is not None and now >= self._events_at
        if show_events:
            self._events_at = now + (self._options.events_every or 0.0)
        hindered = stuck(pod) is not None or self._late(now) is not None or self._is_slow(now)
        return Finding(follow=follow, show_events=show_events, hindered=hindered)

    def wake_at(self) -> float | None:
        """When to look again, should nothing change until then."""
        times = [self._settle_at, self._silent_at]
        if not self._started:
            times += [self._deadline(), None if init_runs(self.pod) else self._look_at, self._excused_until]
            if self._options.events_every is not None:
                times.append(self._events_at)
        return min((moment for moment in times if moment is not None), default=None)

    def excuse(self, until: float) -> None:
        """Call nothing late before a moment, and look again then: what happened lately may not be known."""
        self._excused_until = until
        if self._look_at is not None:
            self._look_at = max(self._look_at, until)

    def verdict(
        self, read_result: ReadResult, tail: Sequence[str], events: Sequence[Mapping[str, Any]] = ()
    ) -> PodEnd:
        """Say how the pod ended that is over.

        Args:
            read_result: see `ReadResult`.
            tail: last lines of the log.
            events: about the pod, if it `was_deleted`.
        """
        state = terminated(self.pod, self._options.container)
        return ended(
            self.pod,
            self._options.container,
            read_result(self.message),
            tail,
            gone=(self.gone or self._silent) and state is None,
            plain=self._options.plain,
            silent=self._silent,
            events=events,
        )

    def hindrance(self, events: Sequence[Mapping[str, Any]], now: float) -> PodEnd | None:
        """Say why the pod never starts; None: it still may, within its time.

        Args:
            events: about the pod.
        """
        end = stuck(self.pod, events) or unmountable(events)
        late = self._late(now)
        if end is None and late is not None:
            end = never_started(self.pod, late, events)
        if self._scheduled_at is not None:
            self._look_at = now + max(LOOK_SECONDS, now - self._scheduled_at)
        return end

    def _follow(self) -> tuple[str, ...]:
        wanted = self._options.logs
        names = container_names(self.pod) if wanted == "all" else wanted
        new = tuple(name for name in names if name not in self._followed and has_started(self.pod, name))
        self._followed.update(new)
        return new

    def _settled(self, now: float) -> bool:
        """Say whether an ended pod has had the time to say why: the reason (evicted, deadline) comes with the
        pod's phase, a moment after the container's end.
        """
        state = terminated(self.pod, self._options.container)
        if state is not None:
            self.message = str(state.get("message") or "")
        if state is None or state["exitCode"] == 0 or self.gone or phase(self.pod) == "Failed":
            return True
        if self._settle_at is None:
            others = container_names(self.pod, init=False) != [self._options.container]
            self._settle_at = now if others else now + SETTLE_SECONDS
        return now >= self._settle_at

    def _is_silent(self, now: float) -> bool:
        """Say whether the pod was told to end so long ago that its node must be lost."""
        metadata = self.pod["metadata"]
        if self._silent_at is None and metadata.get("deletionTimestamp"):
            grace = float(metadata.get("deletionGracePeriodSeconds") or 0)
            self._silent_at = now + grace + SILENT_SECONDS
        self._silent = self._silent_at is not None and now >= self._silent_at
        return self._silent

    def _is_slow(self, now: float) -> bool:
        """Say whether it is time to look for what keeps the pod from starting on its node."""
        return self._look_at is not None and now >= self._look_at and not init_runs(self.pod)

    def _late(self, now: float) -> float | None:
        scheduled = conditions(self.pod).get("PodScheduled", {}).get("status") == "True"
        if self._scheduled_at is None and (scheduled or self.pod["spec"].get("nodeName")):
            self._scheduled_at = now
            self._look_at = now + LOOK_SECONDS
        deadline = self._deadline()
        if deadline is None or now < deadline:
            return None
        options = self._options
        return options.schedule_seconds if self._scheduled_at is None else options.start_seconds

    def _deadline(self) -> float | None:
        if self._scheduled_at is None:
            deadline = self._created_at + self._options.schedule_seconds
        elif init_runs(self.pod):
            return None  # user code at work: as long as it takes
        else:
            deadline = self._scheduled_at + self._options.start_seconds
        return deadline if self._excused_until is None else max(deadline, self._excused_until)
