"""Durations as people write them: 3600, "90s", "12h", "7d", a timedelta."""

from __future__ import annotations

import math
import re
from datetime import timedelta

from tradewind.errors import ConfigurationError

__all__ = ["seconds_of"]

_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")


def seconds_of(value: object, what: str) -> float:
    """Return a duration in seconds.

    Args:
        value: a number of seconds, a number with a unit of s, m, h, d or w, or a timedelta.
        what: whose value it is, for the message.

    Raises:
        ConfigurationError: it is none of these, or not above zero.
    """
    seconds = 0.0
    if isinstance(value, timedelta):
        seconds = value.total_seconds()
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    elif isinstance(value, str) and (match := _TEXT.fullmatch(value.strip().lower())):
        seconds = float(match.group(1)) * _UNITS[match.group(2)]
    if not (math.isfinite(seconds) and seconds > 0):
        raise ConfigurationError(
            f"{what} is {value!r}, which is no duration",
            remedy="Write seconds, or a number with s, m, h, d or w: 7d.",
        )
    return seconds
