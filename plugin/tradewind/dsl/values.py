"""JSON values as protobuf's `Value`, written in place.

`Struct.update` and `json_format.ParseDict` build the same, but walk every value several times; a pipeline of
a thousand tasks has tens of thousands of them (environment variables above all), and compiling it is paid
each time Airflow reads the DAG file.
"""

from __future__ import annotations

import math
import re
from typing import Any

from google.protobuf.struct_pb2 import Value

__all__ = ["assign", "json_problem", "text_problem"]

_EXACT = 2**53
_HALF = re.compile("[\ud800-\udfff]")


def assign(target: Value, value: Any) -> None:
    """Write a JSON value into `target`. What `json_problem` lets pass can be written."""
    if isinstance(value, str):
        target.string_value = value
    elif isinstance(value, bool):
        target.bool_value = value
    elif value is None:
        target.null_value = 0  # type: ignore[assignment]
    elif isinstance(value, int | float):
        target.number_value = value
    elif isinstance(value, dict):
        target.struct_value.SetInParent()
        fields = target.struct_value.fields
        for key, item in value.items():
            assign(fields[key], item)
    else:
        target.list_value.SetInParent()
        for item in value:
            assign(target.list_value.values.add(), item)


def text_problem(text: str, where: str = "") -> str | None:
    """Say what keeps a text from being written down; None when nothing does."""
    if "\0" in text:
        return f"the text{where} holds a NUL character"
    if not text.isascii() and _HALF.search(text):
        return f"the text{where} is not valid Unicode (half of a surrogate pair)"
    return None


def json_problem(value: Any, path: str = "", *, as_text: bool = False) -> str | None:
    """Say what keeps a constant from being JSON, and where in it; None when nothing does.

    Args:
        path: where it is in a larger one.
        as_text: it is written as JSON text, where an integer keeps all its digits; protobuf's `Value` has
            doubles only.
    """
    where = f" at {path}" if path else ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}{where} has no JSON form"
    if isinstance(value, str):
        return text_problem(value, where)
    if value is None or isinstance(value, bool | float):
        return None
    if isinstance(value, int):
        return _integer_problem(value, where, as_text)
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"the key {key!r}{where} is not a string"
            place = f"{path}[{key!r}]"
            if problem := text_problem(key, f" at {place}") or json_problem(item, place, as_text=as_text):
                return problem
        return None
    if isinstance(value, list):
        for index, item in enumerate(value):
            if problem := json_problem(item, f"{path}[{index}]", as_text=as_text):
                return problem
        return None
    return f"a {type(value).__name__}{where} is not a JSON value"


def _integer_problem(value: int, where: str, as_text: bool) -> str | None:
    if -_EXACT <= value <= _EXACT:
        return None
    if not -(2**63) <= value < 2**63:
        return f"the integer{where} needs more than 64 bits; pass it as text"
    if as_text or int(float(value)) == value:
        return None
    return f"the integer {value}{where} would be rounded: the IR keeps numbers as doubles; pass it as text"
