"""Steps on the real cluster that `BENCH_KUBECONFIG` names, beside a plain script that does the same.

The script creates a pod, watches it to its end, reads its log and deletes it: what no operator can do with
less. Single steps take turns with it in this process, where `dag.test()` runs the trigger of a deferrable
one, too. Many at once run under the real scheduler, and so does a deferrable one with Airflow's own way from
the triggerer to another worker. Without `BENCH_KUBECONFIG` there is nothing to measure.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from bench.scheduler import run_of, stack_api
from bench.steps import timed_into
from bench.table import Row
from tradewind.cli.airflow_api import AirflowApi

ROUNDS = 7
LONG_SECONDS = 5

DAGS = f"""
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.sdk import DAG
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.container_component
def noop():
    return dsl.ContainerSpec(image="busybox", command=["true"])

@dsl.component(base_image="python:3.11")
def long() -> float:
    import time
    time.sleep({LONG_SECONDS})
    return time.time()

@dsl.pipeline(name="short")
def short_pipeline():
    noop().set_caching_options(False)

@dsl.pipeline(name="long")
def long_pipeline():
    long().set_caching_options(False)

short_dag = pipeline_dag(short_pipeline, dag_id="short", tracking="off")
long_dag = pipeline_dag(long_pipeline, dag_id="long", tracking="off")
deferred_dag = pipeline_dag(long_pipeline, dag_id="long_deferred", tracking="off", deferrable=True)

with DAG("pod_operator", schedule=None):
    KubernetesPodOperator(task_id="noop", name="noop", image="busybox", cmds=["true"])
"""
MANY = 100
PARALLEL = f"""
from airflow.sdk import DAG, BaseOperator
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.container_component
def noop():
    return dsl.ContainerSpec(image="busybox", command=["true"])

@dsl.component(base_image="python:3.11")
def long() -> float:
    import time
    time.sleep({2 * LONG_SECONDS})
    return time.time()

@dsl.pipeline(name="parallel")
def pipeline():
    for _ in range({MANY}):
        noop().set_caching_options(False)

@dsl.pipeline(name="long")
def long_pipeline():
    long().set_caching_options(False)

where = {{where}}
steps = pipeline_dag(pipeline, dag_id="parallel_steps", tracking="off", max_active_tasks={MANY}, **where)
deferred = pipeline_dag(long_pipeline, dag_id="long_deferred", tracking="off", deferrable=True, **where)

class Noop(BaseOperator):
    def execute(self, context):
        return None

with DAG("parallel_trivial", schedule=None, max_active_tasks={MANY}):
    for number in range({MANY} + 2):
        Noop(task_id=f"noop-{{number}}")
"""
LATE = f"import time; time.sleep({LONG_SECONDS}); print(time.time())"


def rows() -> Iterator[Row]:
    """Seconds and API requests of a step, against the plain script."""
    kubeconfig = os.environ.get("BENCH_KUBECONFIG")
    if not kubeconfig:
        print("cluster: BENCH_KUBECONFIG names no cluster, nothing is measured", file=sys.stderr)
        return
    from fixtures import airflow as _airflow_home  # noqa: F401  (points AIRFLOW_HOME to a directory of its own)

    namespace = os.environ.get("BENCH_NAMESPACE", "default")
    extra = {"kube_config_path": kubeconfig, "namespace": namespace}
    os.environ["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = json.dumps({"conn_type": "kubernetes", "extra": extra})
    script = PlainScript(kubeconfig, namespace)
    seconds, late, requests = _measure(script)
    bare = "a plain script"
    what = "cluster: no-op, execute → return (s)"
    yield Row(what, seconds["short"], seconds["script"], 1.3, bare)
    yield Row(what, seconds["short"], seconds["pod_operator"])
    what = "cluster: exit of a long step → return (s)"
    yield Row(what, late["long"], late["script"], 1.5, bare)
    yield Row(f"{what}, deferrable", late["long_deferred"], late["script"], 1.5, bare)
    yield Row("cluster: Kubernetes API requests per step", requests["short"], goal=6.0)
    yield Row("cluster: the same, a plain script", requests["script"])
    yield from _parallel(script, kubeconfig, namespace)


class PlainScript:
    """Runs pods as a careful script does.

    Args:
        kubeconfig, namespace: where.
    """

    def __init__(self, kubeconfig: str, namespace: str) -> None:
        from kubernetes import client, config

        self.core = client.CoreV1Api(config.new_client_from_config(kubeconfig))
        self.host = urlsplit(self.core.api_client.configuration.host).netloc
        self._namespace = namespace

    def run_many(self, image: str, command: list[str], count: int) -> None:
        """Run pods at once, read their logs and delete them."""
        from kubernetes import watch

        group = uuid.uuid4().hex[:8]
        waiting = {self._create(f"bench-{group}-{n}", image, command, group)[0] for n in range(count)}
        following = watch.Watch()
        listing = self.core.list_namespaced_pod
        for event in following.stream(listing, self._namespace, label_selector=f"bench={group}"):
            name = event["object"].metadata.name
            if name in waiting and event["object"].status.phase in ("Succeeded", "Failed"):
                waiting.remove(name)
                self.core.read_namespaced_pod_log(name, self._namespace)
                self.core.delete_namespaced_pod(name, self._namespace)
            if not waiting:
                following.stop()

    def _create(self, name: str, image: str, command: list[str], group: str) -> tuple[str, str]:
        container = {"name": "base", "image": image, "command": command}
        spec = {"containers": [container], "restartPolicy": "Never"}
        body = {"metadata": {"name": name, "labels": {"bench": group}}, "spec": spec}
        return name, str(self.core.create_namespaced_pod(self._namespace, body).metadata.resource_version)

    def run(self, image: str, command: list[str]) -> str:
        """Run one pod; returns its log."""
        from kubernetes import watch

        group = uuid.uuid4().hex[:8]
        name, version = self._create(f"bench-{group}", image, command, group)
        following = watch.Watch()
        for event in following.stream(
            self.core.list_namespaced_pod,
            self._namespace,
            field_selector=f"metadata.name={name}",
            resource_version=version,
        ):
            if event["object"].status.phase in ("Succeeded", "Failed"):
                following.stop()
        log = self.core.read_namespaced_pod_log(name, self._namespace, _preload_content=False).data.decode()
        self.core.delete_namespaced_pod(name, self._namespace)
        return str(log)


def _measure(script: PlainScript) -> tuple[dict[str, float], dict[str, float], dict[str, float]]:
    from airflow.dag_processing.dagbag import BundleDagBag
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.utils.db import initdb

    from tradewind.operators.step import StepOperator

    seconds: dict[str, list[float]] = {}
    late: dict[str, list[float]] = {}
    requests: dict[str, list[float]] = {}
    initdb()
    folder = Path(os.environ["AIRFLOW_HOME"]) / "dags"
    (folder / "cluster.py").write_text(DAGS)
    bag = BundleDagBag(dag_folder=folder, bundle_path=folder, bundle_name="dags-folder", known_pools=None)
    if bag.import_errors:
        raise SystemExit("\n".join(bag.import_errors.values()))
    for operator in (StepOperator, KubernetesPodOperator):
        operator.execute = timed_into(operator.execute, seconds)
    count = _count_requests(script.host)

    def short_step() -> None:
        _run(bag.dags["short"])

    def short_script() -> None:
        started = time.monotonic()
        script.run("busybox", ["true"])
        seconds.setdefault("script", []).append(time.monotonic() - started)

    for number in range(ROUNDS + 1):
        for name, run in (("script", short_script), ("short", short_step)):
            before = count()
            run()
            requests.setdefault(name, []).append(count() - before)
        _run(bag.dags["pod_operator"])
        late.setdefault("script", []).append(_since(script.run("python:3.11", ["python", "-c", LATE])))
        for dag_id in ("long", "long_deferred"):
            late.setdefault(dag_id, []).append(_lateness(_run(bag.dags[dag_id])))
        if number == 0:  # imports and first connections
            for figures in (seconds, late, requests):
                figures.clear()
    return _medians(seconds), _medians(late), _medians(requests)


def _parallel(script: PlainScript, kubeconfig: str, namespace: str) -> Iterator[Row]:
    """Many steps at once under the real scheduler, on the machine on which the cluster is, too."""
    from tradewind.local.stack import Home, Options, Stack

    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / "dags"
        folder.mkdir()
        (folder / "parallel.py").write_text(PARALLEL.replace("{where}", repr({"namespace": namespace})))
        home = Home(Path(directory) / "home")
        names = ("parallel_trivial", "parallel_steps")
        seconds: dict[str, list[float]] = {}
        given = Options((folder,), kubeconfig=Path(kubeconfig), triggerer=True)
        with Stack(home, given) as stack:
            api = stack_api(stack, home, (*names, "long_deferred"))
            late = [_late_by(api, "long_deferred") for _ in range(ROUNDS)]
            for _ in range(ROUNDS):
                started = time.monotonic()
                script.run_many("busybox", ["true"], MANY)
                seconds.setdefault("script", []).append(time.monotonic() - started)
                for name in names:
                    seconds.setdefault(name, []).append(run_of(api, name)[1])
    median = _medians(seconds)
    own = median["parallel_trivial"]
    what = f"cluster: {MANY} parallel steps, first to last (s)"
    bare = "a plain script"
    yield Row(
        f"{what}, less {MANY} trivial tasks", median["parallel_steps"] - own, median["script"], 1.15, bare
    )
    yield Row(what, median["parallel_steps"], own, baseline="trivial Airflow tasks")
    yield Row("cluster: exit of a long step → end of its task, triggerer (s)", statistics.median(late))


def _run(dag: Any) -> Any:
    run = dag.test()
    if run.state != "success":
        raise SystemExit(f"the run of {dag.dag_id} ended as {run.state}")
    return run


def _lateness(run: Any) -> float:
    """Seconds from the return of a step's function to the end of its task."""
    instance = run.get_task_instance("long")
    finished = float(instance.xcom_pull("long")["parameters"]["Output"])
    return float(instance.end_date.timestamp()) - finished


def _late_by(api: AirflowApi, dag_id: str) -> float:
    """Seconds from the return of a step's function to the end of its task, under the real scheduler."""
    run_id, _ = run_of(api, dag_id)
    (step,) = [found for found in api.task_instances(dag_id, run_id) if found["task_id"] == "long"]
    finished = float(api.xcom(dag_id, run_id, "long")["parameters"]["Output"])
    return datetime.fromisoformat(step["end_date"]).timestamp() - finished


def _since(log: str) -> float:
    return time.time() - float(log)


def _medians(figures: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(values) for name, values in figures.items()}


def _count_requests(host: str) -> Callable[[], int]:
    """Count this process's requests to the API server, whoever makes them; returns how to read the count."""
    from urllib3.connectionpool import HTTPConnectionPool

    seen = [0]
    send = HTTPConnectionPool.urlopen

    def counting(pool: HTTPConnectionPool, *arguments: Any, **options: Any) -> Any:
        seen[0] += f"{pool.host}:{pool.port}" == host
        return send(pool, *arguments, **options)

    HTTPConnectionPool.urlopen = counting  # type: ignore[method-assign]
    return lambda: seen[0]
