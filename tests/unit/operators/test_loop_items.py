"""The task of a loop, and how a task sees iterations: positions, values and states, with few requests."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.steps import RUN_START
from tradewind.operators.nest import LoopNest
from tradewind.operators.settings import RunSettings
from tradewind.operators.view import RunFacts, TaskView, position_of
from tradewind.operators.xcoms import RunXComs
from tradewind.plan.bindings import Constant, Guard, LoopItem, Precondition, StepParameter
from tradewind.plan.model import Loop
from tradewind.plan.view import NoValueError

OUTER, INNER = "outer", "outer.inner"
NEST = LoopNest({OUTER: "", INNER: OUTER}, {"outer.lists": OUTER, "outer.inner.work": INNER})
PATHS = [(0, [0, 0]), (2, [2, 0]), (2, [2, 1])]


@dataclass
class Instance:
    """A task instance that answers from dicts, and counts what it is asked."""

    xcoms: dict[tuple[str, int, str], Any] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    dag_id: str = "dag"
    run_id: str = "run"
    task_id: str = "me"

    def xcom_pull(
        self, task_ids: str | list[str], key: str = "return_value", map_indexes: int | None = None
    ) -> Any:
        if isinstance(task_ids, list):
            self.asked.append(f"{task_ids[0]}[:] {key}")
            found = [
                value for (task, _, name), value in sorted(self.xcoms.items(), key=lambda item: item[0])
                if (task, name) == (task_ids[0], key)
            ]  # fmt: skip
            return found or [None]
        self.asked.append(f"{task_ids}[{map_indexes}] {key}")
        return self.xcoms.get((task_ids, map_indexes or 0, key))

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[self.task_id, -1, key] = json.loads(json.dumps(value))

    def get_task_states(
        self, task_ids: Iterable[str] | None = None, map_index: int | None = None, **_: Any
    ) -> Mapping[str, Mapping[str, str]]:
        self.asked.append(f"states {sorted(task_ids or ())} {map_index}")
        return {"run": self.states}


def instance(**states: str) -> Instance:
    ti = Instance(states={name.replace("__", "."): state for name, state in states.items()})
    ti.xcoms["run_start", -1, "return_value"] = RUN_START
    ti.xcoms["outer.loop_items", -1, "iterations"] = [
        {"parent": None, "path": [number], "item": item} for number, item in enumerate("abc")
    ]
    ti.xcoms["outer.inner.loop_items", -1, "iterations"] = [
        {"parent": parent, "path": path, "item": f"{parent}{path[-1]}"} for parent, path in PATHS
    ]
    for index in (0, 2):
        result = {"parameters": {"Output": index * 10}, "artifacts": {}, "index": index}
        ti.xcoms["outer.inner.work", index, "return_value"] = result
    return ti


def view_of(ti: Instance, own: Mapping[str, int]) -> TaskView:
    xcoms = RunXComs(ti)
    return TaskView(xcoms, RunFacts.of(ti, xcoms), NEST, own, {})


# --- seeing ---


def test_an_index_of_an_inner_loop_says_where_in_all_of_them():
    assert position_of(INNER, 2, NEST, RunXComs(instance())) == {OUTER: 2, INNER: 2}
    assert position_of(OUTER, 1, NEST, RunXComs(Instance())) == {OUTER: 1}
    assert position_of("", -1, NEST, RunXComs(Instance())) == {}


def test_items_and_iterations_are_those_of_the_own_iteration():
    view = view_of(instance(), {OUTER: 2, INNER: 1})
    assert (view.item(OUTER, {OUTER: 2, INNER: 1}), view.item(INNER, {OUTER: 2, INNER: 1})) == ("c", "20")
    assert view.iterations(INNER, {OUTER: 2}) == [{OUTER: 2, INNER: 1}, {OUTER: 2, INNER: 2}]
    assert view.iterations(INNER, {OUTER: 1}) == []
    assert len(view.iterations(INNER, {})) == 3


def test_values_are_read_by_their_index_and_all_at_once():
    ti = instance(outer__inner__work_0="success", outer__inner__work_1="skipped")
    view = view_of(ti, {})
    wanted = StepParameter("outer.inner.work", "Output")
    ti.asked.clear()
    assert view.output(wanted, {OUTER: 0, INNER: 0}) == 0
    assert view.output(wanted, {OUTER: 2, INNER: 2}) == 20  # the second that is there, not the third
    with pytest.raises(NoValueError):
        view.output(wanted, {OUTER: 2, INNER: 1})
    assert ti.asked == ["outer.inner.work[:] return_value", "states ['outer.inner.work'] None"]


def test_the_own_iteration_is_read_alone():
    ti = instance()
    view = view_of(ti, {OUTER: 2, INNER: 2})
    ti.asked.clear()
    assert view.output(StepParameter("outer.inner.work", "Output"), {OUTER: 2, INNER: 2}) == 20
    assert ti.asked == ["outer.inner.work[2] return_value"]


def test_states_are_those_at_and_below_a_position():
    ti = instance(
        **{f"outer__inner__work_{i}": state for i, state in enumerate(("success", "failed", "skipped"))}
    )
    view = view_of(ti, {})
    assert view.states("outer.inner.work", {OUTER: 2}) == ["failed", "skipped"]
    assert view.states("outer.inner.work", {OUTER: 1}) == []
    assert view.states("outer.inner.work", {OUTER: 0, INNER: 0}) == ["success"]


def test_what_was_skipped_for_a_failure_is_broken_and_so_is_a_loop_that_was_kept_from_running():
    ti = instance(**{f"outer__inner__work_{i}": "skipped" for i in range(3)})
    ti.xcoms["outer.inner.work", 1, "skipped"] = {"reason": "x", "failed": True, "index": 1}
    ti.xcoms["outer.inner.work", 2, "skipped"] = {"reason": "x", "failed": False, "index": 2}
    ti.xcoms["outer.inner.loop_items", -1, "skipped"] = {
        "around": [{"parent": 1, "reason": "lists failed", "failed": True}]
    }
    view = view_of(ti, {})
    assert view.states("outer.inner.work", {OUTER: 2}) == ["upstream_failed", "skipped"]
    assert view.states("outer.inner.work", {OUTER: 1}) == ["upstream_failed"]


# --- making ---


def make(ti: Instance, loop: Loop, monkeypatch: pytest.MonkeyPatch, most: int = 1024) -> Any:
    from tradewind.operators.loop import LoopOperator
    from tradewind.operators.looping import make_iterations

    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", str(most))
    ti.task_id = f"{loop.id}.loop_items"
    operator = LoopOperator(task_id=ti.task_id, loop=loop, nest=NEST, pipeline=RunSettings(pipeline="demo"))
    moment = SimpleNamespace(timestamp=lambda: 0.0)
    dag_run = SimpleNamespace(run_after=moment, start_date=moment, logical_date=None)
    return make_iterations(operator, {"ti": ti, "dag_run": dag_run})  # type: ignore[typeddict-item]


def test_items_that_only_the_iteration_around_knows(airflow_home: Any, monkeypatch: pytest.MonkeyPatch):
    ti = instance()
    lists: list[Any] = ["[1, 2]", "no list", []]
    for number, found in enumerate(lists):
        result = {"parameters": {"Output": found}, "artifacts": {}, "index": number}
        ti.xcoms["outer.lists", number, "return_value"] = result
    loop = Loop(INNER, OUTER, StepParameter("outer.lists", "Output"))
    assert make(ti, loop, monkeypatch) == [0, 1]
    assert ti.xcoms["outer.inner.loop_items", -1, "iterations"] == [
        {"parent": 0, "path": [0, 0], "item": 1},
        {"parent": 0, "path": [0, 1], "item": 2},
    ]
    # Bad items of one iteration are no matter of the others.
    (skip,) = ti.xcoms["outer.inner.loop_items", -1, "skipped"]["around"]
    assert (skip["parent"], skip["failed"], skip["error"]) == (1, True, True)
    assert "no JSON" in skip["reason"]
    assert len([entry for entry in ti.asked if entry.startswith("outer.lists")]) == 1


def test_a_condition_around_a_loop_leaves_it_without_items(
    airflow_home: Any, monkeypatch: pytest.MonkeyPatch
):
    guard = Guard("inputs.parameter_values['x'] == 'b'", {"x": LoopItem(OUTER)}, "condition-1")
    loop = Loop(INNER, OUTER, Constant([7]), precondition=Precondition((), (guard,)))
    ti = instance()
    assert make(ti, loop, monkeypatch) == [0]
    assert [entry["parent"] for entry in ti.xcoms["outer.inner.loop_items", -1, "iterations"]] == [1]
    around = ti.xcoms["outer.inner.loop_items", -1, "skipped"]["around"]
    assert [(skip["parent"], skip["failed"]) for skip in around] == [(0, False), (2, False)]


def test_more_iterations_than_airflow_takes_is_an_error_before_any(
    airflow_home: Any, monkeypatch: pytest.MonkeyPatch
):
    ti = instance()
    with pytest.raises(
        Exception, match=r"loop 'outer' has 5 iterations, Airflow is set to at most 4"
    ) as caught:
        make(ti, Loop(OUTER, "", Constant([1, 2, 3, 4, 5])), monkeypatch, most=4)
    assert "max_map_length" in str(caught.value)
    assert ti.xcoms["outer.loop_items", -1, "iterations"][0]["item"] == "a"  # nothing was left


def test_items_that_are_no_list_fail_a_loop_of_the_pipeline_itself(
    airflow_home: Any, monkeypatch: pytest.MonkeyPatch
):
    with pytest.raises(Exception, match="the items of outer are no list"):
        make(instance(), Loop(OUTER, "", Constant(3)), monkeypatch)
