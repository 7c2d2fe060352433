"""Steps that wait without a worker: the same results, statuses and logs, and no pod left behind.

DAG runs by `dag.test()`, which runs triggers in line; what needs a real triggerer is in `tests/e2e`.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowSkipException,
    AirflowTaskTimeout,
    TaskDeferred,
)

from fixtures.airflow import DagResult
from fixtures.deferral import deferred, finish, wait_for
from fixtures.stack import eventually
from fixtures.steps import RUN_START, StepRun, TaskInstance, command_step, python_step
from tradewind.operators.access import pipeline_pod_arguments
from tradewind.operators.configuration import configuration
from tradewind.operators.deferral import defers
from tradewind.operators.settings import RunSettings
from tradewind.operators.trigger import StepTrigger
from tradewind.tracking import MlflowRest, PipelineRunRecord, Tracker

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
    assert [result.xcom("for-loop-2.add", map_index=index)["parameters"]["Output"] for index in range(3)] == [
        2,
        3,
        4,
    ]
    assert core_api.list_namespaced_pod(tracked).items == []
    rest = MlflowRest(mlflow_server.uri)
    experiment = rest.get("experiments/get-by-name", {"experiment_name": "deferred"})["experiment"]
    runs = rest.post("runs/search", {"experiment_ids": [experiment["experiment_id"]]})["runs"]
    assert {run["info"]["status"] for run in runs} == {"FINISHED"}
    assert len(runs) == 6


# --- one step, its trigger run by hand ----------------------------------------------------------------------


DEFERRABLE = {"deferrable": True, "termination_grace_period": 1}


def test_a_step_that_defers_returns_what_it_would(on_cluster: str, core_api: Any) -> None:
    step = python_step("def work(a: int) -> str:\n    return str(a)\n", {"a": 7})
    assert finish(StepRun(step, pod=DEFERRABLE))["parameters"] == {"Output": "7"}
    assert core_api.list_namespaced_pod(on_cluster).items == []


def test_an_error_is_the_same_error(on_cluster: str, core_api: Any) -> None:
    step = command_step("sh", "-c", "echo working; echo broken >&2; exit 3")
    with pytest.raises(AirflowException, match=r"(?s)exit code 3.*broken"):
        finish(StepRun(step, pod=DEFERRABLE))
    assert core_api.list_namespaced_pod(on_cluster).items == []


def test_an_exit_code_that_skips(on_cluster: str) -> None:
    step = command_step("sh", "-c", "exit 42")
    with pytest.raises(AirflowSkipException):
        finish(StepRun(step, pod={**DEFERRABLE, "skip_on_exit_code": 42}))


def test_requests_of_a_deferred_step(on_cluster: str, cluster: Any) -> None:
    cluster.requests(reset=True)
    finish(StepRun(command_step("true"), pod=DEFERRABLE))
    asked = Counter(
        {
            f"{r['verb']} {r['resource']}": r["count"]
            for r in cluster.requests()
            if r["userAgent"] == "tradewind"
        }
    )
    assert asked == {"create pods": 1, "watch pods": 1, "get pods/log": 1, "delete pods": 1}


def test_the_authors_own_code_sees_the_log(on_cluster: str) -> None:
    seen: list[str] = []
    step = command_step("sh", "-c", "echo one; echo two; exit 1")
    run = StepRun(step, pod={**DEFERRABLE, "progress_callback": seen.append})
    with pytest.raises(AirflowException, match=r"(?s)one.*two"):
        finish(run)
    assert seen == ["one", "two"]


class Hooks(KubernetesPodOperatorCallback):
    called: ClassVar[list[tuple[str, str]]] = []


for _name in ("on_pod_creation", "on_pod_starting", "on_pod_completion", "on_pod_teardown", "on_pod_cleanup"):

    def _hook(*, pod: Any, _name: str = _name, **_: Any) -> None:
        Hooks.called.append((_name, pod.spec.containers[0].command[0]))

    setattr(Hooks, _name, staticmethod(_hook))


def test_callbacks_are_called_in_workers(on_cluster: str) -> None:
    Hooks.called.clear()
    finish(StepRun(command_step("true"), pod={**DEFERRABLE, "callbacks": [Hooks]}))
    assert [name for name, _ in Hooks.called] == [
        "on_pod_creation",
        "on_pod_starting",
        "on_pod_completion",
        "on_pod_teardown",
        "on_pod_cleanup",
    ]
    assert {command for _, command in Hooks.called} == {"true"}


def test_the_log_of_a_trigger_has_the_nodes_time_stamps(
    on_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "tradewind.operators.trigger_log._log",
        SimpleNamespace(info=lambda text, timestamp: shown.append((text, timestamp))),
    )
    finish(StepRun(command_step("sh", "-c", "echo a; sleep 1; echo b"), pod=DEFERRABLE))
    assert [text for text, _ in shown] == ["a", "b"]
    first, second = (datetime.fromisoformat(stamp) for _, stamp in shown)
    assert 0.8 < (second - first).total_seconds() < 10


# --- how a wait may end besides -----------------------------------------------------------------------------


def timed(seconds: float) -> dict[str, Any]:
    return {"execution_timeout": timedelta(seconds=seconds)}


def test_a_task_whose_time_is_over_ends_its_pod(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("sleep", "60"), pod=DEFERRABLE, arguments=timed(3))
    event = wait_for(deferred(run))
    assert event["what"] == "timeout"
    with pytest.raises(AirflowTaskTimeout):
        run.resume(event)
    eventually(lambda: core_api.list_namespaced_pod(on_cluster).items == [])
    assert "execution_timeout" in run.ti.xcoms["work", "error"]["message"]


def test_airflow_ends_a_wait_without_a_triggerer(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("sleep", "60"), pod=DEFERRABLE, arguments=timed(600))
    with pytest.raises(TaskDeferred) as caught:
        run.execute()
    assert 600 < caught.value.timeout.total_seconds() <= 660
    with pytest.raises(AirflowTaskTimeout):
        run.wait_failed("Trigger timeout")
    eventually(lambda: core_api.list_namespaced_pod(on_cluster).items == [])


def test_a_trigger_that_fails_leaves_the_pod_to_a_retry(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("sleep", "6"), pod=DEFERRABLE, arguments={"retries": 1})
    deferred(run)
    with pytest.raises(AirflowException, match="Trigger failure"):
        run.wait_failed("Trigger failure")
    (pod,) = core_api.list_namespaced_pod(on_cluster).items
    again = replace(run, ti=TaskInstance(try_number=2, max_tries=1))
    finish(again)
    assert pod.metadata.labels["tradewind.dev/try"] == "1"
    assert core_api.list_namespaced_pod(on_cluster).items == []


def test_a_task_that_was_cleared_starts_afresh(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("sleep", "60"), pod=DEFERRABLE)
    deferred(run)
    cleared = replace(run, step=command_step("true"), ti=TaskInstance(try_number=2, max_tries=1))
    finish(cleared)  # one try used up, and none is given for errors: it was cleared
    eventually(lambda: core_api.list_namespaced_pod(on_cluster).items == [])


def test_a_task_that_is_ended_by_hand_takes_its_pod_and_its_mlflow_run_with_it(
    tracked: str, core_api: Any, mlflow_server: Any
) -> None:
    rest = MlflowRest(mlflow_server.uri)
    parent = Tracker(rest).write_run(
        PipelineRunRecord("dag", f"run-{time.time_ns()}", "by-hand", "run", start_ms=1, status="RUNNING")
    )
    ids = {"experiment_id": parent.experiment_id, "run_id": parent.run_id, "group": parent.group}
    run = StepRun(command_step("sleep", "60"), pod=DEFERRABLE, start={**RUN_START, "tracking": ids})
    trigger = deferred(run)
    asyncio.run(trigger.on_kill())
    eventually(lambda: core_api.list_namespaced_pod(tracked).items == [])
    children = f"tags.`mlflow.parentRunId` = '{parent.run_id}'"
    found = rest.post("runs/search", {"experiment_ids": [parent.experiment_id], "filter": children})["runs"]
    assert [child["info"]["status"] for child in found] == ["KILLED"]


def test_a_pod_that_may_stay_stays(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("sleep", "60"), pod={**DEFERRABLE, "on_kill_action": "keep_pod"})
    asyncio.run(deferred(run).on_kill())
    (pod,) = core_api.list_namespaced_pod(on_cluster).items
    assert pod.metadata.deletion_timestamp is None


def test_two_triggers_for_one_pod_double_nothing(on_cluster: str, core_api: Any) -> None:
    run = StepRun(command_step("sh", "-c", "sleep 2; echo done"), pod=DEFERRABLE)
    trigger = deferred(run)
    twin = StepTrigger(trigger.waiting.to_dict())

    async def both() -> list[Any]:
        return list(await asyncio.gather(anext(trigger.run()), anext(twin.run())))

    first, second = asyncio.run(both())
    assert first.payload == second.payload
    assert run.resume(first.payload)["parameters"] == {}


def test_nothing_secret_and_no_command_is_written_down(on_cluster: str, cluster: Any) -> None:
    step = python_step("def work(a: str) -> str:\n    return 'canary-result'\n", {"a": "canary-input"})
    run = StepRun(step, pod={**DEFERRABLE, "env_vars": {"TOKEN": "canary-variable"}})
    trigger = deferred(run)
    written = json.dumps(trigger.serialize())
    assert "canary" not in written
    assert cluster.token not in written
    assert len(written) < 6000

    async def wait() -> Any:
        return await anext(trigger.run())

    event = asyncio.run(wait())
    assert "canary" not in repr(event), "Airflow logs events"
    assert "ended (succeeded)" in repr(event)


# --- who defers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "pipeline", "step", "expected"),
    [
        ("default", None, None, False),
        ("true", None, None, True),
        ("true", False, None, False),
        ("false", True, None, True),
        ("false", True, False, False),
        ("default", False, True, True),
        ("never", True, True, False),
    ],
)
def test_who_decides(
    airflow_home: Any,
    monkeypatch: pytest.MonkeyPatch,
    option: str,
    pipeline: bool | None,
    step: bool | None,
    expected: bool,
) -> None:
    monkeypatch.setenv("AIRFLOW__TRADEWIND__DEFERRABLE", option)
    configuration.cache_clear()
    given = {} if step is None else {"deferrable": step}
    try:
        arguments = pipeline_pod_arguments(RunSettings(pipeline="demo", deferrable=pipeline), given)
        assert defers(arguments) is expected
    finally:
        configuration.cache_clear()


def test_airflows_own_default_counts(airflow_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__OPERATORS__DEFAULT_DEFERRABLE", "True")
    configuration.cache_clear()
    assert defers({})
