"""Deferrable steps on a real cluster under Airflow's own scheduler and triggerer.

One run of everything: Python and container components, a loop, an error, a long log, and the triggerer
killed in the middle of it; then what was seen of the pods and the logs. And what waiting asks of the cluster.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from fixtures.airflow_processes import AirflowProcesses, airflow_processes
from fixtures.audit import AuditLog
from fixtures.mlflow import MlflowServer
from fixtures.pod_history import PodHistory
from fixtures.real_cluster import RealCluster
from fixtures.service_accounts import AIRFLOW, TRIGGERER
from fixtures.stack import eventually
from tradewind.cluster.names import TRY_LABEL, run_digest
from tradewind.tracking import MlflowRest

ID = "deferred"
LINES = 300
DAG = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag


@dsl.component(base_image="python:3.11")
def chatty(lines: int, seconds: float, data: dsl.Output[dsl.Dataset]) -> int:
    import time

    for number in range(lines):
        print("line", number, flush=True)
        if number % 10 == 0:  # bursts of ten
            time.sleep(10 * seconds / lines)
    print("same", flush=True)
    print("same", flush=True)
    open(data.path, "w").write("x" * lines)
    return lines


@dsl.container_component
def shell(seconds: int):
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", "sleep $0; echo slept", seconds])


@dsl.component(base_image="python:3.11")
def add(a: int, data: dsl.Input[dsl.Dataset]) -> int:
    return a + len(open(data.path).read())


@dsl.component(base_image="python:3.11")
def broken():
    raise ValueError("no rows")


@dsl.pipeline(name="deferred")
def pipeline():
    talked = chatty(lines={lines}, seconds=60.0)
    shell(seconds=30)
    with dsl.ParallelFor([1, 2, 3]) as item:
        add(a=item, data=talked.outputs["data"])
    broken()


dag = pipeline_dag(
    pipeline,
    caching=False,
    deferrable=True,
    namespace="{namespace}",
    steps={{"broken": {{"retries": 1, "retry_delay": __import__("datetime").timedelta(seconds=1)}}}},
)
"""


@pytest.fixture(scope="module")
def airflow(
    real_cluster: RealCluster,
    real_namespace: str,
    mlflow_for_pods: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowProcesses]:
    root = tmp_path_factory.mktemp("deferred")
    account, triggerer = real_cluster.airflow(real_namespace), real_cluster.triggerer(real_namespace)
    with airflow_processes(root, account, mlflow_for_pods.uri, triggerer_kubeconfig=triggerer) as processes:
        text = DAG.format(namespace=real_namespace, lines=LINES)
        (processes.dags / f"{ID}.py").write_text(text)
        eventually(lambda: processes.api.dag(ID), 120, "the DAG")
        yield processes


def instance(airflow: AirflowProcesses, run_id: str, task: str, index: int = -1) -> dict[str, Any]:
    found = airflow.api.task_instances(ID, run_id)
    return next(one for one in found if one["task_id"] == task and one["map_index"] == index)


def test_a_run_whose_triggerer_is_killed(
    airflow: AirflowProcesses,
    real_namespace: str,
    mlflow_for_pods: MlflowServer,
    pod_history: Callable[[str], PodHistory],
) -> None:
    history = pod_history(real_namespace)
    run_id = airflow.api.trigger(ID, {})
    log: Callable[[str], list[dict[str, Any]]] = lambda task: airflow.api.log(  # noqa: E731
        ID, run_id, instance(airflow, run_id, task)
    )

    def early() -> bool:
        one = instance(airflow, run_id, "chatty")
        return bool(one["state"] == "deferred" and "'line 30'" in str(log("chatty")))

    eventually(early, 180, "the log of a deferred step, while it runs")
    airflow.kill_with_all("triggerer")
    time.sleep(3)
    airflow.start("triggerer")
    state = eventually(
        lambda: (found := airflow.api.run(ID, run_id)["state"]) in ("success", "failed") and found, 400
    )
    assert state == "failed", "one of its steps did"
    seen = history.seen(run=run_digest(ID, run_id))
    states = {
        (one["task_id"], one["map_index"]): one["state"] for one in airflow.api.task_instances(ID, run_id)
    }
    assert {task for (task, _), found in states.items() if found == "failed"} == {"broken"}
    tries = sorted((pod.name.rpartition("-")[0], pod.labels[TRY_LABEL]) for pod in seen)
    assert [name.rpartition("-")[2] or name for name, _ in tries].count("add") == 3, tries
    assert tries.count(("chatty", "1")) == tries.count(("shell", "1")) == 1
    assert [number for name, number in tries if name == "broken"] == ["1", "2"]
    assert len(seen) == 7
    assert all(len(pod.containers) == 1 and pod.gone for pod in seen), seen
    assert airflow.api.xcom(ID, run_id, "chatty")["parameters"] == {"Output": LINES}
    added = [
        airflow.api.xcom(ID, run_id, "for-loop-2.add", map_index=index)["parameters"]["Output"]
        for index in range(3)
    ]
    assert added == [LINES + 1, LINES + 2, LINES + 3]
    _is_whole(log("chatty"))
    assert "ValueError: no rows" in str(log("broken"))
    assert "slept" in str(log("shell"))
    _is_tracked(mlflow_for_pods, run_id)


def _is_whole(log: list[dict[str, Any]]) -> None:
    """Each line once, in order, with time stamps in order: two triggerers have shown parts of it."""
    lines = [entry["event"] for entry in log if str(entry["event"]).startswith(("line", "same"))]
    assert lines == [f"line {number}" for number in range(LINES)] + ["same", "same"]
    stamps = [entry["timestamp"] for entry in log if entry.get("timestamp")]
    assert stamps == sorted(stamps)


def _is_tracked(mlflow: MlflowServer, run_id: str) -> None:
    rest = MlflowRest(mlflow.uri)
    experiment = rest.get("experiments/get-by-name", {"experiment_name": ID})["experiment"]
    search = {
        "experiment_ids": [experiment["experiment_id"]],
        "filter": f"tags.`tradewind.run_id` = '{run_id}'",
    }
    ends = sorted(run["info"]["status"] for run in rest.post("runs/search", search)["runs"])
    assert ends == ["FAILED"] * 3 + ["FINISHED"] * 5  # the run, and both tries of what is broken


MANY = 8
WATCHED = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.container_component
def wait():
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", "echo begun; sleep 40; echo done"])

@dsl.container_component
def stay():
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", "echo begun; sleep 40; echo done"])

@dsl.pipeline(name="watched")
def pipeline():
    with dsl.ParallelFor(list(range({many}))):
        wait()
    stay()

dag = pipeline_dag(
    pipeline,
    caching=False,
    tracking="off",
    namespace="{namespace}",
    deferrable=True,
    steps={{"stay": {{"pod": {{"deferrable": False}}}}}},
)
"""


def test_nobody_asks_again_and_triggers_share_a_watch(
    airflow: AirflowProcesses, real_namespace: str, audit_log: Callable[[str], AuditLog]
) -> None:
    """Steps wait side by side, many in the triggerer and one in a worker: what that asks of the API server.

    The bounds leave room for what slow machines cost: a connection that is opened anew, a look at a pod that
    takes long to start.
    """
    (airflow.dags / "watched.py").write_text(WATCHED.format(many=MANY, namespace=real_namespace))
    eventually(lambda: airflow.api.dag("watched"), 120, "the DAG")
    requests = audit_log(real_namespace)
    run_id = airflow.api.trigger("watched", {})
    state = eventually(
        lambda: (found := airflow.api.run("watched", run_id)["state"]) in ("success", "failed") and found, 400
    )
    assert state == "success"

    triggers = requests.count(TRIGGERER)
    assert 1 <= triggers["watch pods"] <= MANY // 2, triggers
    assert triggers["list pods"] <= triggers["watch pods"] + 1, triggers
    assert MANY <= triggers["get pods/log"] <= 2 * MANY, triggers
    assert triggers["get pods"] <= 2 * MANY, triggers
    launched = requests.count(AIRFLOW, "wait-")
    assert launched["delete pods"] == MANY, launched
    assert not launched["watch pods"], "nobody but the triggerer waits for these"

    worker = requests.count(AIRFLOW, "stay-")
    assert worker["delete pods"] == 1, worker
    assert 1 <= worker["watch pods"] <= 2, worker
    assert 1 <= worker["get pods/log"] <= 2, worker
    assert worker["get pods"] <= 2, worker
