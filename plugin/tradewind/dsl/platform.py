"""A task's settings for one platform only, on their way into the IR's second document.

They are plain data, but a name in them may be known only to the run. Such a place holds a `Reference` until
the compiler, which knows the scope that the task is in, writes it as KFP does: like an input of the task.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct

if TYPE_CHECKING:
    from tradewind.dsl.inputs import TaskInputs

__all__ = ["Reference", "references", "write_platform"]


@dataclass(frozen=True, slots=True)
class Reference:
    """A value that the run may decide.

    Attributes:
        value: a channel, or JSON data that may have tokens of channels in its texts.
    """

    value: Any


def references(settings: Any) -> Iterator[Any]:
    """Yield the values of all references in settings."""
    if isinstance(settings, Reference):
        yield settings.value
    elif isinstance(settings, Mapping):
        for part in settings.values():
            yield from references(part)
    elif isinstance(settings, list):
        for part in settings:
            yield from references(part)


def write_platform(target: Struct, settings: Mapping[str, Any], inputs: TaskInputs) -> None:
    """Write one executor's settings.

    Args:
        target: the place in the second document.
        settings: data with references in it.
        inputs: of the task; values within longer texts become inputs of it.
    """
    target.update(_written(settings, inputs))


def _written(settings: Any, inputs: TaskInputs) -> Any:
    if isinstance(settings, Reference):
        return MessageToDict(inputs.reference(settings.value))
    if isinstance(settings, list):
        return [_written(part, inputs) for part in settings]
    if not isinstance(settings, Mapping):
        return settings
    written = {name: _written(part, inputs) for name, part in settings.items()}
    if "pvcNameParameter" in written:
        written |= _older_claim(written["pvcNameParameter"])
    return written


def _older_claim(reference: Mapping[str, Any]) -> dict[str, Any]:
    """The name of a claim as older backends read it, which know no parts of values and no numbers."""
    if "parameterExpressionSelector" in reference:
        return {}
    constant = reference.get("runtimeValue", {}).get("constant")
    older = {name: part for name, part in reference.items() if name != "runtimeValue"}
    return {"constant": constant} if isinstance(constant, str) and "{{$" not in constant else older
