"""Parameter values and their types, by KFP's rules.

Protobuf knows one kind of number. What was an int when the author wrote it must be one again when the step
reads it (5, never 5.0), so numbers are set right here, once for constants at compile time and once for values
at run time.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.errors import FatalError
from tradewind.plan.model import ParameterType
from tradewind.plan.placeholders import render

__all__ = ["NOT_FINITE", "coerce", "one_of", "text_problem", "typed"]

NOT_FINITE = ("NaN", "Infinity", "-Infinity")
"""What stands for the numbers that JSON does not know (docs/protocol.md)."""

_HALF = re.compile("[\ud800-\udfff]")

_NAMES: Mapping[ParameterType, str] = {
    "STRING": "text",
    "NUMBER_INTEGER": "a whole number",
    "NUMBER_DOUBLE": "a number",
    "BOOLEAN": "true or false",
    "LIST": "a list",
    "STRUCT": "a mapping",
}


def typed(value: Any, parameter_type: ParameterType) -> Any:
    """A value read from protobuf, with its numbers set right; of another type than wanted, it passes."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return float(value) if parameter_type == "NUMBER_DOUBLE" else _whole(value)
    return _whole_inside(value)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _whole_inside(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _whole_inside(member) for key, member in value.items()}
    return [_whole_inside(member) for member in value] if isinstance(value, list) else _whole(value)


def coerce(value: Any, parameter_type: ParameterType, where: str) -> Any:
    """Check a value that a parameter gets at run time, and convert it where KFP does.

    A whole number may come as float (5.0), a number as int; what is not text becomes its JSON text for a
    STRING parameter. The words of `NOT_FINITE` are numbers. None passes: whether a parameter may be absent is
    not a question of its type.

    Args:
        value: any JSON value.
        parameter_type: what the parameter is declared as.
        where: the parameter, for the message: `step 'train', parameter 'rows'`.

    Raises:
        FatalError: the value is of another type, is no JSON value, or cannot be carried on: NUL (by command
            lines, environment variables, PostgreSQL's JSON), half of a surrogate pair (by UTF-8), integers
            beyond 64 bits (by Airflow's API).
    """
    if value is None:
        return None
    if parameter_type == "NUMBER_DOUBLE" and isinstance(value, str) and value in NOT_FINITE:
        return value
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if number and parameter_type == "NUMBER_DOUBLE":
        value = _float(value, where)
    elif number and parameter_type == "NUMBER_INTEGER":
        value = _whole(value)
    _refuse_strange(value, where)
    fits: bool
    match parameter_type:
        case "STRING":
            return render(value)
        case "NUMBER_INTEGER":
            fits = number and isinstance(value, int)
        case "NUMBER_DOUBLE":
            fits = number
        case "BOOLEAN":
            fits = isinstance(value, bool)
        case "LIST":
            fits = isinstance(value, list)
        case "STRUCT":
            fits = isinstance(value, dict)
    if not fits:
        shown = render(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        raise FatalError(f"{where}: wants {_NAMES[parameter_type]}, but got {type(value).__name__} {shown!r}")
    return value


def one_of(value: Any, literals: Sequence[Any], where: str) -> Any:
    """Return a value if it is one of those allowed.

    Args:
        value: of the parameter's type; None passes.
        literals: what is allowed; empty: anything.
        where: as of `coerce`.

    Raises:
        FatalError: it is none of them.
    """
    if (
        literals
        and value is not None
        and all(value != each or type(value) is not type(each) for each in literals)
    ):
        allowed = ", ".join(repr(each) for each in literals)
        raise FatalError(f"{where}: is {value!r}, but has to be one of {allowed}")
    return value


def text_problem(text: str) -> str:
    """Say why nothing can carry a text on; "" when all can."""
    if "\0" in text:
        return "holds a NUL character"
    return "is not valid text (half of a surrogate pair)" if not text.isascii() and _HALF.search(text) else ""


def _float(value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise FatalError(
            f"{where}: an integer of {int(value).bit_length()} bits, too large for a number"
        ) from None


def _refuse_strange(value: Any, where: str) -> None:
    if isinstance(value, str):
        if problem := text_problem(value):
            raise FatalError(f"{where}: {problem}", remedy="pass binary data as an artifact, or as base64")
    elif isinstance(value, dict):
        for key, member in value.items():
            if not isinstance(key, str):
                raise FatalError(f"{where}: a mapping's keys must be text, but one is {type(key).__name__}")
            _refuse_strange(key, where)
            _refuse_strange(member, where)
    elif isinstance(value, list):
        for member in value:
            _refuse_strange(member, where)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise FatalError(f"{where}: {value} is not a number that JSON can carry")
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise FatalError(f"{where}: an integer beyond 64 bits", remedy="pass it as text")
    elif value is not None:
        raise FatalError(f"{where}: {type(value).__name__} is not a JSON value")
