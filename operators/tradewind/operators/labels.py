"""What an iteration of a loop is called in Airflow's UI: its path through the loops, and its item if short.

Airflow renders `map_index_template` as a template of the DAG's; ours is a constant that stands for one
variable of the task's context, so that an item is never taken for a template.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from tradewind.errors import RetryableError
from tradewind.operators.nest import items_task
from tradewind.operators.xcoms import ITERATIONS_KEY, RunXComs

__all__ = ["LABEL", "LABEL_TEMPLATE", "iteration_label", "iteration_path"]

LABEL = "tradewind_iteration"
LABEL_TEMPLATE = "{{ tradewind_iteration | default('') }}"

_LONGEST_ITEM = 40


def iteration_path(loop: str, map_index: int, xcoms: RunXComs) -> tuple[int, ...]:
    """Return the place of an iteration in each loop around it, the outermost first.

    Args:
        loop: id of the innermost loop; "" for a step outside loops.
    """
    return tuple(_entry(loop, map_index, xcoms)["path"]) if loop else ()


def iteration_label(loop: str, map_index: int, xcoms: RunXComs) -> str:
    """Return the label of an iteration: "2.0: 0.1" for the third outer and first inner one, with item 0.1.

    Args:
        loop: as above; outside loops there is no label.
    """
    if not loop:
        return ""
    entry = _entry(loop, map_index, xcoms)
    path = ".".join(str(number) for number in entry["path"])
    item = _short(entry["item"])
    return f"{path}: {item}" if item else path


def _entry(loop: str, map_index: int, xcoms: RunXComs) -> Mapping[str, Any]:
    entries = xcoms.one(items_task(loop), key=ITERATIONS_KEY)
    if isinstance(entries, list) and 0 <= map_index < len(entries):
        return cast(Mapping[str, Any], entries[map_index])
    raise RetryableError(
        f"task {items_task(loop)!r} has no iteration {map_index}",
        remedy="Clear it, so that it runs again; its XCom was removed, or it was marked by hand.",
    )


def _short(item: Any) -> str:
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_ITEM else ""
