"""Whole runs on real Airflow, cluster and MLflow: what stands in MLflow afterwards, also when it was away."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.steps import deployment
from tradewind.cluster.pods import Pods
from tradewind.errors import UnreachableError
from tradewind.tracking import MlflowRest

DAG = """
from airflow.sdk import DAG
from fixtures.steps import python_step
from tradewind.operators.run import RunEndOperator, RunStartOperator
from tradewind.operators.settings import RunSettings
from tradewind.operators.step import StepOperator
from tradewind.plan.bindings import *
from tradewind.plan.model import *

settings = RunSettings(pipeline="demo", experiment={experiment!r}, caching=False)
number = {{"Output": ParameterOutput("NUMBER_INTEGER")}}
double = python_step(
    "def work(rows: int) -> int:\\n    return rows * 2\\n",
    id="double",
    parameters={{"rows": ParameterInput("NUMBER_INTEGER", PipelineInput("rows"))}},
    output_parameters=number,
)
check = python_step(
    "def work(rows: int) -> int:\\n    assert rows < 100, 'too many rows'\\n    return rows\\n",
    id="check",
    parameters={{"rows": ParameterInput("NUMBER_INTEGER", StepParameter("double", "Output"))}},
    upstream=("double",),
    output_parameters=number,
)
parameters = {{"rows": PipelineParameter("NUMBER_INTEGER", 5, True)}}
outputs = {{"answer": StepParameter("check", "Output")}}
plan = Plan("demo", "demo", "", parameters, {{}}, {{"double": double, "check": check}}, outputs)
with DAG({experiment!r}, schedule=None, params={{"rows": 5}}):
    start = RunStartOperator(task_id="run_start", pipeline=settings, parameters=parameters).as_setup()
    first = StepOperator(task_id="double", step=double, pipeline=settings)
    second = StepOperator(task_id="check", step=check, pipeline=settings)
    end = RunEndOperator(task_id="run_end", pipeline=settings, plan=plan, last_steps=["check"])
    start >> first >> second >> end.as_teardown(setups=start)
"""


def mlflow_runs(uri: str, experiment: str) -> dict[str, dict[str, Any]]:
    """Runs of an experiment by name: status, params, metrics, parent."""
    rest = MlflowRest(uri)
    found = rest.get("experiments/get-by-name", {"experiment_name": experiment})["experiment"]
    answer = rest.post("runs/search", {"experiment_ids": [found["experiment_id"]], "max_results": 100})
    runs = {}
    for run in answer.get("runs", []):
        data = run["data"]
        tags = {tag["key"]: tag["value"] for tag in data.get("tags", [])}
        kind = tags["tradewind.kind"]
        runs["pipeline" if kind == "pipeline" else tags["tradewind.task_id"]] = {
            "status": run["info"]["status"],
            "id": run["info"]["run_id"],
            "parent": tags.get("mlflow.parentRunId"),
            "params": {item["key"]: item["value"] for item in data.get("params", [])},
            "metrics": {item["key"]: item["value"] for item in data.get("metrics", [])},
            "error": tags.get("tradewind.error", ""),
        }
    return runs


def test_a_run_that_succeeds(tracked: str, run_dag: Callable[..., Any], mlflow_server: Any) -> None:
    result = run_dag(DAG.format(experiment="succeeds"), conf={"rows": 7})
    assert result.tasks == dict.fromkeys(("run_start", "double", "check", "run_end"), "success")
    assert result.xcom("run_start")["parameters"] == {"rows": 7}
    assert result.xcom("check") == {"parameters": {"Output": 14}, "artifacts": {}, "cached_from": None}
    runs = mlflow_runs(mlflow_server.uri, "succeeds")
    assert {name: run["status"] for name, run in runs.items()} == dict.fromkeys(
        ("pipeline", "double", "check"), "FINISHED"
    )
    assert runs["pipeline"]["params"] == {"rows": "7"}
    assert runs["pipeline"]["metrics"]["answer"] == 14
    assert runs["pipeline"]["metrics"]["check/Output"] == 14
    assert runs["check"]["parent"] == runs["pipeline"]["id"]
    assert runs["check"]["id"] in result.xcom("check", "mlflow_url")
    assert runs["check"]["id"] in result.xcom("check", "artifacts_url")
    assert runs["pipeline"]["id"] in result.xcom("run_start", "mlflow_url")


def test_a_run_that_fails(
    tracked: str, run_dag: Callable[..., Any], mlflow_server: Any, core_api: Any
) -> None:
    result = run_dag(DAG.format(experiment="fails"), conf={"rows": 70})
    assert result.state == "failed"
    assert result.tasks["check"] == "failed"
    assert result.tasks["run_end"] == "success"
    assert "too many rows" in str(result.errors["check"][0])
    runs = mlflow_runs(mlflow_server.uri, "fails")
    assert {name: run["status"] for name, run in runs.items()} == {
        "pipeline": "FAILED",
        "double": "FINISHED",
        "check": "FAILED",
    }
    assert "too many rows" in runs["check"]["error"]
    assert core_api.list_namespaced_pod(tracked).items == []


def test_pods_that_could_not_be_removed_go_with_their_run(
    tracked: str,
    run_dag: Callable[..., Any],
    core_api: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cluster's API server was away when the steps had ended; the run succeeds all the same."""
    delete, away = Pods.delete, ["double", "check"]

    def unreliable(self: Pods, name: str, **options: Any) -> bool:
        if away:
            away.pop()
            raise UnreachableError("the API server is away")
        return delete(self, name, **options)

    monkeypatch.setattr(Pods, "delete", unreliable)
    assert run_dag(DAG.format(experiment="left"), conf={"rows": 7}).state == "success"
    assert away == []
    assert core_api.list_namespaced_pod(tracked).items == []


def test_pods_that_are_kept_outlive_their_run(
    tracked: str, run_dag: Callable[..., Any], core_api: Any
) -> None:
    kept = "caching=False, pod={'on_finish_action': 'keep_pod'}"
    text = DAG.format(experiment="kept").replace("caching=False", kept)
    assert run_dag(text, conf={"rows": 7}).state == "success"
    assert len(core_api.list_namespaced_pod(tracked).items) == 2


def test_wrong_parameters_fail_before_any_pod(
    tracked: str, run_dag: Callable[..., Any], cluster: Any
) -> None:
    cluster.requests(reset=True)
    result = run_dag(DAG.format(experiment="wrong"), conf={"rows": "many"})
    assert result.tasks["run_start"] == "failed"
    assert "'rows'" in str(result.errors["run_start"][0])
    assert not [item for item in cluster.requests() if item["verb"] == "create"]


def test_what_mlflow_missed_is_written_later(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    mlflow_outage: Any,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tradewind.operators import mlflow

    monkeypatch.setattr(mlflow, "STEP_BUDGET_SECONDS", 0.5)
    options = {"namespace": namespace, "end_budget_seconds": "1"}
    with deployment(cluster.kubeconfig, mlflow_outage.uri, **options):
        mlflow_outage.stop()
        away = run_dag(DAG.format(experiment="outage"), conf={"rows": 1})
        assert away.state == "success"
        assert away.xcom("run_end")["pending"] == 4  # the run, two steps, the end of the run
        mlflow_outage.start()
        monkeypatch.setattr(mlflow, "STEP_BUDGET_SECONDS", 20.0)
        for file in airflow_home.dags.glob("*.py"):
            file.unlink()  # the next one holds the same DAG
        run_dag(DAG.format(experiment="outage"), conf={"rows": 2})
        runs = MlflowRest(mlflow_outage.uri).post(
            "runs/search", {"experiment_ids": ["1"], "max_results": 50}
        )["runs"]
    states = [run["info"]["status"] for run in runs]
    assert states == ["FINISHED"] * 6
    rows = {item["value"] for run in runs for item in run["data"].get("params", []) if item["key"] == "rows"}
    assert rows == {"1", "2", "4"}


WIDE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def work(x: int): ...

@dsl.pipeline
def wide(numbers: list[int] = [1]):
    first = work(x=0)
    with dsl.ParallelFor(numbers) as number:
        work(x=number).after(first)

dag = pipeline_dag(wide, tracking="off")
"""


def test_a_list_that_is_too_long_is_refused_before_any_step(run_dag: Callable[..., Any]) -> None:
    result = run_dag(WIDE, conf={"numbers": list(range(1025))})
    assert result.tasks["run_start"] == "failed"
    assert result.tasks["work"] == "upstream_failed"
    assert "loop 'for-loop-1' has 1025 iterations" in str(result.errors["run_start"][-1])
