"""Names and values in the shape that MLflow takes.

MLflow refuses a batch for one illegal key and cuts long values without a word. Both are decided here, in one
predictable way: what was legal stays as it is, a forbidden character becomes `_`, two names that would fall
together get a short hash of what they were, and a cut value says that it was cut.

Limits are those of `mlflow.utils.validation` (MLflow 3): keys of at most 250 letters, digits, `_ - . : /` and
spaces that are normal as a path; values of params 6000, of tags 8000 characters.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

__all__ = [
    "MAX_PARAM_VALUE",
    "MAX_TAG_VALUE",
    "clean",
    "cut",
    "digest",
    "key",
    "keyed",
    "model_name",
    "number",
    "text",
]

MAX_KEY = 250
MAX_PARAM_VALUE = 6000
MAX_TAG_VALUE = 8000

_ILLEGAL = re.compile(r"[^/\w.\- :]")
_ILLEGAL_IN_MODEL = re.compile(r"[/:.%\"'\x00-\x1f]+")
_HASH_LENGTH = 8

T = TypeVar("T")


def digest(*parts: str) -> str:
    """32 hex digits that stand for `parts`, whatever characters these hold."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def key(name: str) -> str:
    """`name` as a legal key of a param, metric or tag."""
    segments = [segment for segment in _ILLEGAL.sub("_", name).split("/") if segment]
    legal = "/".join("_" * len(segment) if segment in (".", "..") else segment for segment in segments)
    legal = legal or "_"
    return legal if len(legal) <= MAX_KEY else _marked(legal, name)


def _marked(legal: str, name: str) -> str:
    mark = "-" + digest(name)[:_HASH_LENGTH]
    return legal[: MAX_KEY - len(mark)].rstrip("/") + mark


def keyed(items: Mapping[str, T] | Iterable[tuple[str, T]]) -> dict[str, T]:
    """The items under legal keys, none lost: names that fall together are told apart by a hash."""
    pairs = list(items.items() if isinstance(items, Mapping) else items)
    count = Counter(key(name) for name, _ in pairs)
    return {
        key(name) if count[key(name)] == 1 or key(name) == name else _marked(key(name), name): value
        for name, value in pairs
    }


def model_name(name: str) -> str:
    """`name` as a legal name of a logged model."""
    return _ILLEGAL_IN_MODEL.sub("-", clean(name)).strip("-")[:MAX_KEY] or "model"


def clean(value: str) -> str:
    """`value` without what databases refuse: NUL and lone surrogates become U+FFFD."""
    return value.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def cut(value: str, limit: int) -> str:
    """`value`, or its beginning and a remark on how long it was."""
    value = clean(value)
    if len(value) <= limit:
        return value
    remark = f"… [cut: {len(value)} characters]"
    return value[: limit - len(remark)] + remark


def text(value: Any) -> str:
    """A value as text: strings as they are, everything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def number(value: Any) -> float | None:
    """The value as a metric; None when it is no number. Booleans count as 0 and 1."""
    if isinstance(value, bool):
        return float(value)
    if not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
