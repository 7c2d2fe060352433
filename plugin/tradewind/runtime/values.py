"""Parameter values: from text files and Python objects to JSON and back.

The rules are KFP's: a STRING is taken as it is, numbers are trimmed, booleans are Go's `ParseBool`, lists
and structs are JSON. On top of them, numbers that JSON does not know (NaN and the infinities, common in
losses and ROC thresholds) travel as the strings that protobuf's JSON mapping uses, and numpy's scalars count
as numbers. Inside a list or struct nobody could tell such a string from text: there they are refused. So is,
everywhere, what Airflow's API and database cannot carry: NUL, half of a surrogate pair, more than 64 bits.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

__all__ = ["as_parameter", "conform", "json_ready", "parse_text", "revive"]

TRUE = ("1", "t", "T", "TRUE", "true", "True")
FALSE = ("0", "f", "F", "FALSE", "false", "False")
NOT_FINITE = ("NaN", "Infinity", "-Infinity")

_HALF = re.compile("[\ud800-\udfff]")


def parse_text(kind: str, text: str) -> Any:
    """Read the content of an output parameter's file.

    Args:
        kind: the parameter's type, such as "NUMBER_INTEGER"; unknown ones count as STRING.
        text: the whole file.

    Raises:
        ValueError: the text is not of that type.
    """
    if kind == "NUMBER_INTEGER":
        return conform(kind, int(text.strip()))
    if kind == "NUMBER_DOUBLE":
        return json_ready(float(text.strip()))
    if kind == "BOOLEAN":
        word = text.strip()
        if word in TRUE or word in FALSE:
            return word in TRUE
        raise ValueError(f"{word[:40]!r} is not a boolean: want true or false")
    return conform(kind, json.loads(text) if kind in ("LIST", "STRUCT") else text)


def conform(kind: str, value: Any) -> Any:
    """Return a value as the JSON value of a parameter type.

    Raises:
        ValueError: it is not of that type, or cannot be passed on.
        TypeError: it holds something that JSON has no place for.
    """
    if kind == "NUMBER_INTEGER" and isinstance(value, float) and value.is_integer():
        value = int(value)
    ready = as_parameter(value, float if kind == "NUMBER_DOUBLE" else None)
    if kind == "NUMBER_INTEGER":
        ready = int(ready) if isinstance(ready, bool) else ready
        fits = isinstance(ready, int)
    elif kind == "NUMBER_DOUBLE":
        fits = isinstance(ready, float) or ready in NOT_FINITE
    elif kind == "BOOLEAN":
        fits = isinstance(ready, bool)
    elif kind in ("LIST", "STRUCT"):
        fits = isinstance(ready, list if kind == "LIST" else dict)
    else:
        fits = kind != "STRING" or isinstance(ready, str)
    if not fits:
        raise ValueError(f"{_short(value)} is of type {type(value).__name__}, want {kind}")
    return ready


def as_parameter(value: Any, python_type: Any = None) -> Any:
    """Return the value as JSON data that a parameter of a type can carry.

    Raises:
        ValueError: it cannot be passed on.
        TypeError: it holds something that JSON has no place for.
    """
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        value = value.tolist()
    if python_type is float and isinstance(value, int):
        try:
            value = float(value)
        except OverflowError:
            raise ValueError("the integer is too large for a float") from None
    return json_ready(value, words=isinstance(value, float))


def json_ready(value: Any, where: str = "", words: bool = True) -> Any:
    """Return the value as strict JSON data: tuples as lists, numpy scalars and arrays as numbers and lists.

    Args:
        where: its place in the whole, for the message.
        words: NaN and the infinities become text; False: they are refused.

    Raises:
        ValueError: it holds what cannot be passed on.
        TypeError: it holds something that JSON has no place for.
    """
    if value is None or isinstance(value, bool):
        return value
    at = f" at {where}" if where else ""
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError(
                f"the text{at} holds a NUL character; pass binary data as an artifact, or in base64"
            )
        if not value.isascii() and _HALF.search(value):
            raise ValueError(f"the text{at} is not valid Unicode (half of a surrogate pair)")
        return value
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise ValueError(f"the integer{at} needs more than 64 bits; pass it as text")
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        if not words:
            raise ValueError(f"JSON has no form for the {value}{at}; put None or a text in its place")
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {_key(key, where): json_ready(item, f"{where}[{key!r}]", words) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item, f"{where}[{index}]", words) for index, item in enumerate(value)]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return json_ready(value.tolist(), where, words)
    raise TypeError(f"{_short(value)} of type {type(value).__name__} is not JSON data")


def revive(annotation: Any, value: Any) -> Any:
    """Undo what JSON cannot carry, for arguments that are `float`, `List[float]` and the like.

    A list of what the iterations of a loop returned may hold the words that stand for single numbers.
    """
    if annotation is float:
        return float(value) if value in NOT_FINITE else value
    inner = getattr(annotation, "__args__", None) or (None,)
    if isinstance(value, list):
        return [revive(inner[0], item) for item in value]
    if isinstance(value, dict):
        return {key: revive(inner[-1], item) for key, item in value.items()}
    return value


def _key(key: Any, where: str) -> str:
    ready = json_ready(key, f"{where}[{key!r}]")
    return ready if isinstance(ready, str) else json.dumps(ready)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
