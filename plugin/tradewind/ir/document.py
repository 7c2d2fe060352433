"""Text to plain Python objects: YAML as KFP's SDK means it, quickly, and within bounds.

PyYAML's own loader is not used, for three reasons. It spends five sixths of its time outside of the C parser;
it keeps the last of two equal keys without a word; and it reads YAML 1.1, in which `on`, `1:30` and
`2026-01-01` are a boolean, a number and a date. The SDK writes with PyYAML, which quotes whatever would be
misread, so an unquoted scalar here is a null, `true` or `false`, a plain decimal number, or text. That
reading agrees with the SDK's on every file the SDK writes, and with YAML 1.2's on what people and other tools
write.

The bounds (size, depth, number of nodes after aliases) keep a hostile file from taking the DAG processor with
it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from tradewind.errors import Problem

__all__ = ["MAX_BYTES", "MAX_DEPTH", "MAX_NODES", "Unreadable", "read"]

MAX_BYTES = 64 * 1024 * 1024
"""Longest text accepted, in UTF-8 bytes. Etcd, which held KFP's own pipelines once, takes 1.5 MiB."""

MAX_DEPTH = 32
"""Deepest nesting. Protobuf stops at 100 messages, and a level of free-form data takes three of them."""

MAX_NODES = 5_000_000
"""Most scalars, lists and mappings, each alias counted with all that it stands for."""

_NUMBER = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+][0-9]+)?\Z")
_WORDS: dict[str, Any] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    ".inf": float("inf"),
    "-.inf": float("-inf"),
    ".nan": float("nan"),
}
_NUMERIC_START = frozenset("+-.0123456789")
_TAGS: dict[str, Callable[[str], Any]] = {
    "tag:yaml.org,2002:str": str,
    "tag:yaml.org,2002:int": int,
    "tag:yaml.org,2002:float": float,
    "tag:yaml.org,2002:bool": lambda text: {"true": True, "false": False}[text.lower()],
    "tag:yaml.org,2002:null": lambda text: None,
    "!": str,
}
_LONGEST_INTEGER = 4000
"""Digits. Python refuses to convert more than 4300, with a ValueError of its own."""


class Unreadable(Exception):
    """The text is no document at all: holds the problems, each with its line and column."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


def read(text: str) -> tuple[list[Any], list[Problem]]:
    """Read every document in a text.

    Args:
        text: YAML of one or more documents, or JSON.

    Returns:
        The documents as dicts with string keys, lists and scalars; and the problems that do not keep one from
        looking
        on: keys given twice, with the line of both.

    Raises:
        Unreadable: not YAML, or beyond the bounds above.
    """
    if len(text) > MAX_BYTES:
        raise Unreadable(
            Problem("$", f"the file has {len(text)} characters, more than {MAX_BYTES} are not read")
        )
    bad = (
        next((i for i, letter in enumerate(text) if "\ud800" <= letter <= "\udfff"), None)
        if not text.isascii()
        else None
    )
    if bad is not None:
        raise Unreadable(Problem(_at(text, bad), "this is not text (half of a surrogate pair)"))
    if text.lstrip()[:1] == "{":
        # JSON is read as JSON: YAML 1.1 takes its `1e-05` for text. A flow mapping in YAML falls through.
        as_json = _read_json(text)
        if as_json is not None:
            return as_json
    return _read_yaml(text)


def _at(text: str, index: int) -> str:
    line = text.count("\n", 0, index)
    return f"line {line + 1}, column {index - text.rfind(chr(10), 0, index)}"


# --- JSON ---


def _read_json(text: str) -> tuple[list[Any], list[Problem]] | None:
    problems: list[Problem] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(items)
        if len(result) < len(items):
            keys = [key for key, _ in items]
            problems.extend(
                Problem("$", f"the key {key!r} is given twice in one object", "keep one of them")
                for key in result
                if keys.count(key) > 1
            )
        return result

    try:
        document = json.loads(text, object_pairs_hook=pairs)
    except (ValueError, RecursionError):
        return None
    if _deeper_than(document, MAX_DEPTH):
        raise Unreadable(_too_deep("$"))
    return [document], problems


def _deeper_than(value: Any, levels: int) -> bool:
    children: Iterator[Any] = iter(())
    if isinstance(value, dict):
        children = iter(value.values())
    elif isinstance(value, list):
        children = iter(value)
    else:
        return False
    return levels == 0 or any(_deeper_than(child, levels - 1) for child in children)


def _too_deep(place: str) -> Problem:
    return Problem(place, f"nested deeper than {MAX_DEPTH} levels")


# --- YAML ---


def _parser(text: str) -> Any:
    """libyaml's parser where PyYAML was built with it, else the same events from Python, far slower."""
    cyaml = getattr(yaml, "cyaml", None)
    return cyaml.CParser(text) if cyaml is not None else yaml.SafeLoader(text)


@dataclass(slots=True)
class _Open:
    """A list or mapping whose end has not come yet."""

    value: dict[str, Any] | list[Any]
    anchor: str | None
    nodes_before: int
    key: str | None = None
    lines: dict[str, int] = field(default_factory=dict)


def _read_yaml(text: str) -> tuple[list[Any], list[Problem]]:
    builder = _Builder()
    try:
        next_event = _parser(text).get_event
        while builder.take(next_event()):
            pass
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark is not None else "$"
        message = " ".join(part for part in (error.context, error.problem) if part)
        raise Unreadable(
            Problem(place, f"this is not YAML: {message}", "compile the pipeline again")
        ) from error
    except yaml.YAMLError as error:
        message = " ".join(str(error).split())
        raise Unreadable(Problem("$", f"this is not YAML: {message}", "is it a text file?")) from error
    return builder.documents, builder.problems


class _Builder:
    """Turns the parser's events into objects, with a stack instead of recursion."""

    def __init__(self) -> None:
        self.documents: list[Any] = []
        self.problems: list[Problem] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0

    def take(self, event: Any) -> bool:
        """Take one event in; False after the last one."""
        kind = type(event)
        if kind is yaml.ScalarEvent:
            self._count(1, event)
            value = self._scalar(event)
            if event.anchor is not None:
                self._anchors[event.anchor] = (value, 1)
            self._put(value, event)
        elif kind is yaml.MappingStartEvent:
            self._open({}, event)
        elif kind is yaml.SequenceStartEvent:
            self._open([], event)
        elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
            self._close()
        elif kind is yaml.AliasEvent:
            self._alias(event)
        elif kind is yaml.DocumentEndEvent:
            self._anchors.clear()
        return kind is not yaml.StreamEndEvent

    def _open(self, value: dict[str, Any] | list[Any], event: Any) -> None:
        self._count(1, event)
        if len(self._stack) >= MAX_DEPTH:
            raise Unreadable(_too_deep(_place(event)))
        if self._stack and isinstance(self._stack[-1].value, dict) and self._stack[-1].key is None:
            raise Unreadable(Problem(_place(event), "a list or a mapping cannot be the key of a mapping"))
        self._put(value, event)
        self._stack.append(_Open(value, event.anchor, self._nodes))

    def _close(self) -> None:
        done = self._stack.pop()
        if done.anchor is not None:
            # Known only from here on, so that an alias inside its own anchor is not found.
            self._anchors[done.anchor] = (done.value, self._nodes - done.nodes_before + 1)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise Unreadable(Problem(_place(event), f"the alias *{event.anchor} has no anchor before it"))
        value, nodes = self._anchors[event.anchor]
        self._count(nodes, event)
        self._put(value, event)

    def _put(self, value: Any, event: Any) -> None:
        if not self._stack:
            self.documents.append(value)
            return
        parent = self._stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(value)
        elif parent.key is None:
            parent.key = self._key(value, event)
        else:
            parent.value[parent.key] = value
            parent.key = None

    def _key(self, value: Any, event: Any) -> str:
        parent = self._stack[-1]
        # A parameter may be called `true` or `1`: as a key, every scalar is its text.
        key = value if isinstance(value, str) else getattr(event, "value", None)
        if not isinstance(key, str):
            raise Unreadable(Problem(_place(event), "the key of a mapping must be text"))
        line = event.start_mark.line + 1
        if key in parent.lines:
            message = f"the key {key!r} is given twice in one mapping, first in line {parent.lines[key]}"
            self.problems.append(Problem(_place(event), message, "keep one of them"))
        parent.lines[key] = line
        return key

    def _count(self, nodes: int, event: Any) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise Unreadable(Problem(_place(event), f"more than {MAX_NODES} values, aliases included"))

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is not None:
            return self._tagged(tag, text, event)
        if not event.implicit[0]:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if text[0] not in _NUMERIC_START:
            return text
        if _NUMBER.match(text):
            if len(text) > _LONGEST_INTEGER:
                raise Unreadable(Problem(_place(event), f"a number of {len(text)} digits"))
            return int(text)
        return float(text) if _FLOAT.match(text) else text

    def _tagged(self, tag: str, text: str, event: Any) -> Any:
        try:
            return _TAGS[tag](text)
        except KeyError:
            message = f"the tag {tag!r} with the value {text[:40]!r} is not part of a compiled pipeline"
        except ValueError:
            message = f"{text[:40]!r} is not of the type that its tag {tag!r} says"
        raise Unreadable(Problem(_place(event), message, "write the value without a tag"))


def _place(event: Any) -> str:
    mark = event.start_mark
    return f"line {mark.line + 1}, column {mark.column + 1}"
