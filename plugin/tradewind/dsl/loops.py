"""Items of loops, and what leaves blocks again: `dsl.Collected` and `dsl.OneOf`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tradewind.dsl.channel import Channel, Facade, unwrap
from tradewind.dsl.types import LIST, STRING, STRUCT, ArtifactKind, Kind, ParameterKind, constant_kind
from tradewind.dsl.values import json_problem
from tradewind.errors import ConfigurationError

if TYPE_CHECKING:
    from tradewind.dsl.control import ParallelFor
    from tradewind.dsl.trace import Trace

__all__ = ["Collected", "FieldChannel", "ItemChannel", "LoopItem", "OneOf", "item_channel"]

_UNKNOWN = ParameterKind(STRING.code, certain=False)


class ItemChannel(Channel):
    """The item of a loop.

    Attributes:
        loop: the block.
        source: what holds the list; None: it is written in the pipeline.
    """

    def __init__(self, loop: ParallelFor, name: str, kind: Kind, source: Channel | None) -> None:
        super().__init__(loop.trace, name, kind, source.producer if source is not None else None)
        self.loop = loop
        self.source = source


class FieldChannel(Channel):
    """A value in an item that is a dictionary, at any depth.

    Attributes:
        item: of the loop.
        path: keys from the outermost in.
    """

    def __init__(self, item: ItemChannel, path: tuple[str, ...], kind: Kind) -> None:
        super().__init__(item.trace, _subvariable(item.name, path), kind, item.producer)
        self.item = item
        self.path = path

    @property
    def full_name(self) -> str:
        return _subvariable(self.item.full_name, self.path)

    @property
    def selector(self) -> str:
        return "parseJson(string_value)" + "".join(f'["{key}"]' for key in self.path)


def _subvariable(item: str, path: tuple[str, ...]) -> str:
    return "-subvar-".join((item, *path))


class LoopItem(Facade):
    """What `with dsl.ParallelFor(...) as item` gives, without attributes: `item.name` is a value in it.

    A value in it may have values in it again: `item.model.name`.
    """

    _channel: ItemChannel | FieldChannel

    def __getattr__(self, field: str) -> LoopItem:
        if field.startswith("__"):
            raise AttributeError(field)
        return self[field]

    def __getitem__(self, field: str) -> LoopItem:
        whole = self._channel
        kind = whole.kind
        is_table = isinstance(kind, ParameterKind) and (kind.code == STRUCT.code or not kind.certain)
        if not is_table or not str(field).isidentifier():
            message = f"the item '{whole.full_name}' is a {kind} and has no value '{field}' in it"
            whole.trace.fail(message, part="dsl.ParallelFor")
        item, path = (whole, ()) if isinstance(whole, ItemChannel) else (whole.item, whole.path)
        return LoopItem(FieldChannel(item, (*path, field), _field_kind(whole, (*path, field))))


def _field_kind(whole: ItemChannel | FieldChannel, path: tuple[str, ...]) -> Kind:
    """Constant items tell the type of each of their fields; otherwise there is one for all, if any."""
    item = whole if isinstance(whole, ItemChannel) else whole.item
    if item.source is not None:
        return (whole.kind.inner if isinstance(whole.kind, ParameterKind) else None) or _UNKNOWN
    found = list(item.loop.items)
    for depth, key in enumerate(path):
        for index, value in enumerate(found):
            if not isinstance(value, dict) or key not in value:
                missing = ".".join(path[: depth + 1])
                item.trace.fail(f"item {index} has no value '{missing}'", part="dsl.ParallelFor")
        found = [value[key] for value in found]
    kinds = {constant_kind(value) for value in found}
    return (kinds.pop() if len(kinds) == 1 else None) or _UNKNOWN


def item_channel(loop: ParallelFor, items: Any) -> ItemChannel:
    """The item of a loop over a list, or over what will be one at run time."""
    trace = loop.trace
    if isinstance(items, Channel):
        kind = items.kind
        if items.trace is not trace:
            trace.fail(f"'{items.full_name}' belongs to pipeline '{items.trace.pipeline}'", part=loop.keyword)
        if isinstance(kind, ArtifactKind):
            is_list, inner = kind.is_list, replace(kind, is_list=False)
            return _checked(trace, is_list, items, ItemChannel(loop, f"{items.name}-loop-item", inner, items))
        is_list = kind.code == LIST.code or not kind.certain or isinstance(items, FieldChannel)
        name = f"{items.name}-loop-item"
        return _checked(trace, is_list, items, ItemChannel(loop, name, kind.inner or _UNKNOWN, items))
    if not isinstance(items, list | tuple) or not items:
        also = ValueError if isinstance(items, list | tuple) else TypeError
        trace.fail(f"expects a list with at least one item, got {items!r}", part=loop.keyword, also=also)
    if problem := json_problem(list(items), as_text=True):
        trace.fail(f"the items cannot be used: {problem}", part=loop.keyword, also=TypeError)
    first = items[0]
    kind = constant_kind(first) or _UNKNOWN
    if isinstance(first, dict) and first:
        kind = replace(kind, inner=constant_kind(next(iter(first.values()))))
    return ItemChannel(loop, f"loop-item-param-{trace.next_scope_number()}", kind, None)


def _checked(trace: Trace, is_list: bool, items: Channel, item: ItemChannel) -> ItemChannel:
    if not is_list:
        trace.fail(f"expects a list, got {items.kind} '{items.full_name}'", part="dsl.ParallelFor")
    return item


class Collected(Channel):
    """All that a task in a loop puts out, as a list, for use outside of the loop.

    Args:
        output: of a task in `dsl.ParallelFor`.
    """

    def __init__(self, output: Any) -> None:
        if not isinstance(output, Channel) or isinstance(
            output, ItemChannel | FieldChannel | Collected | OneOf
        ):
            raise ConfigurationError(
                "dsl.Collected expects the output of a task in a loop.",
                remedy="Give it task.output.",
                also=ValueError if isinstance(output, Channel) else AttributeError,
            )
        kind = replace(output.kind, is_list=True) if isinstance(output.kind, ArtifactKind) else LIST
        super().__init__(output.trace, output.name, kind, output.producer)
        self.output = output

    def __str__(self) -> str:
        raise ConfigurationError(
            "dsl.Collected cannot be put into text.", remedy="Pass it as an argument of its own."
        )

    __repr__ = object.__repr__


class OneOf(Channel):
    """The output of whichever branch of If, Elif and Else runs.

    Args:
        channels: one output from each branch, all of the same type; there has to be an Else.
    """

    def __init__(self, *channels: Any) -> None:
        outputs = [unwrap(channel) for channel in channels]
        if not outputs or not all(
            isinstance(each, Channel) and each.producer is not None for each in outputs
        ):
            raise ConfigurationError(
                "dsl.OneOf expects outputs of tasks.",
                remedy="Give it task.output of each branch.",
                also=ValueError if outputs else IndexError,
            )
        trace, branches = outputs[0].trace, _branches_around(outputs[0])
        if any(isinstance(each, Collected | OneOf | ItemChannel | FieldChannel) for each in outputs):
            trace.fail("takes outputs of tasks as they are", part="dsl.OneOf")
        if branches is None or any(_branches_around(each) is not branches for each in outputs):
            message = "the outputs come from branches of one dsl.If with dsl.Else"
            trace.fail(message, part="dsl.OneOf", also=AttributeError)
        if getattr(branches.scopes[-1], "keyword", "") != "dsl.Else":
            trace.fail("needs a dsl.Else, or there might be no value", part="dsl.OneOf")
        for each in outputs[1:]:
            if each.kind != outputs[0].kind:
                message = (
                    f"'{each.full_name}' is {each.kind}, but '{outputs[0].full_name}' is {outputs[0].kind}"
                )
                trace.fail(message, part="dsl.OneOf", also=TypeError)
        name = f"pipelinechannel--{branches.name}-oneof-{branches.next_value()}"
        super().__init__(trace, name, outputs[0].kind, branches)
        self.outputs: list[Channel] = outputs
        self.branches = branches


def _branches_around(channel: Channel) -> Any:
    scope: Any = channel.producer.scope if channel.producer is not None else None
    while scope is not None and scope.kind != "condition-branches":
        scope = scope.scope
    return scope
