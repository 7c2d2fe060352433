"""Placeholders in command lines of container components: what the backend fills in when the step runs.

A container component's function is called once, with these objects in place of its arguments; the command
line it returns is the component. The text forms are KFP's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NoReturn

from tradewind.errors import ConfigurationError
from tradewind.runtime.annotations import Slot

__all__ = [
    "ConcatPlaceholder",
    "IfPresentPlaceholder",
    "Placeholder",
    "PlaceholderArtifact",
    "input_parameter",
    "placeholder_for",
    "render",
]

_ONLY_WHOLE = "'{}' is a list of artifacts: only the whole list can be passed on"


class Placeholder:
    """A part of a command line that is known when the step runs.

    Attributes:
        text: as the IR spells it.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def structure(self) -> Any:
        """The form inside of Concat and IfPresent."""
        return self.text

    def __str__(self) -> str:
        return self.text

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.text == self.text

    def __hash__(self) -> int:
        return hash(self.text)


class _Metadata(Placeholder):
    def __getitem__(self, key: str) -> str:
        return f"{self.text.removesuffix('}}')}['{key}']}}}}"


class PlaceholderArtifact:
    """An artifact argument: `.uri`, `.path` and `.metadata[...]` can go into the command line."""

    def __init__(self, direction: str, name: str, is_list: bool) -> None:
        self._name, self._is_list = name, is_list
        self._prefix = f"{{{{$.{direction}.artifacts['{name}']"

    @property
    def uri(self) -> Placeholder:
        return self._part("uri")

    @property
    def path(self) -> Placeholder:
        return self._part("path")

    @property
    def metadata(self) -> _Metadata:
        self._refuse_list()
        return _Metadata(f"{self._prefix}.metadata}}}}")

    def _part(self, attribute: str) -> Placeholder:
        self._refuse_list()
        return Placeholder(f"{self._prefix}.{attribute}}}}}")

    def _refuse_list(self) -> None:
        if self._is_list:
            raise ConfigurationError(_ONLY_WHOLE.format(self._name), also=AttributeError)

    def __getitem__(self, index: Any) -> NoReturn:
        if self._is_list:
            raise ConfigurationError(_ONLY_WHOLE.format(self._name), also=KeyError)
        message = f"artifact '{self._name}' has no parts; use .uri, .path or .metadata[...]"
        raise ConfigurationError(message, also=TypeError)

    def whole(self) -> str:
        """Of a list: all of it, as JSON."""
        if not self._is_list:
            raise ValueError(
                f"artifact '{self._name}' cannot be passed by itself; use .uri, .path or .metadata[...]"
            )
        return f"{self._prefix}}}}}"

    def __str__(self) -> str:
        return self.whole()


class ConcatPlaceholder(Placeholder):
    """One argument made of several parts.

    Args:
        items: texts and placeholders.
    """

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = list(items)
        for item in self.items:
            _refuse_lists_in(item)

    def structure(self) -> Any:
        return {"Concat": [_structure(item) for item in self.items]}

    @property
    def text(self) -> str:  # type: ignore[override]
        return json.dumps(self.structure())

    def __str__(self) -> NoReturn:
        raise ValueError("a ConcatPlaceholder cannot be used in an f-string")


class IfPresentPlaceholder(Placeholder):
    """Arguments that are there only when an optional input is given.

    Args:
        input_name: the optional input.
        then: text, placeholder or a list of them.
        else_: the same, for when it is not given; None: nothing.
    """

    def __init__(self, input_name: str, then: Any, else_: Any = None) -> None:
        self.input_name = input_name
        self.then = then
        self.else_ = else_

    def structure(self) -> Any:
        body = {"InputName": self.input_name, "Then": _structure(self.then)}
        if self.else_:
            body["Else"] = _structure(self.else_)
        return {"IfPresent": body}

    @property
    def text(self) -> str:  # type: ignore[override]
        return json.dumps(self.structure())

    def __str__(self) -> NoReturn:
        raise ValueError("an IfPresentPlaceholder cannot be used in an f-string")


def input_parameter(name: str) -> str:
    """The text that becomes the value of an input parameter."""
    return f"{{{{$.inputs.parameters['{name}']}}}}"


def placeholder_for(name: str, slot: Slot) -> Any:
    """What a container component's function gets for one of its arguments.

    Raises:
        ValueError: container components cannot have such an argument.
    """
    is_artifact_path = isinstance(slot.type, str) and "@" in slot.type
    if slot.kind in ("input", "output"):
        return PlaceholderArtifact(f"{slot.kind}s", name, slot.is_list)
    if slot.kind == "output_path":
        return Placeholder(f"{{{{$.outputs.parameters['{name}'].output_file}}}}")
    if slot.kind == "input_path" and is_artifact_path:
        return PlaceholderArtifact("inputs", name, False).path
    if slot.kind in ("parameter", "final_status", "task_config"):
        return Placeholder(input_parameter(name))
    raise ValueError("a container component cannot have such an argument; use the value itself")


def render(element: Any, inputs: frozenset[str]) -> str:
    """One element of a command line as text.

    Args:
        element: text or placeholder.
        inputs: names that IfPresent may ask for.

    Raises:
        ValueError, TypeError: it cannot be one.
    """
    _check(element, inputs)
    if isinstance(element, str):
        return element
    text: str = element.whole() if isinstance(element, PlaceholderArtifact) else element.text
    return text


def _check(element: Any, inputs: frozenset[str]) -> None:
    if isinstance(element, IfPresentPlaceholder):
        if element.input_name not in inputs:
            raise ValueError(f"IfPresentPlaceholder asks for '{element.input_name}', which is not an input")
        for part in (element.then, element.else_):
            for item in part if isinstance(part, list) else [part] * (part is not None):
                _check(item, inputs)
    elif isinstance(element, ConcatPlaceholder):
        for item in element.items:
            _check(item, inputs)
    elif not isinstance(element, str | Placeholder | PlaceholderArtifact):
        raise TypeError(
            f"{element!r} is a {type(element).__name__}; a command line is made of texts and placeholders"
        )


def _structure(element: Any) -> Any:
    if isinstance(element, list):
        return [_structure(item) for item in element]
    if isinstance(element, PlaceholderArtifact):
        return element.whole()
    return element.structure() if isinstance(element, Placeholder) else element


def _refuse_lists_in(element: Any) -> None:
    if isinstance(element, IfPresentPlaceholder):
        if isinstance(element.then, list) or isinstance(element.else_, list):
            raise ValueError("within a ConcatPlaceholder, `then` and `else_` are single elements, not lists")
        _refuse_lists_in(element.then)
        _refuse_lists_in(element.else_)
    elif isinstance(element, ConcatPlaceholder):
        for item in element.items:
            _refuse_lists_in(item)
