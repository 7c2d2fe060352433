"""Whether a step or a loop runs in one iteration, once what it waits for has ended."""

from __future__ import annotations

from tradewind.plan import conditions
from tradewind.plan.binding import evaluate
from tradewind.plan.model import Loop, Precondition, Step
from tradewind.plan.view import Position, RunView

__all__ = ["skip_reason", "unmet"]

_BAD = ("failed", "upstream_failed")


def skip_reason(subject: Step | Loop, view: RunView, at: Position) -> str | None:
    """Say why something is not to run; None when it is.

    Args:
        subject: a step, or a loop for one iteration of those around it.
        view: asked for states only where Airflow's own rules cannot have decided.
        at: the iteration.

    Raises:
        FatalError: a condition cannot be evaluated.
    """
    if subject.barrier and subject.wait != "end":
        for step in subject.upstream:
            if any(state in _BAD for state in view.states(step, at)):
                return f"{step} failed in this iteration"
    return unmet(subject.precondition, view, at)


def unmet(precondition: Precondition, view: RunView, at: Position) -> str | None:
    """Say which part of a precondition does not hold; None when all of it does."""
    for step in precondition.succeeded:
        if "success" not in view.states(step, at):
            return f"{step} was skipped"
    for guard in precondition.guards:
        values = {name: evaluate(binding, view, at) for name, binding in guard.inputs.items()}
        if not conditions.holds(guard.expression, values):
            return f"the condition of {guard.scope} is false"
    return None
