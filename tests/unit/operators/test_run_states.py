"""States of the tasks of a run, as Airflow tells them: one flat mapping of ids, map indexes joined on."""

from __future__ import annotations

from typing import Any

from tradewind.operators.xcoms import RunXComs


class Instance:
    """The one call of a running task instance, answering as the execution API does."""

    dag_id = "churn"
    run_id = "run"

    def __init__(self, states: dict[str, str]) -> None:
        self._states = states

    def get_task_states(self, **asked: Any) -> dict[str, dict[str, str]]:
        wanted = asked.get("task_ids")
        found = {
            label: state
            for label, state in self._states.items()
            if wanted is None or label in wanted or label.rpartition("_")[0] in wanted
        }
        return {self.run_id: found}


def test_steps_that_begin_like_our_own_tasks_are_told_apart() -> None:
    states = {
        "run_start": "success",
        "run": "failed",
        "steps_done": "success",
        "steps_0": "skipped",
        "run_end": "running",
    }
    run = RunXComs(Instance(states))
    run.ask_all_states(["run", "steps"])
    assert run.states("run") == {-1: "failed"}
    assert run.states("steps") == {0: "skipped"}


def test_a_task_of_a_loop_has_a_state_for_each_index() -> None:
    run = RunXComs(
        Instance({"loop.train_0": "success", "loop.train_11": "failed", "loop.eval": "upstream_failed"})
    )
    assert run.states("loop.train") == {0: "success", 11: "failed"}
    assert run.state("loop.train", 11) == "failed"
    assert run.state("loop.eval", 3) == "upstream_failed"
