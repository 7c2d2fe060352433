"""What depends on what.

An edge is drawn between siblings only: where a task uses something from another scope, the two outermost
scopes that they do not share are joined. Also found here: which values a scope needs from outside, and
cycles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tradewind.dsl.channel import Channel, with_tokens
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.trace import Node, Scope, Trace
from tradewind.dsl.types import FINAL_STATUS

__all__ = ["Topology", "analyse", "channels_of"]


@dataclass(frozen=True, slots=True)
class Topology:
    """The edges of a pipeline.

    Attributes:
        dependencies: names of the siblings that must come before, by name of task or scope.
    """

    dependencies: dict[str, set[str]] = field(default_factory=dict)


def analyse(trace: Trace) -> Topology:
    """Find all edges; what is wrong with them is noted in the trace."""
    topology = Topology()
    for task in trace.tasks.values():
        upstream: dict[int, Node] = {id(node): node for node in task.upstream}
        upstream |= {id(c.producer): c.producer for c in channels_of(task) if c.producer is not None}
        for node in upstream.values():
            before, after = _siblings(node, task)
            topology.dependencies.setdefault(after.name, set()).add(before.name)
    for scope in trace.root.descendants():
        _check_cycles(scope, topology)
    for task in trace.tasks.values():
        _check_final_status(task, topology)
    return topology


def channels_of(task: PipelineTask) -> Iterator[Channel]:
    """Everything that a task needs and that is known only at run time."""
    for value in task.inputs.values():
        yield from _channels_in(value, task.trace)
    for text in (task.image, *(text for _, text in task.resources.items())):
        yield from _channels_in(text, task.trace)


def _channels_in(value: Any, trace: Trace) -> Iterator[Channel]:
    if isinstance(value, Channel):
        yield value
    elif isinstance(value, str):
        yield from (channel for channel in trace.tokens_in(value).values() if channel is not None)
    elif isinstance(value, list):
        for item in value:
            yield from _channels_in(item, trace)
    elif isinstance(value, dict):
        for key, item in with_tokens(value).items():
            yield from _channels_in(key, trace)
            yield from _channels_in(item, trace)


def _siblings(before: Node, after: Node) -> tuple[Node, Node]:
    """The nodes themselves, or the outermost scopes around them that they do not share."""
    while before.scope is not after.scope:
        depths = len(before.scope.path()), len(after.scope.path())
        if depths[0] >= depths[1]:
            before = before.scope
        if depths[1] >= depths[0]:
            after = after.scope
    return before, after


def _check_cycles(scope: Scope, topology: Topology) -> None:
    names = [*(inner.name for inner in scope.scopes), *(task.name for task in scope.tasks)]
    graph = {name: topology.dependencies.get(name, set()) for name in names}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        scope.trace.complain(
            f"waits for itself: {' → '.join(cycle)}",
            task=cycle[0],
            remedy="remove one of the .after() in the cycle",
        )


def _check_final_status(task: PipelineTask, topology: Topology) -> None:
    """KFP hands the status of exactly one task to one that ignores failures."""
    wanting = [entry.name for entry in task.component.interface.inputs.values() if entry.kind == FINAL_STATUS]
    if not wanting:
        return
    part, before = f"argument '{wanting[0]}'", topology.dependencies.get(task.name, set())
    if not task.ignores_upstream_failure:
        task.trace.complain(
            "is a PipelineTaskFinalStatus, which only exit tasks get",
            task=task.name,
            part=part,
            remedy="use the task in dsl.ExitHandler, or call .ignore_upstream_failure()",
        )
    elif len(before) != 1:
        names = ", ".join(sorted(before)) or "none"
        task.trace.complain(
            f"needs exactly one task to wait for; there are: {names}", task=task.name, part=part
        )
