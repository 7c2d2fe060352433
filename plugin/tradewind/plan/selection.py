"""Parts of a value: what `item.a` and `output["a"]["b"]` compile to.

KFP has a field for any expression of the language CEL; its compiler writes one form of it, over the value as
text.
"""

from __future__ import annotations

import re

__all__ = ["selected_path"]

_KEY = re.compile(
    r"""
    \[ \s* (?: "((?:[^"\\]|\\.)*)" | '((?:[^'\\]|\\.)*)' | (\d{1,9}) ) \s* \]
    | \. ([A-Za-z_]\w*)
    """,
    re.VERBOSE,
)
_WHOLE = re.compile(r"\s*parseJson\(\s*string_value\s*\)(?P<keys>.*)", re.DOTALL)


def selected_path(expression: str) -> tuple[str, ...] | None:
    """The keys in `parseJson(string_value)["a"]["b"]`, the outermost first; None for anything else."""
    whole = _WHOLE.fullmatch(expression)
    if whole is None:
        return None
    keys, text, place = [], whole["keys"].rstrip(), 0
    while place < len(text):
        found = _KEY.match(text, place)
        if found is None:
            return None
        keys.append(re.sub(r"\\(.)", r"\1", next(part for part in found.groups() if part is not None)))
        place = found.end()
    return tuple(keys) or None
