"""Components inside of components: never themselves, not too many, and with names that Airflow can carry.

A task becomes an Airflow task whose id is the path of task names to it. All of this is worked out per
component, not per
use: a file of a few kilobytes can describe a tree of billions of tasks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineSpec

from tradewind.errors import Problem
from tradewind.ir.schema import step_into

__all__ = ["MAX_ID", "MAX_STEPS", "check_nesting"]

MAX_ID = 250
"""Longest task id, in characters; Airflow's own limit."""

MAX_STEPS = 10_000
"""Most steps in one pipeline. Airflow's scheduler is slow long before."""

MAX_LEVELS = 50
"""Deepest nesting of sub-pipelines."""

_MANY = 10**9
_TASK_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")


def check_nesting(spec: PipelineSpec) -> Iterator[Problem]:
    """Yield what is wrong with how the components of an otherwise valid pipeline are nested and named."""
    named = list(_names(spec))
    yield from named
    inside = {name: _inside(component) for name, component in spec.components.items()}
    cycle, order = _find_recursion(inside)
    if cycle:
        path = " → ".join([*cycle, cycle[0]])
        yield Problem(step_into("$.components", cycle[0]), f"contains itself: {path}", "KFP has no recursion")
        return
    sizes: dict[str, _Size] = {}
    for name in order:
        sizes[name] = _size(spec.components[name], sizes)
    root = _size(spec.root, sizes)
    if root.steps > MAX_STEPS:
        count = "at least a billion" if root.steps == _MANY else root.steps
        yield Problem("$.root", f"the pipeline has {count} steps, more than {MAX_STEPS}", "split it")
    elif root.levels > MAX_LEVELS:
        yield Problem("$.root", f"sub-pipelines are nested {root.levels} deep, more than {MAX_LEVELS}")
    elif not named and root.longest > MAX_ID:
        yield from _long_ids(spec, sizes)


def _scopes(spec: PipelineSpec) -> Iterator[tuple[str, ComponentSpec]]:
    yield "$.root", spec.root
    for name, component in sorted(spec.components.items()):
        yield step_into("$.components", name), component


def _names(spec: PipelineSpec) -> Iterator[Problem]:
    for place, component in _scopes(spec):
        for name in sorted(component.dag.tasks):
            if not _TASK_NAME.match(name):
                message = f"the task name {name[:60]!r} cannot be part of an Airflow task id"
                yield Problem(
                    step_into(f"{place}.dag.tasks", name[:60]),
                    message,
                    "use letters, digits, dashes and underscores",
                )


def _inside(component: ComponentSpec) -> list[str]:
    return sorted({task.component_ref.name for task in component.dag.tasks.values()})


def _find_recursion(inside: Mapping[str, list[str]]) -> tuple[list[str], list[str]]:
    """Go through all components, those inside before those around them.

    Returns:
        A cycle: names of components of which each contains the next, and the last the first; empty if there
        is none. Without one, all names in the order that they were finished in.
    """
    finished: dict[str, None] = {}
    for start in sorted(inside):
        path = {start: iter(inside[start])} if start not in finished else {}
        while path:
            name = next(reversed(path))
            following = next(path[name], None)
            if following is None:
                finished[name] = None
                del path[name]
            elif following in path:
                names = list(path)
                return names[names.index(following) :], []
            elif following not in finished:
                path[following] = iter(inside[following])
    return [], list(finished)


@dataclass(frozen=True, slots=True)
class _Size:
    """Of what is below a component: levels of nesting, steps, and the longest task path in characters."""

    levels: int = 0
    steps: int = 1
    longest: int = 0


def _size(component: ComponentSpec, known: Mapping[str, _Size]) -> _Size:
    if component.WhichOneof("implementation") != "dag":
        return _Size()
    levels = steps = longest = 0
    for name, task in component.dag.tasks.items():
        inner = known[task.component_ref.name]
        levels = max(levels, inner.levels + 1)
        # Capped, or a chain of doublings makes numbers of thousands of digits.
        steps = min(steps + inner.steps, _MANY)
        longest = max(longest, len(name) + (inner.longest + 1 if inner.longest else 0))
    return _Size(levels, steps, longest)


def _long_ids(spec: PipelineSpec, sizes: Mapping[str, _Size]) -> Iterator[Problem]:
    pending = [(spec.root, "", "$.root")]
    while pending:
        component, prefix, place = pending.pop()
        for name, task in sorted(component.dag.tasks.items()):
            inner = task.component_ref.name
            path = f"{prefix}.{name}" if prefix else name
            where = step_into(f"{place}.dag.tasks", name)
            longest = sizes[inner].longest
            if len(path) > MAX_ID:
                message = f"the task id {path!r} has {len(path)} characters, Airflow takes {MAX_ID}"
                yield Problem(where, message, "give shorter names to the task and the pipelines around it")
            elif longest and len(path) + 1 + longest > MAX_ID:
                pending.append((spec.components[inner], path, step_into("$.components", inner)))
