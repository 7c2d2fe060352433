"""Deferrable steps under the real scheduler and triggerer: logs, statuses, and all the ways to end one."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from fixtures.cluster import core_api_of
from fixtures.stack import LocalStack, eventually

pytestmark = pytest.mark.e2e

DAG = """
from datetime import timedelta

from tradewind import dsl
from tradewind.airflow import pipeline_dag


@dsl.component
def chatty(lines: int) -> int:
    import time

    for number in range(lines):
        print("line", number, flush=True)
        time.sleep(0.1 if number % 10 == 0 else 0)  # bursts of ten
    print("same", flush=True)
    print("same", flush=True)
    return lines


@dsl.component
def wait(seconds: float) -> str:
    import time

    time.sleep(seconds)
    return "done"


@dsl.container_component
def once(marker: str):
    return dsl.ContainerSpec(
        image="busybox", command=["sh", "-c", 'test -e "$0" && exit 0; touch "$0"; sleep 600', marker]
    )


@dsl.component
def broken():
    raise ValueError("no rows")


@dsl.pipeline(name="deferred-stack")
def pipeline():
    chatty(lines=400)
    wait(seconds=600).set_display_name("marked")
    wait(seconds=600).set_display_name("late")
    once(marker="{directory}/marker").set_display_name("cleared")
    broken()


dag = pipeline_dag(
    pipeline,
    dag_id="deferred_stack",
    caching=False,
    deferrable=True,
    pod={{
        "termination_grace_period": 1,
        "volumes": [{{"name": "out", "hostPath": {{"path": "{directory}"}}}}],
        "volume_mounts": [{{"name": "out", "mountPath": "{directory}"}}],
    }},
    steps={{
        "wait-2": {{"execution_timeout": timedelta(seconds=30)}},
        "broken": {{"retries": 1, "retry_delay": timedelta(seconds=1)}},
    }},
)
"""
ID = "deferred_stack"


def instance(stack: LocalStack, run_id: str, task: str) -> dict[str, Any]:
    found = stack.airflow.task_instances(ID, run_id)
    return next(one for one in found if one["task_id"] == task)


def call(stack: LocalStack, method: str, path: str, body: Any) -> Any:
    return stack.airflow._call(method, f"/api/v2/dags/{ID}/{path}", body)


def pods(stack: LocalStack, task: str) -> dict[str, str]:
    """The pods of a task by try, with their phase."""
    found = core_api_of(stack.cluster).list_namespaced_pod(
        "default", label_selector=f"dag_id={ID},task_id={task}"
    )
    return {pod.metadata.labels["tradewind.dev/try"]: pod.status.phase for pod in found.items}


def shown(stack: LocalStack, run_id: str, task: str) -> list[dict[str, Any]]:
    return stack.airflow.log(ID, run_id, instance(stack, run_id, task))


def test_deferred_steps(stack: LocalStack, tmp_path: Path) -> None:
    (stack.home.dags / "deferred_stack.py").write_text(DAG.format(directory=tmp_path))
    eventually(lambda: stack.airflow.dag(ID), 120, "the DAG")
    run_id = stack.airflow.trigger(ID, {})
    run = f"dagRuns/{quote(run_id)}"

    def deferred(task: str) -> bool:
        return bool(
            instance(stack, run_id, task)["state"] == "deferred" and "Running" in pods(stack, task).values()
        )

    # A person ends one, and starts another one anew. No worker is there to be told.
    eventually(lambda: deferred("wait"), 180, "a deferred step")
    entries = f"{run}/taskInstances/wait/xcomEntries"
    eventually(
        lambda: "mlflow_url" in str(call(stack, "GET", entries, None)), 30, "a link while the step runs"
    )
    call(stack, "PATCH", f"{run}/taskInstances/wait", {"new_state": "success"})
    eventually(lambda: deferred("once") and (tmp_path / "marker").exists(), 180, "a deferred step")
    body = {"dry_run": False, "dag_run_id": run_id, "task_ids": ["once"], "only_failed": False}
    call(stack, "POST", "clearTaskInstances", body)
    eventually(lambda: not pods(stack, "wait"), 60, "the end of the marked step's pod")
    eventually(lambda: "1" not in pods(stack, "once"), 60, "the end of the cleared step's pod")

    assert stack.wait(ID, run_id, 280) == "failed"
    states = stack.states(ID, run_id)
    for task in ("chatty", "wait", "once"):
        assert states[task] == "success", [entry["event"] for entry in shown(stack, run_id, task)][-40:]
    assert states["wait-2"] == states["broken"] == "failed"
    assert stack.airflow.xcom(ID, run_id, "chatty")["parameters"] == {"Output": 400}
    assert instance(stack, run_id, "once")["try_number"] == 2
    assert not [task for task in states if pods(stack, task)]

    log = shown(stack, run_id, "chatty")
    lines = [entry for entry in log if str(entry["event"]).startswith(("line", "same"))]
    assert [entry["event"] for entry in lines] == [f"line {number}" for number in range(400)] + ["same"] * 2
    stamps = [entry["timestamp"] for entry in lines]
    assert stamps == sorted(set(stamps)), "a line's stamp is later than that of the line before"
    # Airflow merges the worker's and the triggerer's files by milliseconds (`_create_sort_key`).
    milliseconds = [entry["timestamp"][:23] for entry in log if entry.get("timestamp")]
    assert milliseconds == sorted(milliseconds)
    assert not [entry for entry in log if "terminated" in str(entry)], "a pod's status is in the log"
    assert "ValueError: no rows" in str(shown(stack, run_id, "broken"))
    assert "execution_timeout" in str(shown(stack, run_id, "wait-2"))

    (parent,) = [found for found in stack.runs("deferred-stack") if found["info"]["status"] == "FAILED"]
    assert parent
    ended = sorted(
        (found["info"]["run_name"], found["info"]["status"]) for found in stack.runs("deferred-stack", "step")
    )
    assert [status for _, status in ended].count("KILLED") == 2, ended
    assert [status for _, status in ended].count("FAILED") == 3, ended
    assert [status for _, status in ended].count("FINISHED") == 2, ended
