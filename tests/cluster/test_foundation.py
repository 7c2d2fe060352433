"""The smallest things on a real cluster, by which one sees what is wrong when all the others fail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fixtures.airflow import DagResult
from fixtures.real_cluster import PodHistory, RealCluster
from fixtures.steps import StepRun, TaskInstance, python_step

HELLO = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component(base_image="python:3.11")
def greet(name: str) -> str:
    print("greeting", name)
    return f"Hello, {name}!"

@dsl.component(base_image="python:3.11")
def shout(text: str, loud: dsl.Output[dsl.Dataset]) -> int:
    open(loud.path, "w").write(text.upper())
    return len(text)

@dsl.pipeline(name="hello")
def hello(name: str = "world"):
    shout(text=greet(name=name).output)

dag = pipeline_dag(hello, caching=False)
"""


def test_a_single_step(on_real_cluster: str) -> None:
    step = python_step("def work(a: int) -> str:\n    return str(a + 1)", {"a": 41})
    result = StepRun(step, ti=TaskInstance(dag_id="foundation", run_id="single")).execute()
    assert result["parameters"] == {"Output": "42"}


def test_a_run_with_artifacts_in_mlflow(
    tracked_on_real_cluster: str,
    run_dag: Callable[..., DagResult],
    real_cluster: RealCluster,
    pod_history: Callable[[str], PodHistory],
) -> None:
    history = pod_history(tracked_on_real_cluster)
    result = run_dag(HELLO, conf={"name": "Ada"})
    assert result.state == "success", result.errors
    assert result.xcom("shout")["parameters"] == {"Output": len("Hello, Ada!")}
    loud: dict[str, Any] = result.xcom("shout")["artifacts"]["loud"][0]
    assert loud["uri"].startswith("mlflow-artifacts:")
    assert loud["size"] == len("Hello, Ada!")
    names = history.names()
    assert [name.rpartition("-")[0] for name in names] == ["greet", "shout"]
    assert real_cluster.pods(tracked_on_real_cluster).keys().isdisjoint(names), "pods are deleted in the end"
    for one in history.seen():
        assert (one.phases[0], one.phases[-1]) == ("Pending", "Deleted")
        assert "Failed" not in one.phases
