"""What a step gets: the values and artifacts that its bindings stand for, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.errors import FatalError
from tradewind.plan import coerce, evaluate
from tradewind.plan.bindings import Binding
from tradewind.plan.model import Step
from tradewind.plan.view import NoValueError, Position, RunView

__all__ = ["StepInputs", "resolve_inputs"]


@dataclass(frozen=True, slots=True)
class StepInputs:
    """Input values and artifact references by name; inputs without a binding are absent."""

    parameters: Mapping[str, Any]
    artifacts: Mapping[str, list[Mapping[str, Any]]]


def resolve_inputs(step: Step, view: RunView, at: Position) -> StepInputs:
    """Look up a step's inputs; parameters are checked and typed.

    A step that runs whatever happened before it goes without the values that were never made.

    Args:
        at: the step's iteration.

    Raises:
        FatalError: a value is missing or does not fit; all of the step's are named.
        RetryableError: an upstream step left no result.
    """
    problems: list[str] = []
    parameters: dict[str, Any] = {}
    artifacts: dict[str, list[Mapping[str, Any]]] = {}

    def look_up(binding: Binding, where: str) -> tuple[bool, Any]:
        try:
            return True, evaluate(binding, view, at)
        except NoValueError as error:
            if step.wait != "end":
                problems.append(f"{where}: {error.message}")
        except FatalError as error:
            problems.append(error.message)
        except KeyError as error:
            problems.append(f"{where}: the run has no parameter {error}")
        return False, None

    for name, declared in step.parameters.items():
        if declared.binding is None:
            continue
        where = f"step {step.id!r}, parameter {name!r}"
        there, value = look_up(declared.binding, where)
        if there:
            try:
                parameters[name] = None if value is None else coerce(value, declared.type, where)
            except FatalError as error:
                problems.append(error.message)
    for name, wanted in step.artifacts.items():
        if wanted.binding is not None:
            there, value = look_up(wanted.binding, f"step {step.id!r}, artifact {name!r}")
            if there:
                artifacts[name] = list(value)
    if problems:
        raise FatalError(
            "\n".join(problems), remedy="See what the steps and parameters before this one gave."
        )
    return StepInputs(parameters, artifacts)
