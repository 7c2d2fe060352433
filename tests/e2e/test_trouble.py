"""What goes wrong: failing code, killed workers, cancelled runs, an MLflow that is away, crowds."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import pytest

from fixtures.service_accounts import rights
from fixtures.stack import LocalStack, eventually

pytestmark = pytest.mark.e2e

SLOW = """
@dsl.component
def wait(seconds: int, name: str) -> str:
    import time

    print("waiting", name, flush=True)
    time.sleep(seconds)
    return name

@dsl.pipeline(name="{name}")
def slow(seconds: int = {seconds}):
    task = wait(seconds=seconds, name="{name}")
    task.set_caching_options(False)
    task.set_retry(1, backoff_duration="1s")
"""
QUICK = """
@dsl.component
def add(a: int, b: int) -> int:
    return a + b

@dsl.pipeline(name="{name}")
def quick(a: int = 1):
    first = add(a=a, b=1)
    add(a=first.output, b=1)
"""


def start(stack: LocalStack, file: str) -> str:
    """Start a run; returns its id."""
    code, output = stack.run("run", file, "--no-watch")
    assert code == 0, output
    return next(line.split()[1] for line in output.splitlines() if line.startswith("Run run_"))


def test_a_failing_step_says_why(stack: LocalStack, pipeline_file: Callable[[str], str]) -> None:
    file = pipeline_file(
        """
        @dsl.component
        def check(rows: int) -> int:
            print("looking at", rows, "rows")
            raise ValueError(f"{rows} rows are too few")

        @dsl.component
        def use(rows: int):
            print(rows)

        @dsl.pipeline(name="failing")
        def failing(rows: int = 3):
            use(rows=check(rows=rows).output)
        """
    )
    code, output = stack.run("run", file)
    assert code == 1
    assert "check: failed" in output
    assert "use: not run" in output
    assert "ValueError: 3 rows are too few" in output
    assert 'raise ValueError(f"{rows} rows are too few")' in output
    assert "failed in" in output
    (run,) = stack.runs("failing")
    assert run["info"]["status"] == "FAILED"


def test_a_killed_worker_finds_its_pod_again(stack: LocalStack, pipeline_file: Callable[[str], str]) -> None:
    file = pipeline_file(SLOW.format(name="adopted", seconds=15))
    created = stack.pods_created()
    run_id = start(stack, file)
    (pod,) = eventually(lambda: stack.running_pods("wait"), 180, "a running pod")
    stack.task_process("adopted", run_id, "wait").send_signal(signal.SIGKILL)
    assert stack.wait("adopted", run_id) == "success"
    (instance,) = [i for i in stack.airflow.task_instances("adopted", run_id) if i["task_id"] == "wait"]
    assert instance["try_number"] == 2
    assert stack.pods_created() - created == 1, pod
    (run,) = stack.runs("adopted")
    assert run["info"]["status"] == "FINISHED"


def test_ctrl_c_cancels_the_run_and_ends_its_pod(
    stack: LocalStack, pipeline_file: Callable[[str], str]
) -> None:
    process = stack.start("run", pipeline_file(SLOW.format(name="cancelled", seconds=600)))
    eventually(lambda: stack.running_pods("wait"), 180, "a running pod")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=180)
    assert process.returncode == 130, output
    assert "is cancelled" in output
    eventually(lambda: not stack.running_pods("wait"), 120, "the pod's end")
    (run,) = eventually(
        lambda: [run for run in stack.runs("cancelled") if run["info"]["status"] in ("FAILED", "KILLED")],
        120,
        "the end of the MLflow run",
    )
    assert run


def test_a_run_that_is_marked_failed_ends_its_pod(
    stack: LocalStack, pipeline_file: Callable[[str], str]
) -> None:
    run_id = start(stack, pipeline_file(SLOW.format(name="deleted", seconds=600)))
    eventually(lambda: stack.running_pods("wait"), 180, "a running pod")
    stack.airflow.fail("deleted", run_id)
    eventually(lambda: not stack.running_pods("wait"), 180, "the pod's end")
    assert stack.wait("deleted", run_id) == "failed"
    stack.airflow.delete("deleted", run_id)  # refused as long as anything of it runs


def test_an_mlflow_that_is_away_is_told_later(stack: LocalStack, pipeline_file: Callable[[str], str]) -> None:
    file = pipeline_file(QUICK.format(name="outage"))
    assert stack.wait("outage", start(stack, file)) == "success"
    stack.mlflow_server.stop()
    try:
        code, output = stack.run("run", file, "-p", "a=40", "--no-watch")
        assert code == 0, output
        run_id = next(line.split()[1] for line in output.splitlines() if line.startswith("Run run_"))
        eventually(
            lambda: (
                [stack.states("outage", run_id).get(task) for task in ("add", "add-2")] == ["success"] * 2
            ),
            120,
            "the steps' end while MLflow is away",
        )
    finally:
        stack.mlflow_server.start()
    assert stack.wait("outage", run_id) == "success"
    run, _ = stack.runs("outage")
    assert run["info"]["status"] == "FINISHED"
    assert {entry["key"]: entry["value"] for entry in run["data"]["params"]} == {"a": "40"}
    assert {entry["key"]: entry["value"] for entry in run["data"]["metrics"]}["add-2/Output"] == 42


def test_twenty_runs_at_once(stack: LocalStack, pipeline_file: Callable[[str], str]) -> None:
    file = pipeline_file(QUICK.format(name="crowd"))
    first = start(stack, file)
    began = time.monotonic()
    runs = [first] + [stack.airflow.trigger("crowd", {"a": number}) for number in range(19)]
    assert {stack.wait("crowd", run_id, 280) for run_id in runs} == {"success"}
    print(f"20 runs of 2 steps took {time.monotonic() - began:.0f} s")
    for log in stack.home.logs.glob("*.log"):
        assert "database is locked" not in log.read_text(errors="replace"), log
    assert len(stack.runs("crowd")) == 20


def test_check_of_the_running_stack(stack: LocalStack) -> None:
    code, output = stack.run("check")
    assert code == 0, output
    for subject in ("Airflow", "DAG files", "MLflow", "MLflow artifacts", "cluster", "permissions"):
        assert f"pass  {subject}:" in output


def test_check_names_a_missing_permission(stack: LocalStack) -> None:
    allowed = [("get", "pods"), ("create", "pods"), ("create", "selfsubjectaccessreviews")]
    kubeconfig = stack.cluster.restricted("reader", allowed)
    code, output = stack.run("check", "--cluster", str(kubeconfig))
    assert code == 1
    assert "FAIL  permissions: not allowed in namespace default: " in output
    assert "watch pods" in output
    assert "get pods/log" in output
    assert "create pods" not in output


def test_check_passes_with_the_role_of_steps_and_says_what_is_missing(stack: LocalStack) -> None:
    allowed = [*rights("steps"), ("create", "selfsubjectaccessreviews")]
    code, output = stack.run("check", "--cluster", str(stack.cluster.restricted("steps", allowed)))
    assert code == 0, output
    assert "pass  permissions: pods in namespace default, but not its events: errors will say less" in output


def test_a_second_up_says_where_the_first_is(stack: LocalStack) -> None:
    code, output = stack.run("up")
    assert code == 0
    assert "runs already" in output
    assert stack.state.addresses.airflow in output


def test_a_value_that_airflow_must_refuse_starts_nothing(stack: LocalStack) -> None:
    code, output = stack.run("run", "dags/breast_cancer.py", "-p", "seed=1.5")
    assert code == 2
    assert "must be a whole number" in output
