"""What a stack is made of: ports, files, database, processes. The whole is tested end to end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest

from tradewind.errors import ConfigurationError
from tradewind.local.stack import Home, StackBusyError, running
from tradewind.local.stack.environment import Addresses, airflow_environment
from tradewind.local.stack.pipelines import RunPipeline, forget_pipelines_of, installing, load_pipeline
from tradewind.local.stack.ports import choose_ports, is_free
from tradewind.local.stack.process import StackProcess
from tradewind.local.stack.sessions import Session, end_sessions
from tradewind.local.stack.sqlite import CONNECT_ARGS
from tradewind.local.stack.state import StackState, hold, write_state


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


# --- ports ---


def test_ports_are_kept_and_given_up_when_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        assert not is_free(busy)
        first = choose_ports(tmp_path / "ports", {"a": busy, "b": busy})
        assert busy not in first.values()
        assert first["a"] != first["b"]
        assert choose_ports(tmp_path / "ports", {"a": busy, "b": busy}) == first
    assert is_free(busy)
    assert choose_ports(tmp_path / "ports", {"a": busy, "b": busy}) == first


def test_an_unreadable_file_of_ports_counts_as_none(tmp_path: Path) -> None:
    for text in ("", "{", "[1]", '{"a": "x"}', '{"a": 70000}'):
        (tmp_path / "ports").write_text(text)
        assert choose_ports(tmp_path / "ports", {"a": 1})["a"] > 1024 or os.getuid() == 0


# --- the database ---


def test_twenty_writers_at_once_do_not_lock_the_database(tmp_path: Path) -> None:
    file = str(tmp_path / "a.db")
    with sqlite3.connect(file, **CONNECT_ARGS) as first:
        first.execute("CREATE TABLE t (writer int, number int)")
    errors: list[Exception] = []

    def write(writer: int) -> None:
        try:
            connection = sqlite3.connect(file, **CONNECT_ARGS)
            for number in range(20):
                with connection:
                    connection.execute("INSERT INTO t VALUES (?, ?)", (writer, number))
                    time.sleep(0.001)
                connection.execute("SELECT count(*) FROM t").fetchone()
            connection.close()
        except sqlite3.Error as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    with sqlite3.connect(file, **CONNECT_ARGS) as last:
        assert last.execute("SELECT count(*) FROM t").fetchone() == (400,)
        assert last.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert last.execute("PRAGMA synchronous").fetchone() == (1,)


def test_requests_that_may_write_pass_one_by_one() -> None:
    from tradewind.local.stack.one_writer import OneWriter

    now: dict[str, int] = {}
    most: dict[str, int] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        method = scope["method"]
        now[method] = now.get(method, 0) + 1
        most[method] = max(most.get(method, 0), now[method])
        await asyncio.sleep(0.01)
        now[method] -= 1
        if method == "DELETE":
            raise ValueError("one that fails")

    async def requests() -> list[Any]:
        writer = OneWriter(app)
        scopes = [{"type": "http", "method": method} for method in ("GET", "POST", "DELETE") * 5]
        return await asyncio.gather(*(writer(scope, None, None) for scope in scopes), return_exceptions=True)

    results = asyncio.run(requests())
    assert most == {"GET": 5, "POST": 1, "DELETE": 1}
    assert sum(isinstance(result, ValueError) for result in results) == 5


# --- processes ---

# Starts a child in a process group of its own, as Airflow does with tasks, and prints its id.
PARENT = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
print(os.getpid(), child.pid, flush=True)
time.sleep(600)
"""
OWNER = """
import sys, time
from pathlib import Path
from tradewind.local.stack.home import Home
from tradewind.local.stack.process import StackProcess
home = Home(Path(sys.argv[1]))
StackProcess("x", ["-m", "tradewind.local.stack.lifeline", sys.executable, "-c", sys.argv[2]], {}, home)
time.sleep(600)
"""


def pids_in(log: Path) -> list[int]:
    assert eventually(lambda: log.exists() and log.read_text().endswith("\n"))
    return [int(pid) for pid in log.read_text().split()]


def test_stopping_a_process_ends_all_that_it_started(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    process = StackProcess(
        "x", ["-m", "tradewind.local.stack.lifeline", sys.executable, "-c", PARENT], dict(os.environ), home
    )
    pids = pids_in(home.logs / "x.log")
    process.stop()
    assert process.exit_code == 0
    assert [pid for pid in pids if not gone(pid)] == []


def test_processes_end_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path), PARENT])
    pids = pids_in(home.logs / "x.log")
    owner.kill()
    owner.wait()
    assert eventually(lambda: all(gone(pid) for pid in pids))


def test_a_session_is_found_when_its_leader_is_dead(tmp_path: Path) -> None:
    leader = subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, start_new_session=True)
    assert leader.stdout is not None
    child = int(leader.stdout.readline().split()[1])
    session = Session.of(leader.pid)
    leader.kill()
    leader.wait()
    leader.stdout.close()
    assert not gone(child)
    assert end_sessions([session]) == 1
    assert gone(child)


def test_a_later_process_with_the_same_id_is_left_alone() -> None:
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    try:
        assert end_sessions([Session(other.pid, Session.of(other.pid).started - 60)]) == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


# --- the state ---


def test_a_stack_runs_as_long_as_its_owner_lives(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert running(home) is None
    script = textwrap.dedent(
        """
        import sys, time
        from pathlib import Path
        from tradewind.local.stack import Addresses, Home, StackState
        from tradewind.local.stack.state import hold, write_state
        home = Home(Path(sys.argv[1]))
        with hold(home):
            write_state(home, StackState(Addresses("http://a", "http://m", Path("/k")), owner=1, ready=True))
            print("held", flush=True)
            time.sleep(600)
        """
    )
    owner = subprocess.Popen([sys.executable, "-c", script, str(home.root)], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    owner.stdout.readline()
    state = running(home)
    assert state is not None
    assert state.addresses == Addresses("http://a", "http://m", Path("/k"))
    with pytest.raises(StackBusyError, match="runs already"), hold(home):
        pass
    os.kill(owner.pid, signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    assert running(home) is None
    with hold(home):
        pass


def test_the_directory_is_closed_to_others(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    write_state(home, StackState(Addresses("a", "m", Path("k")), owner=1))
    assert home.root.stat().st_mode & 0o777 == 0o700


def test_settings_of_the_users_own_airflow_do_not_reach_the_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTOR", "CeleryExecutor")
    monkeypatch.setenv("AIRFLOW__CELERY__BROKER_URL", "redis://production")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", "http://x")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://production")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy")
    addresses = Addresses("http://127.0.0.1:81", "http://127.0.0.1:82", Path("/k"))
    found = airflow_environment(Home(tmp_path), addresses, secret="s", dag_folders=[Path("/dags")])
    assert found["AIRFLOW__CORE__EXECUTOR"] == "LocalExecutor"
    assert not {"AIRFLOW__CELERY__BROKER_URL", "AIRFLOW_CONN_OTHER", "MLFLOW_TRACKING_URI"} & found.keys()
    assert found["HTTPS_PROXY"] == "http://proxy"
    bundles = json.loads(found["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert [bundle["kwargs"]["path"] for bundle in bundles] == [str(tmp_path / "airflow/dags"), "/dags"]


def test_tasks_of_a_scheduler_that_was_killed_just_now_are_taken_over_at_once(airflow_home: object) -> None:
    """By Airflow's own code: without `end_jobs` it would leave them alone for five minutes."""
    from airflow.jobs.job import Job, JobState
    from airflow.utils.session import create_session

    from tradewind.local.stack.airflow_server import end_jobs

    with create_session() as session:
        killed = Job(job_type="SchedulerJob", state=JobState.RUNNING)
        ended = Job(job_type="SchedulerJob", state=JobState.SUCCESS)
        session.add_all([killed, ended])
        session.flush()
        ids = killed.id, ended.id
        assert killed.is_alive()
    end_jobs()
    with create_session() as session:
        assert [session.get(Job, id).state for id in ids] == [JobState.FAILED, JobState.SUCCESS]


# --- installed pipelines ---


def test_a_dag_file_changes_exactly_when_its_pipeline_does(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    origin = tmp_path / "mine" / "p.py"

    def install(text: str, **settings: object) -> int:
        file = RunPipeline("my dag/1", text, settings, origin).install(home)
        assert file.parent == home.dags
        return file.stat().st_mtime_ns

    first = install("a: 1")
    assert install("a: 1") == first
    second = install("a: 2")
    assert second > first
    assert install("a: 2", experiment="e") > second
    assert len(list(home.dags.iterdir())) == 1


def test_pipelines_of_a_folder_that_airflow_loads_itself_are_taken_back(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    RunPipeline("one", "a: 1", {}, origin=tmp_path / "dags" / "one.py").install(home)
    RunPipeline("two", "a: 1", {}, origin=tmp_path / "other" / "two.py").install(home)
    forget_pipelines_of(home, tmp_path / "dags")
    assert [path.name for path in home.dags.iterdir()] == ["two.py"]
    assert sorted(path.name for path in home.pipelines.iterdir()) == ["two.json", "two.yaml"]


def test_a_pipeline_knows_whether_airflow_has_it(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    settings = {"default_args": {"retry_delay": timedelta(seconds=5)}, "retry_on": ("lost",)}
    pipeline = RunPipeline("one", "a: 1", settings, origin=tmp_path / "one.py")
    assert not pipeline.is_installed(home)
    pipeline.install(home)
    assert replace(pipeline, origin=tmp_path / "copy.py").is_installed(home)
    for other in (replace(pipeline, compiled="a: 2"), replace(pipeline, settings={})):
        assert not other.is_installed(home)
        own = other.under_its_own_id()
        assert own.dag_id.startswith("one-")
        assert own.dag_id == other.under_its_own_id().dag_id
        own.install(home)
    assert pipeline.is_installed(home)


def test_a_pipeline_under_its_own_id_outlives_the_folder_that_it_came_from(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    home.create()
    RunPipeline("one", "a: 1", {}, origin=tmp_path / "dags" / "one.py").under_its_own_id().install(home)
    forget_pipelines_of(home, tmp_path / "dags")
    assert len(list(home.dags.iterdir())) == 1


def test_settings_come_back_as_they_were(tmp_path: Path, airflow_home: object) -> None:
    from tradewind import dsl, ir

    @dsl.component
    def greet() -> str:
        return "x"

    home = Home(tmp_path)
    home.create()
    start, delay = datetime(2026, 1, 1, tzinfo=UTC), timedelta(minutes=2)
    settings = {"default_args": {"retry_delay": delay, "start_date": start}, "tags": {"b", "a"}}
    dag = load_pipeline(str(RunPipeline("x" * 240, ir.dump(dsl.compile(greet)), settings).install(home)))
    task = dag.get_task("greet")
    assert (dag.dag_id, set(dag.tags)) == ("x" * 240, {"a", "b"})
    assert (task.retry_delay, task.start_date) == (delay, start)


def test_one_at_a_time_replaces_a_pipeline(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()
    seen: list[str] = []

    def second() -> None:
        with installing(home, "one"):
            seen.append("second")

    with installing(home, "one"), installing(home, "other"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.3)
        seen.append("first")
    thread.join()
    assert seen == ["first", "second"]


@pytest.mark.parametrize("root", ["/proc/nope", "/etc/passwd", "/etc/passwd/below"])
def test_a_directory_that_cannot_be_used_is_one_error(root: str) -> None:
    home = Home(Path(root))
    assert running(home) is None
    for use in (home.create, home.require_writable):
        with pytest.raises(ConfigurationError, match=f"{root} cannot be used") as caught:
            use()
        assert "TRADEWIND_HOME" in caught.value.remedy
