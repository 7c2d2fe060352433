"""Whether a step or a loop runs in one iteration, once what it waits for has ended."""

from __future__ import annotations

from tradewind.plan.evaluation import FAILED_STATES, unmet
from tradewind.plan.model import Loop, Step
from tradewind.plan.view import Position, RunView

__all__ = ["broken", "judged", "skip_reason", "unmet"]


def skip_reason(subject: Step | Loop, view: RunView, at: Position) -> str | None:
    """Say why something is not to run; None when it is: `broken`, else `unmet`.

    Raises:
        FatalError: a condition cannot be evaluated.
    """
    return broken(subject, view, at) or unmet(subject.precondition, view, at)


def broken(subject: Step | Loop, view: RunView, at: Position) -> str | None:
    """Say which failure keeps something from running; None when there is none, or Airflow's rules see to it.

    What does not run for this reason is, for all that waits for it, not skipped but broken: `RunView.states`
    calls it "upstream_failed".

    Args:
        subject: a step, or a loop for one iteration of those around it.
        view: asked for states only where Airflow's own rules cannot have decided.
        at: the iteration.
    """
    for step in subject.precondition.unfailed:
        if any(state in FAILED_STATES for state in view.states(step, at)):
            return f"{step} failed in this iteration" if at else f"{step} failed"
    return None


def judged(subject: Step | Loop) -> tuple[str, ...]:
    """Ids of the steps whose states `broken` and `unmet` may ask for, so that a view can get them at once."""
    return (*subject.precondition.unfailed, *subject.precondition.succeeded)
