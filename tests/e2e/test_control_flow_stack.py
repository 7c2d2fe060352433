"""Control flow under Airflow's real scheduler, as the command shows it."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.stack import LocalStack

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(1200)]

PIPELINES = "tests/e2e/pipelines"
SECONDS = 420.0


def started(output: str) -> str:
    """Id of the run that the command has started."""
    return next(line.split()[1] for line in output.splitlines() if line.startswith("Run run_"))


def states(stack: LocalStack, dag_id: str, run_id: str) -> dict[str, str]:
    """State of each task instance, mapped ones with their index."""
    instances = stack.airflow.task_instances(dag_id, run_id)
    return {
        entry["task_id"] + (f"[{entry['map_index']}]" if entry["map_index"] >= 0 else ""): entry["state"]
        for entry in instances
    }


def output_of(stack: LocalStack, dag_id: str, run_id: str, task: str, index: int = -1) -> Any:
    left = stack.airflow.xcom(dag_id, run_id, task, map_index=index)
    return left["parameters"]["Output"]


def clear(stack: LocalStack, dag_id: str, run_id: str, task: str, index: int) -> None:
    """Run one iteration of a step again, and what comes after it."""
    body = {
        "dry_run": False,
        "only_failed": False,
        "reset_dag_runs": True,
        "include_downstream": True,
        "dag_run_id": run_id,
        "task_ids": [[task, index]],
    }
    stack.airflow._call("POST", f"/api/v2/dags/{dag_id}/clearTaskInstances", body)


def test_loops_and_one_iteration_again(stack: LocalStack) -> None:
    code, output = stack.run("run", f"{PIPELINES}/loops.py", "--pipeline", "loops", "--no-watch")
    assert code == 0, output
    run_id = started(output)
    failing = stack.start("run", f"{PIPELINES}/failures.py", "--pipeline", "failures")
    assert stack.wait("loops", run_id, SECONDS) == "success"
    expected = "north=2230,south=0,west=1200;1110,1120,1200"
    assert output_of(stack, "loops", run_id, "report") == expected
    assert output_of(stack, "loops", run_id, "join") == "a-2+b-4"
    assert states(stack, "loops", run_id)["for-loop-5.never"] == "skipped"

    told, _ = failing.communicate(timeout=SECONDS)
    assert failing.returncode == 1, told
    failed_run = started(told)
    found = states(stack, "failures", failed_run)
    loop = "exit-handler-1.for-loop-2"
    assert [found[f"{loop}.work-2[{index}]"] for index in range(3)] == [
        "success",
        "upstream_failed",
        "success",
    ]
    assert output_of(stack, "failures", failed_run, "status-of").startswith("exit-handler-1 FAILED")
    assert f"{loop}.work[1] failed" in told
    assert "ValueError: 13 is unlucky" in told

    # Airflow runs all iterations of all later steps again; nothing has changed, so none of them takes a pod.
    before = stack.pods_created()
    clear(stack, "loops", run_id, "for-loop-1.shops-of", 2)
    assert stack.wait("loops", run_id, SECONDS) == "success"
    assert output_of(stack, "loops", run_id, "report") == expected
    assert stack.airflow.xcom("loops", run_id, "report")["cached_from"]["run"] == run_id
    assert stack.pods_created() == before
