"""Steps that wait without a worker: the same results, statuses and logs, and no pod left behind.

DAG runs by `dag.test()`, which runs triggers in line; what needs a real triggerer is in `tests/e2e`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fixtures.airflow import DagResult
from tradewind.tracking import MlflowRest

PIPELINE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def train(rows: int, model: dsl.Output[dsl.Model], metrics: dsl.Output[dsl.Metrics]) -> float:
    print("training")
    open(model.path, "w").write("m" * rows)
    metrics.log_metric("loss", 0.5)
    return rows / 2

@dsl.container_component
def shout(text: str):
    return dsl.ContainerSpec(image="busybox", command=["echo", text])

@dsl.component
def add(a: int, b: int) -> int:
    return a + b

@dsl.pipeline(name="deferred")
def pipeline(rows: int = 8):
    trained = train(rows=rows)
    shout(text=f"got {trained.outputs['Output']}")
    with dsl.ParallelFor([1, 2, 3]) as item:
        add(a=item, b=1)

dag = pipeline_dag(pipeline, deferrable=True, experiment="deferred", steps={})
"""


def test_a_run_of_deferred_steps(
    tracked: str, run_dag: Callable[..., DagResult], cluster: Any, core_api: Any, mlflow_server: Any
) -> None:
    result = run_dag(PIPELINE)
    assert result.state == "success", result.errors
    assert result.xcom("train")["parameters"] == {"Output": 4.0}
    assert [
        result.xcom("for-loop-2.add", map_index=index)["parameters"]["Output"] for index in range(3)
    ] == [2, 3, 4]
    assert core_api.list_namespaced_pod(tracked).items == []
    rest = MlflowRest(mlflow_server.uri)
    experiment = rest.get("experiments/get-by-name", {"experiment_name": "deferred"})["experiment"]
    runs = rest.post("runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    assert {run["info"]["status"] for run in runs} == {"FINISHED"}
    assert len(runs) == 6
