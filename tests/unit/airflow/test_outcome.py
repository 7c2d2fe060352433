"""When `run_end` makes a run fail; the states are those that Airflow's scheduler was seen to leave behind."""

from __future__ import annotations

import pytest

from tradewind.operators.outcome import was_cut_short


@pytest.mark.parametrize(
    ("what", "states", "results", "cut_short"),
    [
        ("success", {"a": "success", "b": "success"}, "ab", False),
        ("a step failed", {"a": "failed", "b": "upstream_failed"}, "", False),
        ("the last step failed", {"a": "success", "b": "failed"}, "a", False),
        ("marked failed while a ran", {"a": "failed", "b": "skipped"}, "", True),
        ("marked failed while c ran", {"a": "success", "b": "skipped", "c": "failed"}, "a", True),
        ("marked successful while a ran", {"a": "success", "b": "skipped"}, "", False),
        ("marked successful while b ran", {"a": "success", "b": "success", "c": "skipped"}, "a", False),
        ("ended while b waited for a worker", {"a": "success", "b": "skipped"}, "a", True),
        ("ended before any step", {"a": "skipped", "b": "skipped"}, "", True),
    ],
)
def test_was_cut_short(what: str, states: dict[str, str], results: str, cut_short: bool):
    assert was_cut_short(states, lambda step: step in results) is cut_short, what
