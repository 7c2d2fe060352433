"""The local stack: Airflow, MLflow and a cluster on this machine, started together and ended together.

Whatever can start side by side does, since the time to the first run is what a newcomer sees. Nothing is
left behind: the processes end with their owner, even when that is killed, and what escapes nevertheless
is ended by the next start.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import methodcaller
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tradewind.local import cluster as embedded
from tradewind.local.cluster.home import Home as ClusterHome
from tradewind.local.stack.airflow_server import COMMANDS
from tradewind.local.stack.environment import USER, Addresses, airflow_environment, mlflow_command
from tradewind.local.stack.home import Home
from tradewind.local.stack.ports import choose_ports
from tradewind.local.stack.process import StackError, StackProcess, last_lines
from tradewind.local.stack.sessions import Session, end_sessions
from tradewind.local.stack.state import StackState, hold, read_state, write_state

__all__ = ["Options", "Stack"]

_POLL_SECONDS = 0.1
_WARM_UP_SECONDS = 60.0
_STEPS_HERE, _STEPS_ELSEWHERE = 8, 32
"""Steps at once: with pods on this machine, and on a cluster that tasks only wait for (Airflow's default)."""

_PLUGIN = "from tradewind.local.stack.one_writer import OneWriterPlugin  # written by Tradewind\n"


@dataclass(frozen=True, slots=True)
class Options:
    """What a stack is made of.

    Attributes:
        dag_folders: folders to load DAG files from, besides the pipelines of `tradewind run`.
        kubeconfig: of the cluster to run steps on; None: the embedded one.
        context: context in that file; empty: its current one.
        mlflow: address of an MLflow server to use, which is there; empty: start one.
        triggerer: start Airflow's triggerer as well. Without it, deferrable steps wait in their workers;
            other deferrable operators wait for ever.
        start_seconds: how long everything together may take to be ready.
    """

    dag_folders: tuple[Path, ...] = ()
    kubeconfig: Path | None = None
    context: str = ""
    mlflow: str = ""
    triggerer: bool = False
    start_seconds: float = 180.0


class Stack:
    """A stack and its processes; use it as a context manager.

    Args:
        home: its directory.
        options: what it is made of.
        progress: called with one line whenever there is something to tell.

    Raises:
        StackBusyError: a stack runs already in `home`.
        StackError: a process did not start. Nothing is left running.
    """

    def __init__(
        self,
        home: Home,
        options: Options = Options(),
        *,
        progress: Callable[[str], None] = lambda line: None,
    ) -> None:
        self._home = home
        self._options = options
        self._progress = progress
        self._exit = ExitStack()
        self._processes: list[StackProcess] = []
        self._airflow_ended: tuple[str, int] | None = None
        self._state_lock = threading.Lock()
        self.state: StackState

    def __enter__(self) -> Self:
        with ExitStack() as exit_stack:
            exit_stack.enter_context(hold(self._home))
            exit_stack.callback(self._stop)
            self._clean_up()
            self._start()
            self._exit = exit_stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def check(self) -> None:
        """Look after the processes.

        Raises:
            StackError: one of them has ended; says which, why and what to do.
        """
        for process in self._processes:
            if process.exit_code is not None:
                raise self._ended(process)

    # --- starting ---------------------------------------------------------------------------------------

    def _clean_up(self) -> None:
        if (left := read_state(self._home)) and (count := end_sessions(left.sessions)):
            self._progress(f"Ended {count} processes of a stack that was killed")
        for log in self._home.logs.glob("*.log"):
            os.replace(log, log.with_suffix(".log.1"))

    def _start(self) -> None:
        began = time.time()
        ports = choose_ports(self._home.ports)
        addresses = Addresses(
            airflow=f"http://127.0.0.1:{ports['airflow']}",
            mlflow=self._options.mlflow or f"http://127.0.0.1:{ports['mlflow']}",
            kubeconfig=self._options.kubeconfig or ClusterHome(self._home.cluster).kubeconfig,
            context=self._options.context,
        )
        self.state = StackState(addresses, owner=os.getpid(), dag_folders=self._options.dag_folders)
        write_state(self._home, self.state)
        _make_private(self._home.passwords, json.dumps({USER: secrets.token_urlsafe(12)}))
        failures: list[BaseException] = []
        cluster = threading.Thread(target=self._start_cluster, args=(failures,), daemon=True)
        if self._options.kubeconfig is None:
            cluster.start()
        if not self._options.mlflow:
            self._start_mlflow(ports["mlflow"])
        self._start_airflow(addresses)
        self._await_ready(cluster, failures, began)
        self._update_state(lambda state: replace(state, ready=True))

    def _start_cluster(self, failures: list[BaseException]) -> None:
        try:
            embedded.start(self._home.cluster)
        except Exception as error:  # noqa: BLE001 - raised again by the thread that waits
            failures.append(error)

    def _start_mlflow(self, port: int) -> None:
        with closing(sqlite3.connect(self._home.mlflow / "mlflow.db")) as database:
            database.execute("PRAGMA journal_mode=WAL")  # is remembered in the file
        command, environment = mlflow_command(self._home, port)
        arguments = ["-m", "tradewind.local.stack.lifeline", *command]
        self._add(StackProcess("mlflow", arguments, environment, self._home))

    def _start_airflow(self, addresses: Addresses) -> None:
        (self._home.plugins / "one_writer.py").write_text(_PLUGIN)
        names = [name for name in COMMANDS if name != "triggerer" or self._options.triggerer]
        environment = airflow_environment(
            self._home,
            addresses,
            secret=_secret(self._home.secret),
            dag_folders=self._options.dag_folders,
            parallelism=_STEPS_HERE if self._options.kubeconfig is None else _STEPS_ELSEWHERE,
            triggerer=self._options.triggerer,
        )
        arguments = ["-m", "tradewind.local.stack.airflow_server", str(self._home.logs), *names]
        process = StackProcess("airflow", arguments, environment, self._home, capture=True)
        self._add(process)
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()

    def _listen(self, process: StackProcess) -> None:
        """Take in what the parent of Airflow's processes says about them."""
        for line in process.output:
            event = json.loads(line)
            if event["event"] == "started":
                session = Session(event["leader"], event["started"])
                self._update_state(methodcaller("with_session", session))
            else:
                self._airflow_ended = event["name"], event["code"]

    def _add(self, process: StackProcess) -> None:
        self._processes.append(process)
        self._update_state(methodcaller("with_session", process.session))

    def _update_state(self, change: Callable[[StackState], StackState]) -> None:
        with self._state_lock:  # two threads start processes
            self.state = change(self.state)
            write_state(self._home, self.state)

    # --- waiting ----------------------------------------------------------------------------------------

    def _await_ready(
        self, cluster: threading.Thread, failures: Sequence[BaseException], began: float
    ) -> None:
        waiting: dict[str, Callable[[], bool]] = {
            "Airflow": lambda: _airflow_ready(self.state.addresses.airflow, began),
        }
        if not self._options.mlflow:
            waiting["MLflow"] = lambda: _get(self.state.addresses.mlflow, "/health") is not None
        if self._options.kubeconfig is None:
            waiting["the embedded cluster"] = lambda: not cluster.is_alive()
        deadline = began + self._options.start_seconds
        while waiting:
            for name in [name for name, ready in waiting.items() if ready()]:
                del waiting[name]
                if not failures:
                    self._progress(f"{name} is ready after {time.time() - began:.0f} s")
            if failures:
                raise failures[0]
            self.check()
            if time.time() > deadline:
                raise StackError(
                    f"{', '.join(waiting)} did not get ready within {self._options.start_seconds:.0f} s",
                    remedy=f"See the logs in {self._home.logs}, and try again.",
                )
            time.sleep(_POLL_SECONDS)

    def _ended(self, process: StackProcess) -> StackError:
        name, code = process.name, process.exit_code
        if name == "airflow" and self._airflow_ended is not None:
            name, code = self._airflow_ended
        log = self._home.logs / f"{name}.log"
        lines = "\n".join(f"    {line}" for line in last_lines(log).splitlines())
        return StackError(
            f"{name} ended (exit code {code}); the last lines of its log:\n{lines}",
            remedy=f"The whole log is {log}. Start again when the cause is gone: your runs are not lost.",
        )

    # --- stopping ---------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Airflow first: its tasks still end their pods and tell MLflow."""
        for process in reversed(self._processes):
            process.stop()
        self._processes.clear()
        if left := read_state(self._home):
            end_sessions(left.sessions)  # of a process that had to be killed something may be left
        if self._options.kubeconfig is None and (cluster := embedded.running(self._home.cluster)):
            cluster.stop()
        self._home.state.unlink(missing_ok=True)


def _make_private(file: Path, text: str) -> None:
    """Make a file that only its owner can read, unless it is there."""
    if file.exists():
        return
    new = file.with_suffix(".new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        stream.write(text)
    os.replace(new, file)


def _secret(file: Path) -> str:
    _make_private(file, secrets.token_urlsafe(48))
    return file.read_text()


def _get(base: str, path: str, *, timeout: float = 2.0) -> bytes | None:
    """The body of a successful answer, None for everything else."""
    address = urlsplit(base)
    connect = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = connect(address.hostname or "", address.port, timeout=timeout)
    try:
        connection.request("GET", address.path.rstrip("/") + path)
        answer = connection.getresponse()
        return answer.read() if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def _airflow_ready(base: str, since: float) -> bool:
    """Whether scheduler and DAG processor have shown a sign of life since `since`."""
    # The first request to the tasks' API makes Airflow build it, for seconds: not in the first task's time.
    if _get(base, "/execution/health", timeout=_WARM_UP_SECONDS) is None:
        return False
    body = _get(base, "/api/v2/monitor/health")
    if body is None:
        return False
    health = json.loads(body)
    beats = (
        health["scheduler"]["latest_scheduler_heartbeat"],
        health["dag_processor"]["latest_dag_processor_heartbeat"],
    )
    return all(beat and datetime.fromisoformat(beat) > datetime.fromtimestamp(since, UTC) for beat in beats)
