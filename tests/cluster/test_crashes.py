"""What a run survives: each part of the whole is killed or taken away in the middle of a step.

Pods run on the real cluster, Airflow as separate processes; see `fixtures.crashes` for what is asked after
each crash. A crash meets several runs at once: those for which workers wait, and those for which a trigger
does. The order of the tests is that of their damage.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from fixtures.airflow_processes import PROCESSES
from fixtures.crash_pipeline import HELD, LARGE, PENDING, PLAIN, STORED, both, deferred
from fixtures.crashes import Crashes
from fixtures.stack import eventually

pytestmark = pytest.mark.disruptive


# --- Airflow's processes --------------------------------------------------------------------------------


def test_processes_of_workers_are_killed(crashes: Crashes) -> None:
    """That of a task alone, its supervisor alone, and both at once, as the loss of a worker does."""
    (task,) = crashes.begin(15)
    _, *below = task.supervised("produce")
    for process in below:
        process.kill()

    # What it supervised ends long before Airflow notices: the pod has to wait for the retry.
    (supervisor,) = crashes.begin(15)
    supervisor.supervised("produce")[0].kill()

    (worker,) = crashes.begin(15)
    both = worker.supervised("produce")
    for process in both:
        process.send_signal(signal.SIGSTOP)  # else the one could still tell of the other
    for process in both:
        process.kill()
    for run in (task, supervisor, worker):
        run.succeeds(tries=2)


def test_the_scheduler_is_killed(crashes: Crashes) -> None:
    """Its workers live on. The next one gives the step to another try, which takes over the pod."""
    (run,) = crashes.begin(20)
    crashes.airflow.kill("scheduler")
    time.sleep(3)
    crashes.airflow.start("scheduler")
    run.succeeds()


def test_the_machine_of_scheduler_and_workers_is_lost(crashes: Crashes) -> None:
    waited_for, waiting = crashes.begin(20, *both(PLAIN))
    crashes.airflow.kill_with_all("scheduler")
    time.sleep(3)
    crashes.airflow.start("scheduler")
    waited_for.succeeds()
    waiting.succeeds(tries=1)


def test_the_api_server_of_airflow_is_gone_for_long(crashes: Crashes) -> None:
    """So long that supervisors give their tasks up, and the scheduler takes steps for dead: those that end
    meanwhile, and one that goes on.
    """
    runs = [*crashes.begin(100), *crashes.begin(5, *both(PLAIN))]
    crashes.airflow.kill_with_all("api-server")
    time.sleep(75)
    crashes.airflow.start("api-server")
    crashes.airflow.wait_ready()
    for run in runs:
        run.succeeds()


def test_the_triggerer_is_killed(crashes: Crashes) -> None:
    """One step ends while there is none; another goes on, and waits for the next one."""
    (going_on,) = crashes.begin(70, deferred(PLAIN))
    (ending,) = crashes.begin(15, deferred(PLAIN))
    crashes.airflow.kill_with_all("triggerer")
    time.sleep(20)
    crashes.airflow.start("triggerer")
    for run in (ending, going_on):
        run.succeeds(tries=1)


def test_the_database_is_gone_for_a_while(crashes: Crashes) -> None:
    """Nobody can write to it, while steps end.

    For less than the ten seconds after which schedulers take one another for dead here: SQLite locks no rows,
    so that one which hands out a step again may overwrite the end that Airflow has just taken in.
    """
    runs = crashes.begin(5, *both(PLAIN))
    with closing(sqlite3.connect(crashes.airflow.home.airflow / "airflow.db", timeout=60)) as database:
        database.isolation_level = None
        database.execute("BEGIN EXCLUSIVE")
        time.sleep(8)
        database.execute("ROLLBACK")
    for run in runs:
        run.succeeds()


# --- the cluster ----------------------------------------------------------------------------------------


def test_the_pod_is_deleted_from_outside(crashes: Crashes) -> None:
    runs = crashes.begin(25, *both(PLAIN))
    for run in runs:
        (pod,) = run.pods("produce")
        crashes.cluster.core.delete_namespaced_pod(pod.name, crashes.namespace, grace_period_seconds=0)
    for run in runs:
        run.succeeds(pods=2, tries=2)


@pytest.fixture
def scripts() -> Path:
    """The scripts that start the cluster and take parts of it away."""
    found = os.environ.get("TRADEWIND_CLUSTER_SCRIPTS")
    if not found:
        pytest.skip("needs a cluster whose parts can be taken away: set TRADEWIND_CLUSTER_SCRIPTS")
    return Path(found)


@contextmanager
def without_api_server(scripts: Path, seconds: int) -> Iterator[None]:
    """The cluster's API server is gone for some seconds: it is when the block begins, and back after it."""
    outage = subprocess.Popen([scripts / "apiserver-outage.sh", str(seconds)])
    time.sleep(2)
    yield
    assert outage.wait(seconds + 120) == 0


@pytest.mark.parametrize("seconds", [5, 40, 120])
def test_the_api_server_of_the_cluster_is_gone(crashes: Crashes, scripts: Path, seconds: int) -> None:
    """Steps end meanwhile, for which a worker and a trigger wait; others begin while it is gone."""
    runs = crashes.begin(min(seconds / 2, 20), *both(PLAIN))
    with without_api_server(scripts, seconds):
        late = [crashes.trigger(1, dag_id) for dag_id in both(PLAIN)]
    for run in runs:
        run.succeeds(tries=1)
    for run in late:
        run.succeeds()


def test_the_api_server_of_the_cluster_goes_when_pods_wait_and_when_they_go(
    crashes: Crashes, scripts: Path
) -> None:
    """Pods are `Pending`, for longer than they may be, and others have ended and would be deleted now."""
    with crashes.holding():
        ending = crashes.begin(1, *both(HELD))
        crashes.hold(*ending)
        pending = [crashes.trigger(1, dag_id) for dag_id in both(PENDING)]
        for run in pending:
            eventually(lambda run=run: run.pods("produce"), 180, "a pod that waits for a volume")
        with without_api_server(scripts, 40):
            crashes.let_go()
    with crashes.volume_for_pending():
        for run in (*pending, *ending):
            run.succeeds(tries=1)


def test_the_kubelet_is_restarted(crashes: Crashes, scripts: Path) -> None:
    runs = crashes.begin(20, *both(PLAIN))
    restart = ". ./env.sh && kill -9 $(cat $C/run/kubelet.pid) && sleep 3 && ./start.sh"
    subprocess.run(["bash", "-c", restart], cwd=scripts, check=True, timeout=240)
    for run in runs:
        run.succeeds(tries=1)


# --- MLflow and the artifact store ----------------------------------------------------------------------


@contextmanager
def away(close: Callable[[], None], reopen: Callable[[], None], seconds: float) -> Iterator[None]:
    """Something is gone for some seconds longer than the block lasts."""
    close()
    try:
        yield
        time.sleep(seconds)
    finally:
        reopen()


def test_the_artifact_store_is_gone_for_a_while(crashes: Crashes) -> None:
    """Pods wait until they can write artifacts and results. They take the driver for S3 from this machine."""
    runs = [*crashes.begin(10, *both(STORED)), *crashes.begin(4, *both(STORED), more=LARGE)]
    with away(crashes.store.close, crashes.store.open, 20):
        pass
    for run in runs:
        run.succeeds(tries=1)
        (reference,) = crashes.airflow.api.xcom(run.dag_id, run.run_id, "produce")["artifacts"]["data"]
        assert reference["uri"].startswith("s3://")


def test_mlflow_and_its_artifacts_are_gone_for_a_while(crashes: Crashes) -> None:
    """Pods cannot write artifacts, workers can neither write the steps' ends nor read large results."""
    with crashes.holding():
        reading = crashes.begin(1, *both(HELD), more=LARGE)
        crashes.hold(*reading)
        writing = crashes.begin(8, *both(PLAIN))
        with away(crashes.mlflow.stop, crashes.mlflow.start, 20):
            crashes.let_go()
    for run in (*writing, *reading):
        run.succeeds(tries=1)


# --- everything -----------------------------------------------------------------------------------------


def test_what_a_lost_deployment_left_behind_is_swept(crashes: Crashes, tmp_path: Path) -> None:
    """The last test: nothing of Airflow is left after it."""
    (run,) = crashes.begin(600)
    for name in PROCESSES:
        crashes.airflow.kill_with_all(name)
    environment = {name: value for name, value in os.environ.items() if name != "AIRFLOW_HOME"}
    account = crashes.cluster.airflow(crashes.namespace)
    where = ["--cluster", str(account), "--namespace", crashes.namespace]

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
    assert {(each["dag_id"], each["run_id"]) for each in listed} == {(PLAIN, run.run_id)}
    assert sorted(each["kind"] for each in listed) == ["MLflow run", "MLflow run", "pod"]
    assert [each["name"] for each in sweep("--delete", "--unknown")] == [each["name"] for each in listed]
    eventually(lambda: all(pod.gone for pod in run.pods("produce")), 120, "the pod's end")
    assert {each["status"] for each in run.tracked()} == {"KILLED"}
    assert sweep() == []
