"""JSON values as protobuf's `Value`, written in place.

`Struct.update` and `json_format.ParseDict` build the same, but walk every value several times; a pipeline of
a thousand tasks has tens of thousands of them (environment variables above all), and compiling it is paid
each time Airflow reads the DAG file.
"""

from __future__ import annotations

import math
from typing import Any

from google.protobuf.struct_pb2 import Value

__all__ = ["assign", "json_problem"]


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


def json_problem(value: Any, path: str = "") -> str | None:
    """Say what keeps a constant from being JSON, and where in it; None when nothing does."""
    where = f" at {path}" if path else ""
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value}{where} has no JSON form"
    if isinstance(value, str):
        return f"the text{where} holds a NUL character" if "\0" in value else None
    if value is None or isinstance(value, bool | int | float):
        return None
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                return f"the key {key!r}{where} is not a string"
            if problem := json_problem(item, f"{path}[{key!r}]"):
                return problem
        return None
    if isinstance(value, list):
        for index, item in enumerate(value):
            if problem := json_problem(item, f"{path}[{index}]"):
                return problem
        return None
    return f"a {type(value).__name__}{where} is not a JSON value"
