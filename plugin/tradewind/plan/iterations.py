"""How many iterations loops have, as far as that is known before anything has run.

A literal list is known when the DAG is loaded, a list that is a parameter when the run begins. Where an outer
loop or a condition is still open, only what is certain counts: one iteration of what is around.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from tradewind.plan.bindings import Binding, Constant, LoopItem, PipelineInput, Selected
from tradewind.plan.model import Loop, Plan

__all__ = ["certain_loops", "least_iterations"]

_ENOUGH = 100_000
"""No Airflow is set to as many, so nothing is counted further."""

_Around = Mapping[str, Any]
"""The item of each loop around, by the loop's id."""


def least_iterations(loops: Iterable[Loop], parameters: Mapping[str, Any]) -> dict[str, int]:
    """How many iterations each loop has at least, if it runs at all; without those of which nothing is known.

    Args:
        loops: outer ones before those inside.
        parameters: of the run, as far as they are known.
    """
    rounds: dict[str, list[_Around]] = {}
    for loop in loops:
        around = [{}] if loop.precondition.guards else rounds.get(loop.loop, [{}])
        lists = [(items, _known(loop.items, parameters, items)) for items in around]
        if any(isinstance(each, list) for _, each in lists):
            known = ((items, each) for items, each in lists if isinstance(each, list))
            found = ({**items, loop.id: item} for items, each in known for item in each)
            rounds[loop.id] = list(islice(found, _ENOUGH))
    return {loop: len(found) for loop, found in rounds.items()}


def certain_loops(plan: Plan) -> tuple[Loop, ...]:
    """The loops over parameters of the run that no condition and no skipped step can keep from running."""
    certain: dict[str, bool] = {"": True}
    for step in plan.steps.values():
        is_free = not (step.loop or step.precondition.guards or step.precondition.succeeded)
        certain[step.id] = is_free and all(certain.get(before, False) for before in step.upstream)
    found: dict[str, Loop] = {}
    for loop in plan.loops.values():
        is_free = not (loop.precondition.guards or loop.precondition.succeeded)
        is_free = is_free and (not loop.loop or loop.loop in found)
        if is_free and all(certain.get(before, False) for before in loop.upstream):
            found[loop.id] = loop
    return tuple(found.values()) if any(_asks(loop.items) for loop in found.values()) else ()


def _asks(binding: Binding) -> bool:
    return isinstance(binding, PipelineInput) or (isinstance(binding, Selected) and _asks(binding.binding))


def _known(binding: Binding, parameters: Mapping[str, Any], around: _Around) -> Any:
    """The value of a binding, None where it is not known; text of JSON as what it says."""
    match binding:
        case Constant(value):
            found = value
        case PipelineInput(name):
            found = parameters.get(name)
        case LoopItem(loop):
            found = around.get(loop)
        case Selected(inner, path):
            found = _known(inner, parameters, around)
            for key in path:
                found = found.get(key) if isinstance(found, dict) else None
        case _:
            return None
    if isinstance(found, str) and found.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(found)
        except ValueError:
            return None
    return found
