"""Components inside of components: never themselves, not too many, and with names that Airflow can carry.

A task becomes an Airflow task whose id is the path of task names to it. All of this is worked out per
component, not per use: a file of a few kilobytes can describe a tree of billions of tasks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineSpec

from tradewind.errors import Problem
from tradewind.ir.schema import step_into

__all__ = ["MAX_STEPS", "check_nesting"]

MAX_STEPS = 10_000
"""Most steps in one pipeline. Airflow's scheduler is slow long before."""

MAX_LEVELS = 50
"""Deepest nesting of sub-pipelines."""

_MANY = 10**9
_TASK_NAME = re.compile(r"[A-Za-z0-9_-]+\Z")


def check_nesting(spec: PipelineSpec) -> Iterator[Problem]:
    """Yield what is wrong with how the components of an otherwise valid pipeline are nested and named."""
    yield from _names(spec)
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
    """Of what is below a component: levels of nesting and steps."""

    levels: int = 0
    steps: int = 1


def _size(component: ComponentSpec, known: Mapping[str, _Size]) -> _Size:
    if component.WhichOneof("implementation") != "dag":
        return _Size()
    levels = steps = 0
    for task in component.dag.tasks.values():
        inner = known[task.component_ref.name]
        levels = max(levels, inner.levels + 1)
        # Capped, or a chain of doublings makes numbers of thousands of digits.
        steps = min(steps + inner.steps, _MANY)
    return _Size(levels, steps)
