"""A stack that is stopped in the middle of a run, started again, and loses one of its processes."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fixtures.stack import START_SECONDS, eventually, gone, tradewind
from tradewind.cli.airflow_api import AirflowApi
from tradewind.local.stack import USER, Home, StackState, read_password, running

pytestmark = pytest.mark.e2e

SLOW = """
@dsl.component
def wait(seconds: int) -> int:
    import time

    time.sleep(seconds)
    return seconds

@dsl.pipeline(name="interrupted")
def interrupted(seconds: int = 20):
    wait(seconds=seconds).set_retry(1, backoff_duration="1s")
"""


def start(home: Home, folder: Path) -> tuple[subprocess.Popen[str], StackState]:
    process = tradewind(home.root, "up", "--dags", str(folder))

    def ready() -> StackState | None:
        assert process.poll() is None, process.communicate()[0]
        state = running(home)
        return state if state is not None and state.ready else None

    return process, eventually(ready, START_SECONDS, "tradewind up")


def api(home: Home, state: StackState) -> AirflowApi:
    return AirflowApi(state.addresses.airflow, USER, read_password(home))


def test_a_run_goes_on_after_a_restart_and_a_dead_process_is_named(
    tmp_path: Path, pipeline_file: Callable[[str], str]
) -> None:
    home = Home(tmp_path / "home")
    (tmp_path / "dags").mkdir()
    first, state = start(home, tmp_path / "dags")
    started = tradewind(home.root, "run", pipeline_file(SLOW), "--no-watch")
    output, _ = started.communicate(timeout=120)
    assert started.returncode == 0, output
    run_id = next(line.split()[1] for line in output.splitlines() if line.startswith("Run run_"))

    def states() -> dict[str, str]:
        instances = api(home, state).task_instances("interrupted", run_id)
        return {instance["task_id"]: instance["state"] for instance in instances}

    eventually(lambda: states().get("wait") == "running", 60, "the step's start")
    first.send_signal(signal.SIGINT)
    output, _ = first.communicate(timeout=60)
    assert first.returncode == 0, output
    gone(home.root)

    second, again = start(home, tmp_path / "dags")
    assert again.addresses == state.addresses
    try:
        eventually(
            lambda: api(home, again).run("interrupted", run_id)["state"] == "success", 120, "the run's end"
        )
        schedulers = [p for p in psutil.Process(second.pid).children(recursive=True) if _is_scheduler(p)]
        for process in schedulers:
            process.kill()
        output, _ = second.communicate(timeout=60)
    finally:
        second.kill()
    assert second.returncode == 3, output
    assert "scheduler ended (exit code -9)" in output
    assert "scheduler.log" in output
    gone(home.root)


def _is_scheduler(process: psutil.Process) -> bool:
    """The leader of the session in which the executor's workers are."""
    try:
        workers = [child for child in process.children() if "LocalExecutor" in " ".join(child.cmdline())]
    except psutil.Error:
        return False
    return bool(workers)
