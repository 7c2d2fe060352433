"""`-p name=value`: from the text on a command line to the value that the pipeline's parameter wants.

All that is wrong is said at once and before anything starts, since starting a stack to learn of a typing
error would be half a minute lost.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tradewind.errors import FatalError, InvalidPipelineError, Problem
from tradewind.plan import coerce
from tradewind.plan.model import PipelineParameter

__all__ = ["read_parameters"]

_WORDS = {
    "STRING": "text",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a JSON list",
    "STRUCT": "a JSON object",
}


_NUMBERS: Mapping[str, tuple[re.Pattern[str], type[int] | type[float]]] = {
    "NUMBER_INTEGER": (re.compile(r"\s*[+-]?[0-9]+\s*"), int),
    "NUMBER_DOUBLE": (re.compile(r"\s*[+-]?([0-9]+\.?|[0-9]*\.[0-9]+)([eE][+-]?[0-9]+)?\s*"), float),
}
"""Python would take more for a number than anybody expects: `1_000`, digits of other scripts."""


class _UnreadableError(Exception):
    """A text that is no value of the wanted type."""


def read_parameters(
    arguments: Iterable[str],
    declared: Mapping[str, PipelineParameter],
    *,
    source: str,
    given: Iterable[str] = (),
) -> dict[str, Any]:
    """Read the parameters of a run from a command line.

    Args:
        arguments: `name=value` each. A value `@file` is read from that file, `@@x` stands for `@x`,
            and `null` for no value where the parameter is optional and not a text.
        declared: the pipeline's parameters.
        source: the pipeline's file, for the message.
        given: parameters that have a value already, so that none is missing.

    Raises:
        InvalidPipelineError: lists every argument that cannot be used and every parameter that has no value.
    """
    values: dict[str, Any] = {}
    problems: list[Problem] = []
    named: set[str] = set()
    for argument in arguments:
        name, equals, text = argument.partition("=")
        place = f"-p {name}"
        if not equals:
            problems.append(Problem(f"-p {argument}", "there is no '='", "write -p name=value"))
        elif name in named:
            problems.append(Problem(place, "is given twice"))
        elif name not in declared:
            problems.append(_unknown(place, name, declared))
        else:
            try:
                values[name] = coerce(_value(text, declared[name]), declared[name].type, place)
            except _UnreadableError as error:
                problems.append(Problem(place, str(error)))
            except FatalError as error:
                problems.append(Problem(place, error.message.removeprefix(f"{place}: "), error.remedy))
        named.add(name)
    for name, parameter in declared.items():
        if name not in named and name not in given and not (parameter.has_default or parameter.optional):
            remedy = f"give it with -p {name}=... ({_WORDS[parameter.type]})"
            problems.append(Problem(f"parameter {name!r}", "has no default and no value", remedy))
    if problems:
        raise InvalidPipelineError(source, problems)
    return values


def _unknown(place: str, name: str, declared: Mapping[str, PipelineParameter]) -> Problem:
    near = difflib.get_close_matches(name, declared, n=1)
    known = f"its parameters: {', '.join(declared)}" if declared else "it has none"
    return Problem(
        place, "the pipeline has no such parameter", f"did you mean {near[0]!r}?" if near else known
    )


def _value(text: str, parameter: PipelineParameter) -> Any:
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        text = _file(text[1:])
    if parameter.type == "STRING":
        return text
    if text.strip() == "null" and (
        parameter.optional or (parameter.has_default and parameter.default is None)
    ):
        return None
    return _read(text, parameter.type)


def _file(name: str) -> str:
    try:
        return Path(name).expanduser().read_bytes().decode()
    except OSError as error:
        raise _UnreadableError(
            f"cannot read {name!r}: {error.strerror} (for a text that starts with @: @@)"
        ) from None
    except UnicodeDecodeError:
        raise _UnreadableError(f"{name!r} is not text in UTF-8") from None


def _read(text: str, kind: str) -> Any:
    try:
        if kind == "BOOLEAN":
            return {"true": True, "false": False}[text.strip().lower()]
        if kind in _NUMBERS:
            pattern, convert = _NUMBERS[kind]
            if not pattern.fullmatch(text):
                raise ValueError
            return convert(text)
        value = json.loads(text, parse_constant=_no_constant, object_pairs_hook=_distinct)
        if not isinstance(value, list if kind == "LIST" else dict):
            raise ValueError
    except (ValueError, KeyError, RecursionError):
        shown = text if len(text) <= 60 else text[:57] + "..."
        raise _UnreadableError(f"must be {_WORDS[kind]}, not {shown!r}") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise _UnreadableError(f"has the key {twice!r} twice in one object")
    return found
