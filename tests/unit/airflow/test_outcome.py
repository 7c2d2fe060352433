"""When `run_end` makes a run fail; the states are those that Airflow's scheduler was seen to leave behind."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from fixtures.steps import python_step
from tradewind.operators.outcome import shows_failure, was_cut_short
from tradewind.plan.bindings import Constant
from tradewind.plan.model import Loop, Plan, Step


def step(name: str, *upstream: str, **fields: Any) -> Step:
    return python_step("def work():\n    pass\n", id=name, upstream=upstream, **fields)


def plan(*steps: Step, loops: Collection[Loop] = ()) -> Plan:
    return Plan(
        "p", "p", "", {}, {}, {item.id: item for item in steps}, loops={loop.id: loop for loop in loops}
    )


class Left:
    """What the tasks of a run left behind: traces of skips, results, loops without items."""

    def __init__(self, traces: str = "", results: str = "", empty: str = "") -> None:
        self.traces, self.results, self.empty = traces.split(), results.split(), empty.split()

    def skipped(self, step: str) -> Collection[int]:
        return [index for index in range(-1, 5) if f"{step}/{index}" in self.traces]

    def is_empty(self, loop: str) -> bool:
        return loop in self.empty

    def has_result(self, step: str, map_index: int) -> bool:
        return step in self.results


def states(text: str) -> dict[str, dict[int, str]]:
    """ "a success, b/0 skipped" by step and map index."""
    found: dict[str, dict[int, str]] = {}
    for entry in text.split(", "):
        name, state = entry.split()
        task, _, index = name.partition("/")
        found.setdefault(task, {})[int(index or -1)] = state
    return found


@pytest.mark.parametrize(
    ("what", "known", "results", "cut_short"),
    [
        ("success", "a success, b success, c success", "a b c", False),
        ("a step failed", "a failed, b upstream_failed, c upstream_failed", "", False),
        ("the last step failed", "a success, b success, c failed", "a b", False),
        ("marked failed while a ran", "a failed, b skipped, c skipped", "", True),
        ("marked failed while b ran", "a success, b failed, c skipped", "a", True),
        ("marked successful while a ran", "a success, b skipped, c skipped", "", False),
        ("marked successful while b ran", "a success, b success, c skipped", "a", False),
        ("ended while b waited for a worker", "a success, b skipped, c skipped", "a", True),
        ("ended before any step", "a skipped, b skipped, c skipped", "", True),
    ],
)
def test_a_run_that_is_ended_by_hand(what: str, known: str, results: str, cut_short: bool):
    chain = plan(step("a"), step("b", "a"), step("c", "b"))
    assert was_cut_short(chain, states(known), Left(results=results)) is cut_short, what


@pytest.mark.parametrize(
    ("what", "known", "left", "cut_short"),
    [
        ("a condition", "a success, b skipped, c skipped, d success", Left("b/-1", "a d"), False),
        ("a condition, and a failure", "a success, b skipped, c skipped, d failed", Left("b/-1", "a"), False),
        ("no condition", "a success, b skipped, c skipped, d skipped", Left("", "a"), True),
        ("ended after a condition", "a success, b skipped, c skipped, d skipped", Left("b/-1", "a"), True),
    ],
)
def test_a_condition_that_is_false_is_no_hand(what: str, known: str, left: Left, cut_short: bool):
    branches = plan(step("a"), step("b", "a"), step("c", "b"), step("d", "c", wait="no_failure"))
    assert was_cut_short(branches, states(known), left) is cut_short, what


@pytest.mark.parametrize(
    ("what", "known", "left", "cut_short"),
    [
        ("one iteration", "l.loop_items success, l.a/0 skipped, l.a/1 success, l.b/0 skipped, l.b/1 success",
         Left("l.a/0", "l.a l.b"), False),
        ("one of them by hand",
         "l.loop_items success, l.a/0 skipped, l.a/1 success, l.b/0 skipped, l.b/1 skipped",
         Left("l.a/0", "l.a l.b"), True),
        ("no items", "l.loop_items success, l.a skipped, l.b skipped", Left(empty="l"), False),
        ("before there were items", "l.loop_items success, l.a skipped, l.b skipped", Left(), True),
        ("the loop was skipped by hand", "l.loop_items skipped, l.a skipped, l.b skipped", Left(), True),
    ],
)  # fmt: skip
def test_skips_in_loops(what: str, known: str, left: Left, cut_short: bool):
    looped = plan(
        step("l.a", loop="l"), step("l.b", "l.a", loop="l"), loops=[Loop("l", "", Constant([1, 2]))]
    )
    assert was_cut_short(looped, states(known), left) is cut_short, what


def test_a_failure_shows_in_the_last_steps_only():
    known = states("a failed, b upstream_failed, exit success")
    assert not shows_failure(known, ["exit"])
    assert shows_failure(known, ["exit", "b"])
