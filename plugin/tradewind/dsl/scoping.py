"""Values on their way between scopes.

A value from outside of a scope becomes an input of it, on every level in between; what leaves a scope becomes
an output of it. Names and order are KFP's.
"""

from __future__ import annotations

from collections.abc import Iterable

from tradewind.dsl.channel import Channel, injected_name
from tradewind.dsl.control import Branch, ParallelFor
from tradewind.dsl.loops import Collected, FieldChannel, ItemChannel, OneOf
from tradewind.dsl.trace import Names, Node, Scope, Trace

__all__ = ["outermost", "own_channels", "require", "require_own", "surfaced", "tell_items_apart"]


def outermost(node: Node, scope: Scope) -> Node:
    """The node itself, or the outermost scope around it that `scope` is not in."""
    shared = {id(each) for each in scope.path()}
    while id(node.scope) not in shared:
        node = node.scope
    return node


def own_channels(scope: Scope) -> list[Channel]:
    """What a block itself needs: the list of a loop, the operands of a condition."""
    if isinstance(scope, ParallelFor) and scope.item.source is not None:
        return [scope.item.source]
    if isinstance(scope, Branch):
        return [channel for condition in scope.conditions for channel in condition.channels()]
    return []


def tell_items_apart(trace: Trace, uses: Iterable[tuple[Channel, Scope]]) -> None:
    """Give items names of their own where KFP's would take the place of the item of a loop around.

    The items of nested loops over the same list have the same name. That is left as KFP has it where only the
    inner one is used inside.
    """
    items = [each.item.full_name for each in trace.root.descendants() if isinstance(each, ParallelFor)]
    if len(set(items)) == len(items):
        return
    names = Names()
    for name in set(items):
        names.claim(name)
    for channel, scope in uses:
        item = channel.item if isinstance(channel, FieldChannel) else channel
        if not isinstance(item, ItemChannel):
            continue
        path = scope.path()
        for between in path[path.index(item.loop) + 1 :] if item.loop in path else ():
            if isinstance(between, ParallelFor) and between.item.full_name == item.full_name:
                between.item.name += names.claim(item.full_name).removeprefix(item.full_name)


def require_own(scope: Scope) -> None:
    """Make what a block itself needs an input of it."""
    for channel in own_channels(scope):
        assert scope.scope is not None, "only blocks need something"
        visible = surfaced(channel, scope.scope)
        scope.imports[injected_name(visible)] = visible
        require(visible, scope.scope)


def require(channel: Channel, scope: Scope) -> None:
    """Make a value known in `scope`: it is produced there, or an input of it and of the scopes around."""
    if isinstance(channel, FieldChannel):
        require(channel.item, scope)
    elif isinstance(channel, ItemChannel) and channel.loop is scope:
        if isinstance(channel.source, FieldChannel):  # as KFP does, though only the field is needed
            require(channel.source.item, scope)
    elif scope.scope is not None and (isinstance(channel, ItemChannel) or not _made_in(channel, scope)):
        scope.imports[injected_name(channel)] = channel
        require(channel, scope.scope)


def _made_in(channel: Channel, scope: Scope) -> bool:
    return channel.producer is not None and channel.producer.scope is scope


def surfaced(channel: Channel, scope: Scope) -> Channel:
    """The channel as `scope` sees it; notes on the way what the scopes in between put out."""
    if isinstance(channel, Collected):
        return _surface(channel.output, channel, outermost(channel.producer, scope))
    if isinstance(channel, OneOf):
        branches = [
            _surface(each, each, outermost(each.producer, channel.branches)) for each in channel.outputs
        ]
        channel.branches.exports[channel.name] = branches
    return channel


def _surface(output: Channel, shown: Channel, top: Node) -> Channel:
    """Hand an output up to `top`. What is shown of it (its name, and as what) is the same on each level."""
    name, node = injected_name(shown), output.producer
    inner = Channel(output.trace, output.name, shown.kind, node)
    while node is not top:
        assert node is not None, "what is handed up has been made by a task"
        node = node.scope
        node.exports[name] = [inner]
        inner = Channel(output.trace, name, shown.kind, node)
    return inner
