"""Whether a step runs in its iteration, and the trace that it leaves when it does not.

Airflow decides by the states of whole tasks; conditions, and iterations that wait for another loop, are for
the step itself to judge. A step that skips itself says why: that is what tells a condition that was false
from a run that somebody ended by hand.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk.exceptions import AirflowSkipException

from tradewind.operators.view import TaskView
from tradewind.operators.xcoms import SKIPPED_KEY, indexed
from tradewind.plan.model import Step
from tradewind.plan.readiness import broken, judged, unmet
from tradewind.plan.view import Position

__all__ = ["leave_trace", "skip_unless_ready"]


def skip_unless_ready(step: Step, view: TaskView, at: Position, ti: Any, map_index: int) -> None:
    """Return if the step is to run.

    Raises:
        AirflowSkipException: it is not.
        FatalError: a condition cannot be evaluated.
    """
    view.expect(judged(step))
    reason = broken(step, view, at)
    failed = reason is not None
    if reason is None:
        reason = unmet(step.precondition, view, at)
    if reason is not None:
        leave_trace(ti, map_index, reason, failed=failed)
        raise AirflowSkipException(f"Step {step.id!r} does not run: {reason}.")


def leave_trace(ti: Any, map_index: int, reason: str, *, failed: bool = False) -> None:
    """Leave the reason why a step was skipped.

    Args:
        failed: a failure is the reason; whatever waits for the step is kept from running, too.
    """
    ti.xcom_push(key=SKIPPED_KEY, value=indexed({"reason": reason, "failed": failed}, map_index))
