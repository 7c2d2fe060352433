"""Waiting without a worker: whether a step defers, how it does, and what it goes on with.

A worker launches the pod and ends; a trigger waits (`tradewind.operators.trigger`); a worker takes in the
pod's end. The second worker knows what the first one wrote down, and works out the rest again: the same way
as after a worker that was lost.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Self

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferred

from tradewind.errors import RetryableError
from tradewind.operators.configuration import configuration

if TYPE_CHECKING:
    from tradewind.operators.pod import StepPodOperator
    from tradewind.operators.request import PodOutcome
    from tradewind.operators.step import StepOperator
    from tradewind.operators.step_tracking import StepTracking
    from tradewind.operators.waiting import Report

__all__ = ["Resumption", "defer", "defers"]

SLACK_SECONDS = 60.0
"""How much later Airflow ends a deferred task whose trigger has not told that its time is over: there may be
no triggerer.
"""


def defers(arguments: Mapping[str, Any]) -> bool:
    """Say whether a step waits without a worker.

    Args:
        arguments: its pod arguments, of all levels.
    """
    deployment = configuration().deferrable
    if deployment == "never":
        return False
    given = arguments.get("deferrable")
    if given is not None:
        return bool(given)
    if deployment != "default":
        return deployment == "true"
    return bool(conf.getboolean("operators", "default_deferrable", fallback=False))


def defer(operator: StepOperator, pod: StepPodOperator, ti: Any, tracking: StepTracking) -> NoReturn:
    """Let a trigger wait for a pod that was launched.

    Raises:
        TaskDeferred: always.
    """
    from tradewind.operators.trigger import StepTrigger

    timeout = operator.execution_timeout
    deadline = None
    if timeout is not None:
        began = getattr(ti, "start_date", None)
        deadline = (began.timestamp() if began else time.time()) + timeout.total_seconds()
    waiting = pod.waiting(deadline, tracking.state(), tracking.open_record())
    raise TaskDeferred(
        trigger=StepTrigger(waiting.to_dict()),
        method_name="resume",
        timeout=deadline and timedelta(seconds=max(0.0, deadline - time.time()) + SLACK_SECONDS),
    )


@dataclass(frozen=True, slots=True)
class Resumption:
    """What a step goes on with.

    Attributes:
        report: of the trigger; None: Airflow itself has ended the wait.
        why: why Airflow has ended the wait.
        timed_out: because the task's time is over.
    """

    report: Report | None
    why: str = ""
    timed_out: bool = False

    @classmethod
    def of_event(cls, event: Mapping[str, Any]) -> Self:
        """Make one of what the trigger tells."""
        from tradewind.operators.waiting import Report

        return cls(Report.from_event(event))

    @property
    def state(self) -> Mapping[str, Any]:
        """What the task wrote down before it was deferred; empty where that is unknown."""
        return self.report.state if self.report is not None else {}

    def outcome(self, pod: StepPodOperator) -> PodOutcome:
        """Return what became of the pod.

        Args:
            pod: prepared as for the launch.

        Raises:
            AirflowTaskTimeout: the task's time is over, the pod runs.
            TradewindError: the wait has failed; a retry takes the pod over.
            AirflowSkipException: the exit code is one of `skip_on_exit_code`.
        """
        if self.report is None:
            pod.adopt()
            if self.timed_out:
                raise AirflowTaskTimeout(self.why)
            raise RetryableError(self.why, remedy="A retry takes the pod over.")
        pod.take_up(dict(self.report.pod))
        if self.report.what == "timeout":
            raise AirflowTaskTimeout("the task ran longer than its execution_timeout")
        if self.report.what == "lost":
            raise self.report.exception()
        return pod.conclude(self.report)
