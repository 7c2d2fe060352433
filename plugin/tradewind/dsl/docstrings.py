"""Descriptions of inputs and outputs, taken from docstrings.

KFP shows them on its forms, and so do we (they become the descriptions of Airflow Params). Understood are
Google's sections (`Args:`, `Returns:`) and Sphinx's fields (`:param rows: ...`), which is what people write.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Docstring", "read"]

_SECTION = re.compile(
    r"^(Args|Arguments|Parameters|Params|Attributes|Returns?|Yields?|Raises|Exceptions?|Except|Examples?)"
    r":?[ \t\r\f\v]*$",
    re.MULTILINE,
)
_INPUT_SECTIONS = {"Args", "Arguments", "Parameters", "Params"}
_OUTPUT_SECTIONS = {"Returns", "Return"}
_ENTRY = re.compile(r"(?P<name>\w+)\s*(?:\([^)]*\))?\s*:[ ]?(?P<text>.*)", re.DOTALL)
_FIELD = re.compile(r"^:", re.MULTILINE)
_PARAMETER_FIELD = re.compile(
    r"^:param(?:eter)?\s+(?:[^:\n]+\s)?(\w+):[ ]?(.*?)(?=^:|\Z)", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Docstring:
    """What a docstring says: as a whole, of each input and of each output (by name)."""

    description: str = ""
    inputs: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)


def read(func: Callable[..., Any]) -> Docstring:
    """Read the docstring of `func`; what cannot be understood is left out, never an error."""
    text = inspect.getdoc(func)
    if not text:
        return Docstring()
    inputs = {name: _tidy(words) for name, words in _PARAMETER_FIELD.findall(text)}
    if inputs:
        start = _FIELD.search(text)
        return Docstring(_describe(text[: start.start() if start else None]), inputs)
    titles = list(_SECTION.finditer(text))
    outputs: dict[str, str] = {}
    ends = [title.start() for title in titles[1:]] + [len(text)]
    for title, end in zip(titles, ends, strict=False):
        body = text[title.end() : end]
        if title[1] in _INPUT_SECTIONS:
            inputs = _entries(body)
        elif title[1] in _OUTPUT_SECTIONS:
            outputs = _entries(body)
    return Docstring(_describe(text[: titles[0].start()] if titles else text), inputs, outputs)


def _describe(text: str) -> str:
    """First line and the rest, without the blank line in between."""
    first, _, rest = text.partition("\n")
    return "\n".join(part for part in (first.strip(), rest.strip()) if part)


def _entries(body: str) -> dict[str, str]:
    """Entries of a section: each begins at the section's own indentation, and deeper lines continue it."""
    lines = body.strip("\n").split("\n")
    end = next((i for i, line in enumerate(lines) if line and not line[0].isspace()), len(lines))
    block = inspect.cleandoc("\n" + "\n".join(lines[:end]))
    found = (_ENTRY.match(entry) for entry in re.split(r"\n(?=\S)", block))
    return {match["name"]: _tidy(match["text"]) for match in found if match}


def _tidy(text: str) -> str:
    first, newline, rest = text.partition("\n")
    return (first + newline + inspect.cleandoc(rest)).strip("\n").strip()
