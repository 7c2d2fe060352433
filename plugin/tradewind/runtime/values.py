"""Parameter values: from text files and Python objects to JSON and back.

The rules are KFP's: a STRING is taken as it is, numbers are trimmed, booleans are Go's `ParseBool`, lists
and structs are JSON. On top of them, numbers that JSON does not know (NaN and the infinities, common in
losses and ROC thresholds) travel as the strings that protobuf's JSON mapping uses, and numpy's scalars count
as numbers.
"""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["conform", "json_ready", "parse_text", "revive"]

TRUE = ("1", "t", "T", "TRUE", "true", "True")
FALSE = ("0", "f", "F", "FALSE", "false", "False")
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


def parse_text(kind: str, text: str) -> Any:
    """Read the content of an output parameter's file.

    Args:
        kind: the parameter's type, such as "NUMBER_INTEGER"; unknown ones count as STRING.
        text: the whole file.

    Raises:
        ValueError: the text is not of that type.
    """
    if kind == "NUMBER_INTEGER":
        return int(text.strip())
    if kind == "NUMBER_DOUBLE":
        return json_ready(float(text.strip()))
    if kind == "BOOLEAN":
        word = text.strip()
        if word in TRUE or word in FALSE:
            return word in TRUE
        raise ValueError(f"{word[:40]!r} is not a boolean: want true or false")
    if kind in ("LIST", "STRUCT"):
        return conform(kind, json.loads(text))
    return text


def conform(kind: str, value: Any) -> Any:
    """Return a value as the JSON value of a parameter type.

    Raises:
        ValueError: it is not of that type.
        TypeError: it holds something that JSON has no place for.
    """
    ready = json_ready(value)
    if kind == "NUMBER_INTEGER":
        if isinstance(ready, bool) or (isinstance(ready, float) and ready.is_integer()):
            return int(ready)
        fits = isinstance(ready, int)
    elif kind == "NUMBER_DOUBLE":
        fits = isinstance(ready, (int, float)) or ready in NOT_FINITE
        if fits and not isinstance(ready, str):
            return float(ready)
    elif kind == "BOOLEAN":
        fits = isinstance(ready, bool)
    elif kind in ("LIST", "STRUCT"):
        fits = isinstance(ready, list if kind == "LIST" else dict)
    else:
        fits = kind != "STRING" or isinstance(ready, str)
    if not fits:
        raise ValueError(f"{_short(value)} is of type {type(value).__name__}, want {kind}")
    return ready


def json_ready(value: Any) -> Any:
    """Return the value as strict JSON data: tuples as lists, numpy scalars and arrays as numbers and lists.

    Raises:
        TypeError: it holds something that JSON has no place for.
    """
    if value is None or isinstance(value, (str, bool)):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        if math.isfinite(value):
            return float(value)
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): json_ready(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_ready(item) for item in value]
    if hasattr(value, "tolist") and hasattr(value, "dtype"):
        return json_ready(value.tolist())
    raise TypeError(f"{_short(value)} of type {type(value).__name__} is not JSON data")


def revive(python_type: Any, value: Any) -> Any:
    """Undo for a `float` argument what JSON cannot carry."""
    return float(value) if python_type is float and value in NOT_FINITE else value


def _key(key: Any) -> str:
    text = json.dumps(json_ready(key))
    return json.loads(text) if text.startswith('"') else text


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
