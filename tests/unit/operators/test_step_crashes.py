"""Workers that die, tasks that are killed: one pod per try, adopted or gone, and MLflow knows."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException

from fixtures.steps import RUN_START, StepRun, TaskInstance, command_step, python_step
from tradewind.operators import execution
from tradewind.operators.settings import RunSettings

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


def test_a_killed_task_takes_its_pod_with_it(
    tracked: str, core_api: Any, tmp_path: Path, mlflow_server: Any
) -> None:
    from tradewind.tracking import MlflowRest, PipelineRunRecord, Tracker

    rest = MlflowRest(mlflow_server.uri)
    parent = Tracker(rest).write_run(
        PipelineRunRecord("dag", f"run-{time.time_ns()}", "killed", "run", start_ms=1, status="RUNNING")
    )
    start = {
        **RUN_START,
        "tracking": {"experiment_id": parent.experiment_id, "run_id": parent.run_id, "group": parent.group},
    }
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 60.0})
    run = StepRun(step, pod={**shared(tmp_path), "termination_grace_period": 1}, start=start)
    with run.process(tmp_path) as child:
        wait_for(lambda: out.exists() or child.poll() is not None)
        assert child.poll() is None, log_of(tmp_path, child)
        child.send_signal(signal.SIGTERM)
        started = time.monotonic()
        child.wait(60)
    assert time.monotonic() - started < 15, "Airflow kills after a while"
    wait_for(lambda: pods(core_api, tracked) == [])
    children = f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
    found = rest.post("runs/search", {"experiment_ids": [parent.experiment_id], "filter": children})["runs"]
    assert [child_run["info"]["status"] for child_run in found] == ["KILLED"]


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


@pytest.mark.parametrize(("state", "left"), [("running", 0), ("up_for_retry", 1)])
def test_a_result_that_came_late_may_not_count(
    on_cluster: str, core_api: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, state: str, left: int
) -> None:
    """Airflow takes in the result after an outage, and then not that the task succeeded."""
    monkeypatch.setattr(execution, "AWAY_SECONDS", 0.0)
    out = tmp_path / "starts"
    step = python_step(SLOW, {"out": str(out), "seconds": 0.0})
    run = StepRun(step, pod=shared(tmp_path), ti=TaskInstance(states={"work": state}))
    assert run.execute()["parameters"] == {"Output": "done"}
    assert len(pods(core_api, on_cluster)) == left
    again = replace(run, ti=TaskInstance(try_number=2)).execute()
    assert again["parameters"] == {"Output": "done"}
    assert len(out.read_text()) == 2 - left


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
    from fixtures.steps import deployment

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
    from fixtures.steps import deployment
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
