"""One no-op step from `execute()` to its return, against the same API server.

Runs `dag.test()` in this process, so that what is measured is the operator and not the scheduler; the sides
take turns. The API server is an embedded cluster's, or the one that `BENCH_KUBECONFIG` names: then without
the steps whose pods need MLflow, which is on this machine's loopback.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.table import Row

if TYPE_CHECKING:
    from tradewind.local.cluster import Cluster

ROUNDS = 7

DAGS = """
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.container_component
def noop():
    return dsl.ContainerSpec(image="busybox", command=["true"])

@dsl.component
def noop_python(a: int) -> int:
    return a

@dsl.pipeline(name="noop")
def container_pipeline():
    noop().set_caching_options(False)

@dsl.pipeline(name="noop-python")
def python_pipeline():
    noop_python(a=1).set_caching_options(False)

@dsl.pipeline(name="noop-cached")
def cached_pipeline():
    noop_python(a=1)

untracked_dag = pipeline_dag(container_pipeline, dag_id="tradewind_untracked", tracking="off")
container_dag = pipeline_dag(container_pipeline, dag_id="tradewind")
python_dag = pipeline_dag(python_pipeline, dag_id="tradewind_python")
cached_dag = pipeline_dag(cached_pipeline, dag_id="tradewind_cached")

with DAG("pod_operator", schedule=None):
    KubernetesPodOperator(task_id="noop", name="noop", image="busybox", cmds=["true"])

with DAG("pod_operator_tuned", schedule=None):
    KubernetesPodOperator(task_id="noop", name="noop", image="busybox", cmds=["true"], poll_interval=1,
        startup_check_interval_seconds=1, base_container_status_polling_interval=1,
        log_events_on_startup=False)
"""

DAG_IDS = (
    "tradewind_untracked",
    "tradewind",
    "tradewind_python",
    "tradewind_cached",
    "pod_operator",
    "pod_operator_tuned",
)
IN_POD_MLFLOW = ("tradewind_python", "tradewind_cached")


def rows() -> Iterator[Row]:
    """Seconds and API requests of a step."""
    from fixtures import airflow as _airflow_home  # noqa: F401  (points AIRFLOW_HOME to a directory of its own)
    from fixtures.mlflow import MlflowServer
    from tradewind.local import cluster as local_cluster

    given = os.environ.get("BENCH_KUBECONFIG")
    with tempfile.TemporaryDirectory() as directory, contextlib.ExitStack() as stack:
        cluster = None
        if not given:
            cluster = local_cluster.start(Path(directory) / "cluster")
            stack.callback(cluster.stop, wipe=True)
        mlflow = MlflowServer(Path(directory) / "mlflow")
        mlflow.start()
        stack.callback(mlflow.stop)
        extra = {"kube_config_path": given or str(cluster and cluster.kubeconfig), "namespace": "default"}
        os.environ["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = json.dumps(
            {"conn_type": "kubernetes", "extra": extra}
        )
        os.environ["AIRFLOW__TRADEWIND__MLFLOW_TRACKING_URI"] = mlflow.uri
        seconds, requests = _measure(cluster)
    median = {name: statistics.median(values) for name, values in seconds.items()}
    stock, tuned = median["pod_operator"], median["pod_operator_tuned"]
    one_second = "KubernetesPodOperator, 1 s polls"
    untracked, tracked = median["tradewind_untracked"], median["tradewind"]
    yield Row("step: no-op, execute → return (s)", untracked, stock, goal=0.5)
    yield Row("step: no-op, execute → return (s)", untracked, tuned, goal=1.0, baseline=one_second)
    yield Row("step: the same, tracked in MLflow (s)", tracked, tuned, goal=1.0, baseline=one_second)
    if given:
        return
    yield Row("step: Python component, tracked (s)", median["tradewind_python"], stock)
    yield Row("step: Kubernetes API requests", requests["tradewind"], goal=6.0)
    yield Row("step: the same, KubernetesPodOperator", requests["pod_operator"])
    yield Row(
        "step: cache hit, execute → return (s)",
        median["tradewind_cached"],
        median["tradewind_python"],
        goal=0.1,
        baseline="tradewind, not cached",
    )


def _measure(cluster: Cluster | None) -> tuple[dict[str, list[float]], dict[str, float]]:
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.utils.db import initdb

    from tradewind.operators.step import StepOperator

    seconds: dict[str, list[float]] = {}
    requests: dict[str, list[float]] = {}
    initdb()
    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    (folder / "noop.py").write_text(DAGS)
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder", known_pools=None)
    if bag.import_errors:
        raise SystemExit("\n".join(bag.import_errors.values()))
    for operator in (StepOperator, KubernetesPodOperator):
        operator.execute = timed_into(operator.execute, seconds)
    dag_ids = [name for name in DAG_IDS if cluster is not None or name not in IN_POD_MLFLOW]
    for number in range(ROUNDS + 1):
        for dag_id in dag_ids:
            if cluster is None:  # a kubelet looks for ended containers once a second: nobody is to meet it
                time.sleep(random.random())
            before = _requests(cluster)
            run = bag.dags[dag_id].test()
            if run.state != "success":
                raise SystemExit(f"the run of {dag_id} ended as {run.state}")
            if number == 0:  # imports, first connections, the cache's first entry
                seconds.pop(dag_id)
            else:
                requests.setdefault(dag_id, []).append(_requests(cluster) - before)
    return seconds, {name: statistics.median(values) for name, values in requests.items()}


def timed_into(execute: Callable[..., Any], seconds: dict[str, list[float]]) -> Callable[..., Any]:
    """Wrap an operator's `execute`, so that its seconds are kept by DAG id, with those of its callbacks: a
    step removes its pod there.
    """

    @functools.wraps(execute)
    def timed(operator: Any, context: Any) -> Any:
        started = time.monotonic()
        try:
            return execute(operator, context)
        finally:
            of_dag = seconds.setdefault(operator.dag_id, [])
            of_dag.append(time.monotonic() - started)
            callbacks = operator.on_success_callback
            operator.on_success_callback = [_timed_on(callback, of_dag) for callback in callbacks]

    return timed


def _timed_on(callback: Callable[..., Any], seconds: list[float]) -> Callable[..., Any]:
    def timed(context: Any) -> None:
        started = time.monotonic()
        callback(context)
        seconds[-1] += time.monotonic() - started

    return timed


def _requests(cluster: Cluster | None) -> int:
    if cluster is None:
        return 0
    entries = cluster.requests()
    return sum(entry["count"] for entry in entries if entry["resource"].startswith(("pods", "events")))
