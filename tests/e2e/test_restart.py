"""A stack that is stopped in the middle of a run, started again, loses a process, and is started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.stack import START_SECONDS, eventually, gone, new_home, tradewind
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
    wait(seconds=seconds)
"""
WAIT_SECONDS = 240.0  # less than the five minutes after which Airflow itself would notice


def start(home: Home, folder: Path) -> tuple[subprocess.Popen[str], StackState]:
    process = tradewind(home.root, "up", "--dags", str(folder))

    def ready() -> StackState | None:
        assert process.poll() is None, process.communicate()[0]
        state = running(home)
        return state if state is not None and state.ready else None

    try:
        return process, eventually(ready, START_SECONDS, "tradewind up")
    except BaseException:
        end(process)
        raise


def end(process: subprocess.Popen[str]) -> None:
    """End a stack that a failing test leaves behind, with all that belongs to it."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


def api(home: Home, state: StackState) -> AirflowApi:
    return AirflowApi(state.addresses.airflow, USER, read_password(home))


@pytest.mark.timeout(600)  # three starts of a stack, on whatever machine
def test_a_run_goes_on_after_the_stack_was_stopped_or_has_crashed(
    tmp_path: Path, pipeline_file: Callable[[str], str]
) -> None:
    """The step may not be retried: what ends it here is no failure of its own."""
    home = new_home(tmp_path / "home")
    (tmp_path / "dags").mkdir()
    up, state = start(home, tmp_path / "dags")
    addresses = state.addresses
    started = tradewind(home.root, "run", pipeline_file(SLOW), "--no-watch")
    output, _ = started.communicate(timeout=180)
    assert started.returncode == 0, output
    run_id = next(line.split()[1] for line in output.splitlines() if line.startswith("Run run_"))

    def step() -> dict[str, Any]:
        instances = api(home, state).task_instances("interrupted", run_id)
        return next(instance for instance in instances if instance["task_id"] == "wait")

    def running_try(number: int) -> bool:
        instance = step()
        return bool(instance["state"] == "running" and instance["try_number"] == number)

    eventually(lambda: running_try(1), WAIT_SECONDS, "the step's start")
    up.send_signal(signal.SIGINT)
    output, _ = up.communicate(timeout=120)
    assert up.returncode == 0, output
    gone(home.root)

    up, state = start(home, tmp_path / "dags")
    try:
        assert state.addresses == addresses
        eventually(lambda: running_try(2), WAIT_SECONDS, "the step's second try")
        (scheduler,) = [p for p in psutil.Process(up.pid).children(recursive=True) if _is_scheduler(p)]
        scheduler.kill()
        output, _ = up.communicate(timeout=120)
    finally:
        end(up)
    assert up.returncode == 3, output
    assert "scheduler ended (exit code -9)" in output
    assert "scheduler.log" in output
    gone(home.root)

    up, state = start(home, tmp_path / "dags")
    try:
        eventually(
            lambda: api(home, state).run("interrupted", run_id)["state"] == "success",
            WAIT_SECONDS,
            "the run's end",
        )
        assert step()["try_number"] == 3
        up.send_signal(signal.SIGINT)
        output, _ = up.communicate(timeout=120)
    finally:
        end(up)
    assert up.returncode == 0, output
    gone(home.root)


def _is_scheduler(process: psutil.Process) -> bool:
    """Whether it is the leader of the session in which the executor's workers are."""
    try:
        if os.getsid(process.pid) != process.pid:
            return False
        workers = [child for child in process.children() if "LocalExecutor" in " ".join(child.cmdline())]
    except (psutil.Error, ProcessLookupError):
        return False
    return bool(workers)
