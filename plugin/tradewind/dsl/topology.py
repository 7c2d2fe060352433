"""What depends on what.

An edge is drawn between siblings only: where a task uses something from another scope, the two outermost
scopes that they do not share are joined.
"""

from __future__ import annotations

from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from typing import Any

from tradewind.dsl import conditions
from tradewind.dsl.channel import Channel, with_tokens
from tradewind.dsl.control import Branch
from tradewind.dsl.loops import Collected, FieldChannel, ItemChannel
from tradewind.dsl.platform import references
from tradewind.dsl.scoping import outermost, own_channels, require, require_own, surfaced, tell_items_apart
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.trace import Node, Scope, Trace
from tradewind.dsl.types import FINAL_STATUS

__all__ = ["Dependencies", "analyse", "for_resources_only"]

Dependencies = dict[str, set[str]]

# Scopes that may not run, or run several times: nothing simply follows from inside of them.
_CLOSED_FOR_ORDER = ("condition", "exit-handler")
_CLOSED_FOR_DATA = (*_CLOSED_FOR_ORDER, "condition-branches", "for-loop")


def analyse(trace: Trace) -> Dependencies:
    """Find all edges and note in each scope what goes in and out; what is wrong is noted in the trace.

    Returns:
        Names of the siblings that must come before, by name of task or scope.
    """
    edges: Dependencies = {}
    scopes = list(trace.root.descendants())
    tell_items_apart(trace, _uses(trace, scopes))
    for scope in scopes:
        _check_conditions(scope)
        _join(edges, scope, own_channels(scope), [])
        require_own(scope)
    for task in trace.tasks.values():
        channels = list(channels_of(task))
        if task.exit_of is not None:
            _check_exit_task(task, channels)
            edges[task.name] = {task.exit_of.name}
            continue
        _join(edges, task, channels, task.upstream)
        for channel in (*channels, *_conditions_around(task.scope)):
            require(surfaced(channel, task.scope), task.scope)
        _check_final_status(task, edges)
    exits = [task for task in trace.tasks.values() if task.exit_of is not None]
    for scope in scopes:
        _check_cycles(scope, [*scope.tasks, *exits] if scope is trace.root else scope.tasks, edges)
    return edges


def _uses(trace: Trace, scopes: list[Scope]) -> Iterator[tuple[Channel, Scope]]:
    """What is used by tasks and blocks, and in which scope."""
    for scope in scopes:
        if scope.scope is not None:
            yield from ((channel, scope.scope) for channel in own_channels(scope))
    for task in trace.tasks.values():
        yield from ((channel, task.scope) for channel in channels_of(task))


def channels_of(task: PipelineTask) -> Iterator[Channel]:
    """Everything that a task needs and that is known only at run time."""
    for _, text in task.resources.items():
        yield from _channels_in(text, task.trace)
    yield from _channels_beside_resources(task)


def _channels_beside_resources(task: PipelineTask) -> Iterator[Channel]:
    for value in (*task.inputs.values(), task.image, *references(task.platform_config)):
        yield from _channels_in(value, task.trace)


def for_resources_only(task: PipelineTask) -> set[str]:
    """Names of the siblings that a task waits for since they make its resources, and for nothing else.

    Its inputs say so. KFP does not say it again by `dependentTasks`.
    """
    if not task.resources.items():
        return set()
    used = [channel.producer for channel in _channels_beside_resources(task)]
    others = {outermost(node, task.scope) for node in (*used, *task.upstream) if node is not None}
    makers = {channel.producer for channel in channels_of(task)}
    return {node.name for node in makers - others if node is not None and node.scope is task.scope}


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


def _conditions_around(scope: Scope | None) -> Iterator[Channel]:
    """Operands of the conditions that a scope is in. KFP hands them down to each block inside."""
    while scope is not None:
        if isinstance(scope, Branch):
            yield from (channel for channel in own_channels(scope) if not isinstance(channel, FieldChannel))
        scope = scope.scope


def _join(edges: Dependencies, consumer: Node, channels: list[Channel], upstream: list[Node]) -> None:
    """Draw the edges to what one task or block uses and waits for."""
    if not channels and not upstream:
        return
    for channel in channels:
        # A loop waits for its list by itself, so those in it need not.
        if channel.producer is not None and not isinstance(channel, ItemChannel | FieldChannel):
            before = outermost(channel.producer, consumer.scope)
            _check_use(channel, before, consumer)
            _add(edges, before, consumer)
    for node in upstream:
        before = outermost(node, consumer.scope)
        if before is not node and before.kind in _CLOSED_FOR_ORDER:
            message = f"task '{node.name}' is inside of {before.keyword} and may not run"
            consumer.trace.complain(message, task=consumer.name, part="after()")
        _add(edges, before, consumer)


def _add(edges: Dependencies, before: Node, after: Node) -> None:
    while after.scope is not before.scope:
        after = after.scope
    edges.setdefault(after.name, set()).add(before.name)


def _check_use(channel: Channel, before: Node, consumer: Node) -> None:
    inside = before is not channel.producer
    task = consumer.name if isinstance(consumer, PipelineTask) else ""
    part = "" if task else f"block '{consumer.name}'"
    if isinstance(channel, Collected):
        if not inside or before.kind != "for-loop":
            message = f"'{channel.full_name}' is not made in a dsl.ParallelFor that this is outside of"
            consumer.trace.complain(message, task=task, part=part, remedy="remove dsl.Collected")
    elif inside and before.kind in _CLOSED_FOR_DATA:
        remedy = {"for-loop": "use dsl.Collected", "condition-branches": "use dsl.OneOf"}.get(before.kind, "")
        message = f"uses '{channel.full_name}' from inside of {before.keyword}"
        consumer.trace.complain(message, task=task, part=part, remedy=remedy or "move it into the same block")


def _check_conditions(scope: Scope) -> None:
    if isinstance(scope, Branch) and (problem := conditions.problem(scope.conditions[-1])):
        part = f"{scope.keyword} '{scope.display_name or scope.name}'"
        scope.trace.complain(problem, part=part, also=AssertionError)


def _check_exit_task(task: PipelineTask, channels: list[Channel]) -> None:
    used = [channel.full_name for channel in channels if channel.producer is not None]
    if awaited := [*(node.name for node in task.upstream), *used]:
        task.trace.complain(
            "is an exit task and cannot wait for others",
            task=task.name,
            part="after()" if task.upstream else "",
            remedy=f"it starts when its dsl.ExitHandler has ended, without {', '.join(awaited)}",
        )


def _check_cycles(scope: Scope, tasks: list[PipelineTask], edges: Dependencies) -> None:
    names = [*(inner.name for inner in scope.scopes), *(task.name for task in tasks)]
    graph = {name: edges.get(name, set()) for name in names}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        scope.trace.complain(
            f"waits for itself: {' → '.join(cycle)}",
            task=cycle[0],
            remedy="remove one of the .after(), or one use of an output, in the cycle",
        )


def _check_final_status(task: PipelineTask, edges: Dependencies) -> None:
    """KFP hands the status of exactly one task to one that ignores failures."""
    wanting = [entry.name for entry in task.component.interface.inputs.values() if entry.kind == FINAL_STATUS]
    if not wanting:
        return
    part, before = f"argument '{wanting[0]}'", edges.get(task.name, set())
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
