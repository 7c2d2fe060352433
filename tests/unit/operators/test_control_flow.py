"""Whole runs of pipelines with control flow on real Airflow and cluster: what ran, on what, to what end."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.airflow import DagResult
from fixtures.steps import deployment
from tradewind.tracking import MlflowRest

PIPELINES = Path(__file__).parents[2] / "e2e" / "pipelines"


@pytest.fixture
def run_pipeline(run_dag: Callable[..., DagResult], cluster: Any) -> Callable[..., DagResult]:
    """Runs a file of `tests/e2e/pipelines`; as many pods are started as steps are executed."""

    def run(name: str, conf: dict[str, Any] | None = None, arguments: str = "caching=False") -> DagResult:
        text = (PIPELINES / f"{name}.py").read_text()
        made = f"\nfrom tradewind.airflow import pipeline_dag\ndag = pipeline_dag(pipeline, {arguments})\n"
        cluster.requests(reset=True)
        result = run_dag(text + made, conf=conf)
        asked = sum(
            r["count"] for r in cluster.requests() if (r["verb"], r["resource"]) == ("create", "pods")
        )
        executed = [name for name, state in result.tasks.items() if state in ("success", "failed")]
        plumbing = re.compile(r"run_start|steps_done|run_end|.*\.loop_items")
        assert asked == len([name for name in executed if not plumbing.fullmatch(name)])
        return result

    return run


def values(result: DagResult, task: str, count: int | None = None) -> Any:
    """What a step returned as `Output`, a list of `count` for one in a loop; None where it has no result."""
    indexes = range(count) if count is not None else [-1]
    found = [result.xcom(task, map_index=index) for index in indexes]
    outputs = [left["parameters"]["Output"] if left else None for left in found]
    return outputs if count is not None else outputs[0]


def in_state(result: DagResult, *states: str) -> set[str]:
    return {task for task, state in result.tasks.items() if state in states}


def test_loops(tracked: str, run_pipeline: Callable[..., DagResult], mlflow_server: Any) -> None:
    result = run_pipeline("loops", {"factor": 2}, "caching=False, experiment='control-loops'")
    assert result.state == "success"
    # A loop over nothing: what is in it does not run, what comes after it does.
    assert in_state(result, "success") == set(result.tasks) - {"for-loop-5.never"}
    assert result.tasks["for-loop-5.never"] == "skipped"
    assert values(result, "after-nothing") == 0
    inner = "for-loop-1.for-loop-2"
    assert result.xcom(f"{inner}.loop_items", "iterations") == [
        {"parent": 0, "path": [0, 0], "item": "n1"},
        {"parent": 0, "path": [0, 1], "item": "n2"},
        {"parent": 2, "path": [2, 0], "item": "w1"},
    ]
    assert values(result, f"{inner}.sales", 4) == [222, 224, 240, None]
    assert values(result, "for-loop-1.total", 3) == ["north=446", "south=0", "west=240"]
    assert values(result, "report") == "north=446,south=0,west=240;222,224,240"
    assert values(result, "for-loop-4.double-and-name.name", 2) == ["a-2", "b-4"]
    assert values(result, "join") == "a-2+b-4"

    rest = MlflowRest(mlflow_server.uri)
    found = rest.get("experiments/get-by-name", {"experiment_name": "control-loops"})["experiment"]
    runs = rest.post("runs/search", {"experiment_ids": [found["experiment_id"]], "max_results": 100})["runs"]
    by_name = {run["info"]["run_name"]: run for run in runs}
    assert {"sales [0.0]", "sales [0.1]", "sales [2.0]", "total [1]", "report"} <= set(by_name)
    metrics = {item["key"]: item["value"] for item in by_name[result.run_id]["data"]["metrics"]}
    assert metrics[f"{inner}.sales/2.0/Output"] == 240
    outputs = {item["key"]: item["value"] for item in by_name[result.run_id]["data"]["tags"]}
    assert "north=446,south=0,west=240;222,224,240" in outputs.values()
    labels = {(ti.task_id, ti.map_index): ti.rendered_map_index for ti in result.instances}
    assert labels[f"{inner}.sales", 2] == "2.0: w1"
    assert labels["for-loop-4.double-and-name.double", 1] == '1: {"n": 2, "p": "b"}'


def test_conditions(tracked: str, run_pipeline: Callable[..., DagResult]) -> None:
    result = run_pipeline("conditions")
    assert result.state == "success"
    assert values(result, "say") == values(result, "one-of.read") == "it is heads"
    branches = "one-of.condition-branches-1"
    loop, inner = "condition-3.for-loop-4", "condition-3.for-loop-4.condition-5.for-loop-7"
    assert in_state(result, "skipped") == {
        f"{branches}.condition-3.say-2",
        f"{branches}.condition-4.say-3",
        "condition-1.say-2",
        "condition-1.say-3",
        "condition-1.for-loop-2.flip-2",
        f"{loop}.condition-5.say-4[1]",
        f"{inner}.condition-8.condition-9.flip-4[0]",
        f"{inner}.condition-8.condition-9.flip-4[2]",
    }
    assert in_state(result, "failed", "upstream_failed") == set()
    assert values(result, f"{loop}.flip-3", 3) == ["heads", "tails", "heads"]
    assert [entry["path"] for entry in result.xcom(f"{inner}.loop_items", "iterations")] == [
        [0, 0],
        [0, 1],
        [2, 0],
        [2, 1],
    ]
    # What was skipped contributes nothing, the order stays.
    assert values(result, "condition-3.read-all") == "['heads', 'heads'] ['heads', 'heads']"
    reason = result.xcom(f"{branches}.condition-3.say-2", "skipped")["reason"]
    assert "condition-branches-1.condition-3" in reason


def test_failures(airflow_home: Any, cluster: Any, namespace: str, run_pipeline: Any) -> None:
    with deployment(cluster.kubeconfig, namespace=namespace):
        result = run_pipeline("failures", arguments="caching=False, final_status='engine'")
    assert result.state == "failed"
    loop = "exit-handler-1.for-loop-2"
    assert in_state(result, "failed") == {f"{loop}.work[1]", "work-4"}
    assert in_state(result, "upstream_failed") == {f"{loop}.work-2[1]", "exit-handler-1.count", "work-5"}
    assert in_state(result, "skipped") == set()
    assert values(result, f"{loop}.work-2", 3) == [1, None, 3]  # the other iterations went on
    assert values(result, "regardless") == -1  # its own default: there was no value
    name, _, message = values(result, "status-of").partition(": ")
    assert name == "exit-handler-1 FAILED"
    assert "ValueError: 13 is unlucky" in message
    assert values(result, "clean-up.clean-2") == "tidy"


EXIT_ONLY = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def odd(number: int) -> int:
    assert number % 2, "even"
    return number

@dsl.component
def tell(status: dsl.PipelineTaskFinalStatus) -> str:
    return status.state

@dsl.pipeline(name="exit-only")
def pipeline(number: int):
    with dsl.ExitHandler(tell()):
        odd(number=number)

dag = pipeline_dag(pipeline, caching=False, final_status={words!r})
"""


@pytest.mark.parametrize(
    ("number", "words", "state", "told"),
    [(1, "engine", "success", "COMPLETE"), (2, None, "failed", "FAILED")],
)
def test_a_run_fails_though_its_exit_task_succeeds(
    on_cluster: str, run_dag: Callable[..., DagResult], number: int, words: str, state: str, told: str
) -> None:
    result = run_dag(EXIT_ONLY.format(words=words), conf={"number": number})
    assert values(result, "tell") == told
    assert result.state == state
    if state == "failed":
        (error,) = result.errors["run_end"]
        assert "exit-handler-1.odd: the step's code failed: AssertionError: even" in str(error)
