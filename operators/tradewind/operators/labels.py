"""What an iteration of a loop is called in Airflow's UI: its path through the loops, and its item if short.

Airflow renders `map_index_template` as a template of the DAG's; ours is a constant that stands for one
variable of the task's context, so that an item is never taken for a template.
"""

from __future__ import annotations

import json
from typing import Any

from tradewind.operators.nest import LoopNest, items_task
from tradewind.operators.xcoms import ITERATIONS_KEY, RunXComs

__all__ = ["LABEL", "LABEL_TEMPLATE", "iteration_label"]

LABEL = "tradewind_iteration"
LABEL_TEMPLATE = "{{ tradewind_iteration | default('') }}"

_LONGEST_ITEM = 40


def iteration_label(loop: str, map_index: int, nest: LoopNest, xcoms: RunXComs) -> str:
    """Return the label of an iteration: "2.0: 0.1" for the third outer and first inner one, with item 0.1.

    Args:
        loop: id of the innermost loop; "" for a step outside loops, which has no label.
    """
    if not loop:
        return ""
    entries = xcoms.one(items_task(loop), key=ITERATIONS_KEY)
    if not isinstance(entries, list) or not 0 <= map_index < len(entries):
        return str(map_index)
    entry = entries[map_index]
    path = ".".join(str(number) for number in entry["path"])
    item = _short(entry["item"])
    return f"{path}: {item}" if item else path


def _short(item: Any) -> str:
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_ITEM else ""
