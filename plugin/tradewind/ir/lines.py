"""From the path of a problem to its line in the file.

Problems are found in what a file means, where lines are forgotten: loading a thousand steps must not pay for
a message that hardly anybody will see. When there is one to show, the file is looked at once more.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any

import yaml

__all__ = ["Lines"]

_STEP = re.compile(
    r"""\.(?P<key>[A-Za-z0-9_-]+)|\[(?P<index>[0-9]+)\]|\[(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")\]"""
)
_LINE = re.compile(r"line ([0-9]+)(?:, column [0-9]+)?\Z")
_DOCUMENTS = {"$": 0, "$platform": 1}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class Lines:
    """Where things are in a compiled pipeline.

    Args:
        text: the file's; one that `tradewind.ir.loads` can read as far as objects, or else nothing is found.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    @cached_property
    def _documents(self) -> list[Any]:
        """Only made for places that need it: a text that nobody could read names its lines itself."""
        try:
            return list(yaml.compose_all(self._text, Loader=_LOADER))
        except (yaml.YAMLError, RecursionError):
            return []

    def find(self, place: str) -> int | None:
        """The line, counted from 1, of a problem's place: `$.root.dag.tasks.train`, `line 3, column 5`.

        Of something that is missing, the line of what should hold it; None for a place in no file.
        """
        if match := _LINE.match(place):
            return int(match[1])
        start = re.match(r"\$\w*", place)
        if start is None or start[0] not in _DOCUMENTS or len(self._documents) <= _DOCUMENTS[start[0]]:
            return None
        return self._descend(self._documents[_DOCUMENTS[start[0]]], place[start.end() :])

    def _descend(self, node: Any, path: str) -> int | None:
        if node is None:
            return None
        line = node.start_mark.line
        at = 0
        while (match := _STEP.match(path, at)) is not None:
            at = match.end()
            found = _member(node, match)
            if found is None:
                break
            line, node = found
        return int(line) + 1


def _member(node: Any, step: re.Match[str]) -> tuple[int, Any] | None:
    """Line and node of a list's or mapping's member. A mapping's line is that of the key."""
    if step["index"] is not None:
        index = int(step["index"])
        if not isinstance(node, yaml.SequenceNode) or index >= len(node.value):
            return None
        return node.value[index].start_mark.line, node.value[index]
    if not isinstance(node, yaml.MappingNode):
        return None
    key = step["key"] or _unquoted(step["quoted"])
    # Of a key that is given twice, the last one is meant.
    for name, value in reversed(node.value):
        if name.value == key or name.value == _snake(key):
            return name.start_mark.line, value
    return None


def _unquoted(text: str) -> str:
    """What `repr` made of a key, undone."""
    body = text[1:-1]
    return body.encode("ascii", "backslashreplace").decode("unicode_escape") if "\\" in body else body


def _snake(key: str) -> str:
    """The other spelling that protobuf's JSON allows: `dependentTasks` as `dependent_tasks`."""
    return re.sub(r"[A-Z]", lambda match: f"_{match[0].lower()}", key)
