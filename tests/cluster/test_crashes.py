"""What a run survives: each part of the whole is killed or taken away in the middle of a step.

Airflow runs here as separate processes (`fixtures.airflow_processes`), pods on the real cluster. After each
crash the same is asked: did the run end as it should, did one pod run per try and no more, is nothing left
behind in the cluster and in MLflow, is what the step made whole.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fixtures.airflow_processes import PROCESSES, AirflowProcesses, airflow_processes
from fixtures.mlflow import MlflowServer
from fixtures.pod_recorder import STEP_LABEL, TRY_LABEL, PodRecorder, SeenPod, recorded_pods
from fixtures.real_cluster import RealCluster
from fixtures.stack import eventually
from tradewind.cluster import StepIdentity
from tradewind.cluster.names import run_digest
from tradewind.tracking import MlflowRest

pytestmark = pytest.mark.disruptive

DAG = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag


@dsl.component
def produce(seconds: float, data: dsl.Output[dsl.Dataset]) -> str:
    import hashlib
    import random
    import time

    content = random.Random(7).randbytes(300_000)
    print("half of the work is done", flush=True)
    time.sleep(seconds)
    with open(data.path, "wb") as file:
        file.write(content)
    return hashlib.sha256(content).hexdigest()


@dsl.component
def consume(data: dsl.Input[dsl.Dataset], digest: str) -> str:
    import hashlib

    with open(data.path, "rb") as file:
        found = hashlib.sha256(file.read()).hexdigest()
    if found != digest:
        raise ValueError(f"{{found}} is not {{digest}}")
    return found


@dsl.pipeline(name="{name}")
def pipeline(seconds: float = 10.0):
    made = produce(seconds=seconds)
    used = consume(data=made.outputs["data"], digest=made.outputs["Output"])
    for task in (made, used):
        task.set_caching_options(False)
        task.set_retry(3, backoff_duration="1s", backoff_max_duration="5s")


dag = pipeline_dag(pipeline, namespace="{namespace}", experiment="{name}"{more})
"""
NAME = "crashes"
DEFERRED = "crashes_deferred"
RUN_SECONDS = 400.0


@dataclass(frozen=True)
class Crashes:
    """Airflow, the cluster, MLflow, and what was seen of the pods."""

    airflow: AirflowProcesses
    cluster: RealCluster
    namespace: str
    pods: PodRecorder
    mlflow: MlflowServer

    def begin(self, seconds: float, dag_id: str = NAME) -> Run:
        """Start a run, and return when the container of its first step runs."""
        run = self.trigger(seconds, dag_id)
        eventually(lambda: any(pod.containers for pod in run.pods("produce")), 180, "a running container")
        time.sleep(1)  # well into the step
        return run

    def trigger(self, seconds: float, dag_id: str = NAME) -> Run:
        """Start a run."""
        return Run(self, dag_id, self.airflow.api.trigger(dag_id, {"seconds": seconds}))


@dataclass(frozen=True)
class Run:
    """A DAG run and what became of it."""

    world: Crashes
    dag_id: str
    run_id: str

    def pods(self, step: str) -> list[SeenPod]:
        """The pods that a step ever had."""
        label = StepIdentity(self.dag_id, self.run_id, step).label
        found = self.world.pods.of_run(run_digest(self.dag_id, self.run_id))
        return [pod for pod in found if pod.labels.get(STEP_LABEL) == label]

    def instance(self, step: str) -> dict[str, Any]:
        """A step's task instance, as Airflow's API has it."""
        instances = self.world.airflow.api.task_instances(self.dag_id, self.run_id)
        return next(instance for instance in instances if instance["task_id"] == step)

    def supervised(self, step: str) -> list[Any]:
        """The processes of a running step: its supervisor, and the one that carries it out."""
        identity = self.instance(step)["id"]
        found: list[Any] = eventually(
            lambda: self.world.airflow.task_processes(identity), 60, f"the process of {step}"
        )
        return found

    def wait(self, seconds: float = RUN_SECONDS) -> str:
        """The run's state in the end."""

        def ended() -> str:
            self.world.airflow.check()
            state = str(self.world.airflow.api.run(self.dag_id, self.run_id)["state"])
            return state if state in ("success", "failed") else ""

        try:
            return str(eventually(ended, seconds, f"the end of {self.run_id}"))
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story()}") from None

    def story(self) -> str:
        """What happened, for a test that fails."""
        lines = [f"{one['task_id']}: {one['state']}, try {one['try_number']}" for one in self._instances()]
        lines += [repr(pod) for pod in self.world.pods.of_run(run_digest(self.dag_id, self.run_id))]
        logs = sorted((self.world.airflow.home.logs / "airflow").glob(f"**/run_id={self.run_id}/**/*.log"))
        for log in logs:
            events = [json.loads(line) for line in log.read_text(errors="replace").splitlines() if line]
            lines += [f"--- {log.parent.name}/{log.name}", *(_told(event) for event in events[-40:])]
        return "\n".join(lines)

    def _instances(self) -> list[dict[str, Any]]:
        return self.world.airflow.api.task_instances(self.dag_id, self.run_id)

    def succeeds(self, pods: int = 1, tries: int | None = None) -> None:
        """Wait for the end and see that all is well.

        Args:
            pods: that the first step had in all.
            tries: number of its last try; None: whatever it was.
        """
        assert self.wait() == "success", self.story()
        made, used = self.pods("produce"), self.pods("consume")
        assert len(made) == pods, self.story()
        assert len(used) == 1, self.story()
        for pod in (*made, *used):
            assert len(pod.containers) == 1, pod
        for seen in (made, used):
            assert len({pod.labels[TRY_LABEL] for pod in seen}) == len(seen), "two pods for one try"
        if tries is not None:
            assert self.instance("produce")["try_number"] == tries, self.story()
        self._left_nothing()
        api = self.world.airflow.api
        digest = api.xcom(self.dag_id, self.run_id, "produce")["parameters"]["Output"]
        assert api.xcom(self.dag_id, self.run_id, "consume")["parameters"]["Output"] == digest

    def _left_nothing(self) -> None:
        """No pod is left, nor a run in MLflow that would be running; of each step one try has finished."""

        def left() -> list[SeenPod]:
            return [pod for step in ("produce", "consume") for pod in self.pods(step) if not pod.gone]

        eventually(lambda: not left(), 60, f"no pod left: {left()}")
        runs = self.tracked()
        (parent,) = [run for run in runs if run["kind"] == "pipeline"]
        assert parent["status"] == "FINISHED", runs
        steps = [run for run in runs if run["kind"] == "step"]
        for name in ("produce", "consume"):
            ends = sorted(run["status"] for run in steps if run["step"] == name)
            assert ends.count("FINISHED") == 1, (runs, self.story())
            assert "RUNNING" not in ends, (runs, self.story())

    def tracked(self) -> list[dict[str, str]]:
        """Kind, step and status of all MLflow runs of this run."""
        rest = MlflowRest(self.world.mlflow.uri)
        experiment = rest.get("experiments/get-by-name", {"experiment_name": self.dag_id})["experiment"]
        search = {
            "experiment_ids": [experiment["experiment_id"]],
            "filter": f"tags.`tradewind.run_id` = '{self.run_id}'",
        }
        found = []
        for run in rest.post("runs/search", search).get("runs", ()):
            tags = {tag["key"]: tag["value"] for tag in run["data"]["tags"]}
            status = run["info"]["status"]
            found.append(
                {"kind": tags["tradewind.kind"], "step": tags.get("tradewind.task_id", ""), "status": status}
            )
        return found


def _told(event: dict[str, Any]) -> str:
    extra = {key: value for key, value in event.items() if key in ("error_detail", "exc", "detail")}
    return f"{event.get('timestamp')} {event.get('event')} {json.dumps(extra)[:600] if extra else ''}"


@pytest.fixture(scope="module")
def crash_mlflow(host_for_pods: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MlflowServer]:
    """A server that these tests may take away."""
    server = MlflowServer(tmp_path_factory.mktemp("crash-mlflow"), host_for_pods)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def crashes(
    real_cluster: RealCluster,
    real_namespace: str,
    crash_mlflow: MlflowServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Crashes]:
    """Airflow with the pipeline, one for all tests of this module."""
    root = tmp_path_factory.mktemp("crashes")
    with (
        recorded_pods(real_cluster.core, real_namespace) as pods,
        airflow_processes(root, real_cluster.airflow(real_namespace), crash_mlflow.uri) as airflow,
    ):
        write_dag(airflow.dags, NAME, real_namespace)
        write_dag(airflow.dags, DEFERRED, real_namespace, more=", deferrable=True")
        for name in (NAME, DEFERRED):
            eventually(lambda name=name: airflow.api.dag(name), 120, f"the DAG {name}")
        yield Crashes(airflow, real_cluster, real_namespace, pods, crash_mlflow)


def write_dag(folder: Path, name: str, namespace: str, more: str = "") -> None:
    """Write the pipeline's DAG file."""
    text = DAG.format(name=name, namespace=namespace, more=more)
    (folder / f"{name}.py").write_text(textwrap.dedent(text))


# --- Airflow's processes --------------------------------------------------------------------------------


def test_processes_of_workers_are_killed(crashes: Crashes) -> None:
    """That of a task alone, its supervisor alone, and both at once, as the loss of a worker does."""
    task, supervisor, worker = crashes.begin(10), crashes.begin(5), crashes.begin(10)
    _, *below = task.supervised("produce")
    for process in below:
        process.kill()
    # What it supervised ends long before Airflow notices: the pod has to wait for the retry.
    supervisor.supervised("produce")[0].kill()
    both = worker.supervised("produce")
    for process in both:
        process.send_signal(signal.SIGSTOP)  # else the one could still tell of the other
    for process in both:
        process.kill()
    for run in (task, supervisor, worker):
        run.succeeds(tries=2)


def test_the_scheduler_is_killed(crashes: Crashes) -> None:
    """Its workers live on: the step ends without it, and the next scheduler goes on from there."""
    run = crashes.begin(12)
    crashes.airflow.kill("scheduler")
    time.sleep(3)
    crashes.airflow.start("scheduler")
    run.succeeds()


def test_the_machine_of_scheduler_and_workers_is_lost(crashes: Crashes) -> None:
    run = crashes.begin(20)
    crashes.airflow.kill_with_all("scheduler")
    time.sleep(3)
    crashes.airflow.start("scheduler")
    run.succeeds()


def test_the_api_server_of_airflow_is_gone_for_long(crashes: Crashes) -> None:
    """So long that the scheduler takes steps for dead: one that ends meanwhile, and one that goes on."""
    runs = [crashes.begin(5), crashes.begin(100)]
    crashes.airflow.kill_with_all("api-server")
    time.sleep(75)
    crashes.airflow.start("api-server")
    crashes.airflow.wait_ready()
    for run in runs:
        run.succeeds()


def test_the_triggerer_is_killed(crashes: Crashes) -> None:
    """One step ends while there is none; another goes on, and waits for the next one."""
    ending, going_on = crashes.begin(8, DEFERRED), crashes.begin(60, DEFERRED)
    for run in (ending, going_on):
        eventually(lambda run=run: run.instance("produce")["state"] == "deferred", 120, "the deferral")
    crashes.airflow.kill_with_all("triggerer")
    time.sleep(10)
    crashes.airflow.start("triggerer")
    for run in (ending, going_on):
        run.succeeds(tries=1)


def test_the_database_is_gone_for_a_while(crashes: Crashes) -> None:
    """Nobody can write to it, while a step ends."""
    run = crashes.begin(5)
    with closing(sqlite3.connect(crashes.airflow.home.airflow / "airflow.db", timeout=60)) as database:
        database.isolation_level = None
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(20)
        database.execute("ROLLBACK")
    run.succeeds()


# --- the cluster ----------------------------------------------------------------------------------------


def test_the_pod_is_deleted_from_outside(crashes: Crashes) -> None:
    run = crashes.begin(10)
    (pod,) = run.pods("produce")
    crashes.cluster.core.delete_namespaced_pod(pod.name, crashes.namespace, grace_period_seconds=0)
    run.succeeds(pods=2, tries=2)


@pytest.fixture
def scripts() -> Path:
    """The scripts that start the cluster and take parts of it away."""
    found = os.environ.get("TRADEWIND_CLUSTER_SCRIPTS")
    if not found:
        pytest.skip("needs a cluster whose parts can be taken away: set TRADEWIND_CLUSTER_SCRIPTS")
    return Path(found)


@pytest.mark.parametrize("seconds", [5, 40, 120])
def test_the_api_server_of_the_cluster_is_gone(crashes: Crashes, scripts: Path, seconds: int) -> None:
    """Steps end meanwhile, for which a worker and a trigger wait; another run begins while it is gone."""
    runs = [crashes.begin(min(seconds / 2, 20), dag_id) for dag_id in (DEFERRED, NAME)]
    outage = subprocess.Popen([scripts / "apiserver-outage.sh", str(seconds)])
    time.sleep(2)
    late = crashes.trigger(1)
    assert outage.wait(seconds + 120) == 0
    for run in runs:
        run.succeeds(tries=1)
    late.succeeds()


def test_the_kubelet_is_restarted(crashes: Crashes, scripts: Path) -> None:
    run = crashes.begin(20)
    restart = ". ./env.sh && kill -9 $(cat $C/run/kubelet.pid) && sleep 3 && ./start.sh"
    subprocess.run(["bash", "-c", restart], cwd=scripts, check=True, timeout=240)
    run.succeeds(tries=1)


# --- MLflow ---------------------------------------------------------------------------------------------


def away(server: MlflowServer, seconds: float) -> None:
    """Take MLflow and its artifacts away for a while."""
    server.stop()
    try:
        time.sleep(seconds)
    finally:
        server.start()


def test_mlflow_and_its_artifacts_are_gone_for_a_while(crashes: Crashes) -> None:
    """The pod cannot write its artifact, the worker not the step's end: both wait."""
    run = crashes.begin(4)
    away(crashes.mlflow, 20)
    run.succeeds(tries=1)


# --- everything -----------------------------------------------------------------------------------------


def test_what_a_lost_deployment_left_behind_is_swept(crashes: Crashes, tmp_path: Path) -> None:
    """The last test: nothing of Airflow is left after it."""
    run = crashes.begin(600)
    for name in PROCESSES:
        crashes.airflow.kill_with_all(name)
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW_HOME"}
    where = ["--cluster", str(crashes.cluster.kubeconfig), "--namespace", crashes.namespace]

    def sweep(*arguments: str) -> list[dict[str, str]]:
        command = [
            sys.executable,
            "-m",
            "tradewind.cli.main",
            "sweep",
            *where,
            "--mlflow",
            crashes.mlflow.uri,
        ]
        done = subprocess.run(
            [*command, "--older-than", "0", "--json", *arguments],
            env={**environment, "TRADEWIND_HOME": str(tmp_path)},
            stdout=subprocess.PIPE,
            check=True,
        )
        return list(json.loads(done.stdout))

    listed = sweep()
    assert {(each["dag_id"], each["run_id"]) for each in listed} == {(NAME, run.run_id)}
    assert sorted(each["kind"] for each in listed) == ["MLflow run", "MLflow run", "pod"]
    assert [each["name"] for each in sweep("--delete", "--unknown")] == [each["name"] for each in listed]
    eventually(lambda: all(pod.gone for pod in run.pods("produce")), 120, "the pod's end")
    assert {each["status"] for each in run.tracked()} == {"KILLED"}
    assert sweep() == []
