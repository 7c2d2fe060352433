"""Arguments of `pipeline_dag` as text: JSON, and the times that Airflow's arguments are full of."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

__all__ = ["settings_of", "settings_text"]

_SECONDS, _MOMENT = "tradewind:timedelta", "tradewind:datetime"


def settings_text(value: Any) -> str:
    """Write a value down.

    Raises:
        TypeError, ValueError: there is something in it that is not data.
    """
    return json.dumps(value, default=_marked, indent=2) + "\n"


def settings_of(text: str) -> Any:
    """Read what `settings_text` wrote; tuples and sets come back as lists."""
    return json.loads(text, object_hook=_unmarked)


def _marked(value: Any) -> Any:
    if isinstance(value, timedelta):
        return {_SECONDS: value.total_seconds()}
    if isinstance(value, datetime):
        return {_MOMENT: value.isoformat()}
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is not data")


def _unmarked(found: dict[str, Any]) -> Any:
    if found.keys() == {_SECONDS}:
        return timedelta(seconds=found[_SECONDS])
    if found.keys() == {_MOMENT}:
        return datetime.fromisoformat(found[_MOMENT])
    return found
