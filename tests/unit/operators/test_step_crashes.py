"""Workers that die, tasks that are killed: one pod per try, adopted or gone, and MLflow knows."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from fixtures.steps import RUN_START, StepRun, TaskInstance, command_step, deployment, python_step
from tradewind.cluster.pods import Pods
from tradewind.errors import UnreachableError
from tradewind.operators import execution, mlflow, storage
from tradewind.operators.settings import RunSettings
from tradewind.tracking import MlflowRest, PipelineRunRecord, TrackedRun, Tracker

SLOW = """
def work(out: str, seconds: float) -> str:
    import time
    print('begun')
    open(out, 'a').write('x')
    time.sleep(seconds)
    return 'done'
"""


def wait_for(condition: Callable[[], Any], seconds: float = 120.0) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.05)
    pytest.fail("it did not happen in time")


def pods(core_api: Any, namespace: str) -> list[Any]:
    return list(core_api.list_namespaced_pod(namespace).items)


def shared(directory: Path) -> dict[str, Any]:
    """Pod arguments that let the step write into the test's directory, and so count its starts."""
    return {
        "volumes": [{"name": "out", "hostPath": {"path": str(directory)}}],
        "volume_mounts": [{"name": "out", "mountPath": str(directory)}],
    }


def log_of(directory: Path, child: subprocess.Popen[bytes]) -> str:
    return f"exit {child.poll()}\n" + (directory / "log").read_text(errors="replace")[-3000:]


@pytest.mark.parametrize("finished", [False, True], ids=["running", "finished"])
def test_a_retry_takes_over_the_pod_of_a_killed_worker(
    on_cluster: str, core_api: Any, tmp_path: Path, finished: bool
) -> None:
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 2.0})
    run = StepRun(step, pod=shared(tmp_path))
    with run.process(tmp_path) as child:
        wait_for(lambda: out.exists() or child.poll() is not None)
        assert child.poll() is None, log_of(tmp_path, child)
        child.kill()
        child.wait()
    (orphan,) = pods(core_api, on_cluster)
    if finished:
        wait_for(lambda: pods(core_api, on_cluster)[0].status.phase == "Succeeded")
    again = replace(run, ti=TaskInstance(try_number=2)).execute()
    assert again["parameters"] == {"Output": "done"}
    assert out.read_text() == "x", "a second pod ran"
    assert orphan.metadata.name.startswith("work-")
    assert pods(core_api, on_cluster) == []


def test_a_failed_try_is_not_taken_over(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("sh", "-c", "exit 1"), pod={"on_finish_action": "keep_pod"})
    with pytest.raises(AirflowException):
        run.execute()
    with pytest.raises(AirflowException):
        replace(run, ti=TaskInstance(try_number=2)).execute()
    assert {pod.metadata.labels["tradewind.dev/try"] for pod in pods(core_api, on_cluster)} == {"1", "2"}


def test_the_same_try_twice_shares_one_pod(on_cluster: str, core_api: Any, tmp_path: Path) -> None:
    out = tmp_path / "starts"
    run = StepRun(python_step(SLOW, {"out": str(out), "seconds": 2.0}), pod=shared(tmp_path))
    with run.process(tmp_path) as child:
        wait_for(lambda: out.exists() or child.poll() is not None)
        assert child.poll() is None, log_of(tmp_path, child)
        child.kill()
        child.wait()
        assert replace(run, ti=TaskInstance()).execute()["parameters"] == {"Output": "done"}
    assert out.read_text() == "x"


def test_a_pod_that_was_kept_makes_room_for_the_same_try(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("true"), pod={"on_finish_action": "keep_pod"})
    run.execute()
    (first,) = pods(core_api, on_cluster)
    replace(run, ti=TaskInstance()).execute()
    (second,) = pods(core_api, on_cluster)
    assert first.metadata.name == second.metadata.name
    assert first.metadata.uid != second.metadata.uid


@dataclass
class Tracked:
    """An MLflow run of a pipeline run, and what `run_start` says of it."""

    rest: MlflowRest
    record: PipelineRunRecord
    run: TrackedRun

    @classmethod
    def begin(cls, uri: str) -> Tracked:
        name = f"run-{time.time_ns()}"
        record = PipelineRunRecord("dag", name, name, "run", start_ms=1, status="RUNNING")
        rest = MlflowRest(uri)
        return cls(rest, record, Tracker(rest).write_run(record))

    @property
    def start(self) -> dict[str, Any]:
        run = self.run
        known = {"experiment_id": run.experiment_id, "run_id": run.run_id, "group": run.group}
        return {**RUN_START, "tracking": {"experiment": self.record.experiment, **known}}

    def end(self) -> None:
        Tracker(self.rest).finish_run(replace(self.record, status="FAILED", end_ms=2), self.run)

    def steps(self) -> list[str]:
        """The statuses of the steps' runs."""
        children = f"tags.`mlflow.parentRunId` = '{self.run.run_id}'"
        asked = {"experiment_ids": [self.run.experiment_id], "filter": children}
        return [found["info"]["status"] for found in self.rest.post("runs/search", asked)["runs"]]


def test_a_killed_task_takes_its_pod_with_it(
    tracked: str, core_api: Any, tmp_path: Path, mlflow_server: Any
) -> None:
    tracking = Tracked.begin(mlflow_server.uri)
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 60.0})
    run = StepRun(step, pod={**shared(tmp_path), "termination_grace_period": 1}, start=tracking.start)
    with run.process(tmp_path) as child:
        wait_for(lambda: out.exists() or child.poll() is not None)
        assert child.poll() is None, log_of(tmp_path, child)
        child.send_signal(signal.SIGTERM)
        started = time.monotonic()
        child.wait(60)
    assert time.monotonic() - started < 15, "Airflow kills after a while"
    wait_for(lambda: pods(core_api, tracked) == [])
    assert tracking.steps() == ["KILLED"]


@pytest.mark.parametrize("comes", [True, False], ids=["a retry comes", "nobody comes"])
def test_a_task_that_is_killed_while_airflow_is_away_leaves_its_pod(
    tracked: str, core_api: Any, tmp_path: Path, mlflow_server: Any, comes: bool
) -> None:
    """Airflow's supervisor ends a task when its heartbeats have failed three times."""
    tracking = Tracked.begin(mlflow_server.uri)
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 5.0})
    ti = TaskInstance(run_id=tracking.record.run_id, away=True)
    run = StepRun(step, pod=shared(tmp_path), start=tracking.start, ti=ti)
    with run.process(tmp_path) as child:
        wait_for(lambda: out.exists() or child.poll() is not None)
        assert child.poll() is None, log_of(tmp_path, child)
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    assert [pod.metadata.deletion_timestamp for pod in pods(core_api, tracked)] == [None]
    assert tracking.steps() == ["RUNNING"]
    if comes:
        again = replace(run, ti=replace(ti, try_number=2, away=False))
        assert again.execute()["parameters"] == {"Output": "done"}
        assert out.read_text() == "x", "a second pod ran"
        assert pods(core_api, tracked) == []
    tracking.end()
    assert tracking.steps() == ["FINISHED" if comes else "KILLED"]


@pytest.mark.parametrize("state", ["up_for_retry", "queued", "running"])
def test_a_task_that_was_given_to_another_try_leaves_its_pod_to_it(
    on_cluster: str, core_api: Any, tmp_path: Path, state: str
) -> None:
    """As after an outage of Airflow's own: its scheduler took the task for dead, it was not."""
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 3.0})
    run = StepRun(step, pod=shared(tmp_path), ti=TaskInstance(states={"work": state}))
    with run.process(tmp_path) as child:
        wait_for(lambda: out.exists() or child.poll() is not None)
        assert child.poll() is None, log_of(tmp_path, child)
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    assert replace(run, ti=TaskInstance(try_number=2)).execute()["parameters"] == {"Output": "done"}
    assert out.read_text() == "x", "a second pod ran"
    assert pods(core_api, on_cluster) == []


def test_a_pod_stays_until_airflow_has_its_result(
    on_cluster: str, core_api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(self: TaskInstance, key: str, value: Any) -> None:
        raise ConnectionError("Airflow is away")

    out = tmp_path / "starts"
    run = StepRun(python_step(SLOW, {"out": str(out), "seconds": 0.0}), pod=shared(tmp_path))
    with monkeypatch.context() as patched:
        patched.setattr(TaskInstance, "xcom_push", away)
        with pytest.raises(ConnectionError):
            run.execute()
    assert len(pods(core_api, on_cluster)) == 1
    assert replace(run, ti=TaskInstance(try_number=2)).execute()["parameters"] == {"Output": "done"}
    assert out.read_text() == "x", "a second pod ran"
    assert pods(core_api, on_cluster) == []


@pytest.mark.parametrize("state", ["scheduled", "queued", "running", None], ids=str)
def test_a_pod_stays_until_airflow_has_taken_in_its_end(
    on_cluster: str, core_api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str | None
) -> None:
    """A scheduler that came after one that was lost gave the step to another try; or Airflow is away."""
    monkeypatch.setattr(execution, "ENDED_ASKS_SECONDS", 0.5)
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 0.0})
    told = TaskInstance(states={"work": state} if state else {}, away=state is None)
    run = StepRun(step, pod=shared(tmp_path), ti=told)
    assert run.execute()["parameters"] == {"Output": "done"}
    assert [pod.status.phase for pod in pods(core_api, on_cluster)] == ["Succeeded"]
    again = replace(run, ti=TaskInstance(try_number=2)).execute()
    assert again["parameters"] == {"Output": "done"}
    assert out.read_text() == "x", "a second pod ran"
    assert pods(core_api, on_cluster) == []


@pytest.mark.parametrize("age", [1, 60])
def test_only_a_step_that_began_a_while_ago_may_be_another_trys(
    on_cluster: str, core_api: Any, monkeypatch: pytest.MonkeyPatch, age: float
) -> None:
    monkeypatch.setattr(execution, "ENDED_ASKS_SECONDS", 0.5)
    began = datetime.now(tz=UTC) - timedelta(seconds=age)
    StepRun(command_step("true"), ti=TaskInstance(away=True, start_date=began)).execute()
    assert len(pods(core_api, on_cluster)) == (age > 30)


@pytest.mark.parametrize("required", [False, True], ids=["a result in the store", "required tracking"])
def test_a_result_that_cannot_be_taken_in_waits_in_its_pod(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    core_api: Any,
    mlflow_outage: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    required: bool,
) -> None:
    """MLflow, which is the artifact store as well, goes away when the pod has ended."""
    from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback

    class Outage(KubernetesPodOperatorCallback):  # type: ignore[misc]
        @staticmethod
        def on_pod_completion(**_: Any) -> None:
            mlflow_outage.stop()

    monkeypatch.setattr(storage, "FETCH_SECONDS", 1.0)
    monkeypatch.setattr(mlflow, "STEP_BUDGET_SECONDS", 1.0)
    out = tmp_path / "starts"
    size = 10 if required else 10_000
    source = f"def work(out: str) -> str:\n    open(out, 'a').write('x')\n    return {size} * 'y'\n"
    mode: Any = "required" if required else "off"
    settings = RunSettings(pipeline="demo", caching=False, tracking=mode)
    with deployment(cluster.kubeconfig, mlflow_outage.uri, namespace=namespace):
        run = StepRun(python_step(source, {"out": str(out)}), settings, shared(tmp_path))
        if required:
            run = replace(run, start=Tracked.begin(mlflow_outage.uri).start)
        first = replace(run, pod={**run.pod, "callbacks": [Outage]})
        with pytest.raises(AirflowException, match=r"reached|answer"):
            first.execute()
        assert [pod.status.phase for pod in pods(core_api, namespace)] == ["Succeeded"]
        mlflow_outage.start()
        monkeypatch.setattr(mlflow, "STEP_BUDGET_SECONDS", 20.0)
        again = replace(run, ti=TaskInstance(try_number=2)).execute()
    assert again["parameters"] == {"Output": size * "y"}
    assert out.read_text() == "x", "a second pod ran"
    assert pods(core_api, namespace) == []


@pytest.mark.parametrize(
    ("retry_on", "skip", "ends", "starts"),
    [
        (None, None, AirflowException, 2),
        (("infrastructure",), None, AirflowFailException, 1),
        (None, 3, AirflowSkipException, 1),
    ],
    ids=["worth a retry", "not worth a retry", "a skip"],
)
def test_a_failure_is_taken_in_once(
    on_cluster: str,
    core_api: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    retry_on: Any,
    skip: int | None,
    ends: type[Exception],
    starts: int,
) -> None:
    """A pod that failed stays behind, since the API server was away when it was to be removed: what is worth
    a retry is tried again, all else is known from it.
    """

    def away(self: Pods, name: str, **_: Any) -> bool:
        raise UnreachableError("the API server is away")

    out = tmp_path / "starts"
    step = command_step("sh", "-c", 'printf x >>"$0"; exit 3', str(out))
    settings = RunSettings(pipeline="demo", caching=False, retry_on=retry_on)
    run = StepRun(step, settings, {**shared(tmp_path), "skip_on_exit_code": skip})
    with monkeypatch.context() as patched:
        patched.setattr(Pods, "delete", away)
        with pytest.raises(ends):
            run.execute()
    assert len(pods(core_api, on_cluster)) == 1
    with pytest.raises(ends):
        replace(run, ti=TaskInstance(try_number=2)).execute()
    assert len(out.read_text()) == starts


def test_a_task_that_times_out_takes_its_pod_with_it(on_cluster: str, core_api: Any) -> None:
    from airflow.sdk.exceptions import AirflowTaskTimeout
    from airflow.sdk.execution_time.timeout import timeout

    run = StepRun(command_step("sleep", "60"), pod={"termination_grace_period": 1})
    with pytest.raises(AirflowTaskTimeout), timeout(2):
        run.execute()
    run.operator.on_kill()  # as Airflow's task runner does
    wait_for(lambda: pods(core_api, on_cluster) == [])


def test_on_kill_may_keep_the_pod(on_cluster: str, core_api: Any, tmp_path: Path) -> None:
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 2.0})
    run = StepRun(step, pod={**shared(tmp_path), "on_kill_action": "keep_pod"})
    with run.process(tmp_path) as child:
        wait_for(lambda: out.exists() or child.poll() is not None)
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    assert len(pods(core_api, on_cluster)) == 1
    assert replace(run, ti=TaskInstance(try_number=2)).execute()["parameters"] == {"Output": "done"}
    assert out.read_text() == "x"


def test_a_pod_that_is_deleted_from_outside(on_cluster: str, core_api: Any) -> None:
    def delete() -> None:
        (pod,) = wait_for(lambda: [p for p in pods(core_api, on_cluster) if p.status.phase == "Running"])
        core_api.delete_namespaced_pod(pod.metadata.name, on_cluster, grace_period_seconds=0)

    thread = threading.Thread(target=delete)
    thread.start()
    with pytest.raises(AirflowException, match="deleted from outside"):
        StepRun(command_step("sleep", "60")).execute()
    thread.join()


def test_an_api_server_that_goes_away_and_comes_back(
    airflow_home: Any, cluster_factory: Callable[..., Any], tmp_path: Path
) -> None:
    home = tmp_path / "cluster"
    home.mkdir()
    cluster = cluster_factory(home=home)
    out = tmp_path / "starts"
    run = StepRun(python_step(SLOW, {"out": str(out), "seconds": 4.0}), pod=shared(tmp_path))

    def restart() -> None:
        wait_for(out.exists)
        os.kill(cluster.pid, signal.SIGKILL)
        time.sleep(6)
        cluster_factory(home=home)

    thread = threading.Thread(target=restart)
    with deployment(cluster.kubeconfig):
        thread.start()
        assert run.execute()["parameters"] == {"Output": "done"}
    thread.join()
    assert out.read_text() == "x"


def test_an_unreachable_cluster_is_one_clear_error(
    airflow_home: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tradewind.cluster import pods as requests

    monkeypatch.setattr(requests, "CREATE_BUDGET_SECONDS", 1.0)
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
        "clusters: [{name: x, cluster: {server: 'http://127.0.0.1:9'}}]\n"
        "contexts: [{name: x, context: {cluster: x, user: x}}]\nusers: [{name: x, user: {token: t}}]\n"
    )
    with deployment(kubeconfig), pytest.raises(AirflowException, match="did not answer"):
        StepRun(command_step("true"), settings=RunSettings(pipeline="demo", caching=False)).execute()
