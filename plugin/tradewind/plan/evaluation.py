"""Where a value comes from and whether something happened: pure functions of a run that is going on.

The two belong together: a condition is about values, and the value of `dsl.OneOf` depends on which of its
branches happened. Both are asked for one reader at a time, at its position in the loops around it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from tradewind.errors import FatalError
from tradewind.plan import conditions
from tradewind.plan.bindings import (
    Binding,
    Collected,
    Constant,
    FinalStatus,
    Guard,
    LoopItem,
    OneOf,
    Option,
    PipelineInput,
    Precondition,
    Selected,
    StepArtifact,
    StepParameter,
    Template,
)
from tradewind.plan.model import Loop
from tradewind.plan.placeholders import resolve_value
from tradewind.plan.values import typed
from tradewind.plan.view import NoValueError, Position, RunView

__all__ = ["evaluate", "iteration_items", "steps_of", "unmet"]

FAILED_STATES = frozenset({"failed", "upstream_failed"})


def evaluate(binding: Binding, view: RunView, at: Position) -> Any:
    """The value that a binding stands for.

    Args:
        binding: what to look up.
        view: the run.
        at: where the reader is.

    Raises:
        NoValueError: what would have made the value was skipped or has failed.
        FatalError: a placeholder, a part of a value or an item does not exist.
        KeyError: the run lacks a parameter of the pipeline.
    """
    match binding:
        case Constant(value):
            return value
        case PipelineInput(name):
            return view.parameters[name]
        case StepParameter() | StepArtifact():
            return view.output(binding, at)
        case Template(value, inputs):
            values = {name: evaluate(inner, view, at) for name, inner in inputs.items()}
            return resolve_value(value, {"inputs": {"parameterValues": values}}, view.context)
        case Selected(inner, path):
            return _select(evaluate(inner, view, at), path)
        case LoopItem(loop):
            return view.item(loop, at)
        case Collected():
            return list(_collect(binding, view, at))
        case OneOf(options):
            return _first(options, view, at)
        case FinalStatus():
            return _final_status(binding, view, at)


def _first(options: Sequence[Option], view: RunView, at: Position) -> Any:
    for option in options:
        if unmet(option.precondition, view, at) is None:
            with suppress(NoValueError):
                return evaluate(option.binding, view, at)
    raise NoValueError("none of the branches that could give the value was taken")


def unmet(precondition: Precondition, view: RunView, at: Position) -> str | None:
    """Say which part of a precondition does not hold; None when all of it does.

    Raises:
        FatalError: a condition cannot be evaluated.
    """
    for step in precondition.succeeded:
        if "success" not in view.states(step, at):
            return f"{step} was skipped"
    for guard in precondition.guards:
        if not _holds(guard, view, at):
            return f"the condition of {guard.scope} is false"
    return None


def iteration_items(loop: Loop, view: RunView, at: Position) -> list[Any]:
    """The items of a loop, for one iteration of those around it.

    Returns:
        JSON values, or lists of one artifact reference each: what `RunView.item` is to return.

    Raises:
        FatalError: they are no list.
        NoValueError: what would have made them was skipped or has failed.
    """
    found = evaluate(loop.items, view, at)
    if loop.artifacts:
        return [[reference] for reference in found]
    if isinstance(found, str):
        found = typed(_parsed(found, f"the items of {loop.id}"), "LIST")
    if not isinstance(found, list):
        raise FatalError(
            f"the items of {loop.id} are no list but {_short(found)}",
            remedy="Give dsl.ParallelFor a list, or text that holds one as JSON.",
        )
    return found


def steps_of(binding: Binding | None) -> set[str]:
    """Ids of the steps whose outputs or states a binding needs."""
    return set() if binding is None else set(_steps_of(binding))


def _steps_of(binding: Binding) -> Iterator[str]:
    match binding:
        case StepParameter(step) | StepArtifact(step):
            yield step
        case Template(_, inputs):
            for inner in inputs.values():
                yield from _steps_of(inner)
        case Selected(inner) | Collected(_, inner):
            yield from _steps_of(inner)
        case OneOf(options):
            for option in options:
                yield from option.precondition.succeeded
                for guard in option.precondition.guards:
                    for inner in guard.inputs.values():
                        yield from _steps_of(inner)
                yield from _steps_of(option.binding)
        case FinalStatus(_, steps):
            yield from steps


def _holds(guard: Guard, view: RunView, at: Position) -> bool:
    values = {name: evaluate(binding, view, at) for name, binding in guard.inputs.items()}
    try:
        return conditions.holds(guard.expression, values)
    except FatalError as error:
        raise FatalError(f"the condition of {guard.scope}: {error.message}", remedy=error.remedy) from error


# --- parts of a value ---


def _select(value: Any, path: Sequence[str]) -> Any:
    for key in path:
        if isinstance(value, str):
            value = _parsed(value, "a value of which a part is wanted")
        try:
            value = value[int(key)] if isinstance(value, list) else value[key]
        except (LookupError, TypeError, ValueError):
            raise FatalError(f"there is no {key!r} in {_short(value)}") from None
    return typed(value, "STRUCT")


def _parsed(text: str, what: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        raise FatalError(f"{what} is no JSON: {_short(text)}") from None


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


# --- loops ---


def _collect(collected: Collected, view: RunView, at: Position) -> Iterator[Any]:
    flat = _is_flat(collected.binding)
    for position in view.iterations(collected.loop, at):
        try:
            found = evaluate(collected.binding, view, position)
        except NoValueError:
            continue
        if flat:
            yield from found
        else:
            yield found


def _is_flat(binding: Binding) -> bool:
    """Whether what is collected comes as a list of what is wanted: inner loops do, and artifacts."""
    match binding:
        case StepArtifact() | Collected():
            return True
        case OneOf(options):
            return any(_is_flat(option.binding) for option in options)
    return False


# --- final status ---

_FAILED_PRECONDITION = 9  # google.rpc.Code, which KFP's documentation points to


def _final_status(status: FinalStatus, view: RunView, at: Position) -> dict[str, Any]:
    failed = [step for step in status.steps if FAILED_STATES.intersection(view.states(step, at))]
    # Where all was skipped, nothing went wrong: KFP's documentation knows no word of its own for that.
    good = "COMPLETE" if view.internal_state_words else "SUCCEEDED"
    return {
        "state": "FAILED" if failed else good,
        "pipelineTaskName": status.task,
        "pipelineJobResourceName": view.context.get("pipeline_job_resource_name", ""),
        "error": {"code": _FAILED_PRECONDITION, "message": _reasons(failed, view, at)} if failed else {},
    }


def _reasons(failed: Sequence[str], view: RunView, at: Position) -> str:
    """What went wrong; a step that did not run since another failed has nothing to tell."""
    told = [f"{step}: {error}" for step in failed if (error := view.error(step, at))]
    return "\n".join(told) or f"failed: {', '.join(failed)}"
