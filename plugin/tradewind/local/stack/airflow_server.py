"""Airflow's processes, forked from one process that has imported Airflow.

Usage: `python -m tradewind.local.stack.airflow_server LOGS NAME...`.

Each of Airflow's commands spends four seconds of processor time on imports. On a laptop's two cores that
alone is half of the time until the stack is ready, so Airflow is imported once, the database is made or
brought up to date, and the commands are forked from there; they also share the memory of what was
imported. Each has a session and a log file of its own. One line of JSON per start and end of a process
goes to standard output, for the owner of the stack.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from tradewind.local.stack.lifeline import watch_standard_input
from tradewind.local.stack.sessions import Session, end_sessions

__all__ = ["API_SERVER", "COMMANDS", "STOP_SECONDS", "end_jobs", "main"]

API_SERVER = "api-server"

COMMANDS: dict[str, list[str]] = {
    API_SERVER: ["api-server"],
    # The API server reads the logs from the same disk: nobody needs the servers that would hand them out.
    "scheduler": ["scheduler", "--skip-serve-logs"],
    "dag-processor": ["dag-processor"],
    "triggerer": ["triggerer", "--skip-serve-logs"],
}
"""Airflow's processes by name, with the arguments of the `airflow` command."""

STOP_SECONDS = 6.0
"""How long the processes may take to end before they are killed; tasks that run end their pods in it."""

_API_STOP_SECONDS = 1.0


class _Stop(BaseException):
    """Raised by SIGTERM: the owner is gone or wants the processes to end."""


def main(logs: Path, names: list[str]) -> int:
    """Run the processes `names` until one of them ends or this process is told to.

    Args:
        logs: directory of the log files.
        names: keys of `COMMANDS`.

    Returns:
        0 when told to end, 1 when a process ended by itself.
    """
    signal.signal(signal.SIGTERM, _raise_stop)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the owner's to handle
    owner = os.dup(1)
    os.dup2(2, 1)  # what Airflow prints belongs into the log
    processes: dict[int, str] = {}
    sessions: dict[str, Session] = {}
    ended = False
    try:
        _prepare_database()
        for name in names:
            pid = _fork(name, logs / f"{name}.log")
            processes[pid] = name
            sessions[name] = Session.of(pid)
            _tell(owner, event="started", name=name, leader=pid, started=sessions[name].started)
        # Only now: a thread must not be there when processes are forked.
        watch_standard_input()
        pid, status = os.wait()
        ended = True
        _tell(owner, event="ended", name=processes.pop(pid), code=os.waitstatus_to_exitcode(status))
    except _Stop:
        pass
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        _end(sessions)
    return 1 if ended else 0


def _end(sessions: Mapping[str, Session]) -> None:
    """End the processes, the API server first.

    Tasks that run end with an error now. With nobody there to take it in they stay "running" in the
    database, and the next scheduler runs them again: stopping the stack uses up no retry and fails no run.
    """
    if API_SERVER in sessions:
        end_sessions([sessions[API_SERVER]], grace_seconds=_API_STOP_SECONDS)
    end_sessions(sessions.values(), grace_seconds=STOP_SECONDS)


def _raise_stop(number: int, frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the owner may say it twice
    raise _Stop


def _tell(owner: int, **event: Any) -> None:
    with suppress(BrokenPipeError):  # the owner was killed; standard input says the same in a moment
        os.write(owner, json.dumps(event).encode() + b"\n")


def _prepare_database() -> None:
    """Import what all processes need, and make or migrate the database."""
    from airflow import settings
    from airflow.utils import db

    db.upgradedb()  # makes the tables of a new database
    end_jobs()
    settings.get_engine().dispose()  # type: ignore[no-untyped-call] # forked processes must not share a connection


def end_jobs() -> None:
    """Say in the database that nothing runs, which is true before the processes start.

    A scheduler that was killed stands there as running. A new one takes over the tasks of that one only when
    its last heartbeat is 30 s old, and looks for such tasks at its start and then every five minutes: runs
    would stand still for as long. The same holds for triggers.
    """
    from airflow.jobs.job import Job, JobState
    from airflow.utils.session import create_session
    from sqlalchemy import update

    with create_session() as session:
        session.execute(update(Job).where(Job.state == JobState.RUNNING).values(state=JobState.FAILED))


def _fork(name: str, log_file: Path) -> int:
    """Fork one of Airflow's commands into a process group of its own; returns its id."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        os.setsid()
        log = os.open(log_file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        code = _run_command(COMMANDS[name])
    except BaseException:  # noqa: BLE001 - a forked process must never return into its parent's code
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run_command(arguments: list[str]) -> int:
    from airflow.__main__ import main as airflow_main

    sys.argv = ["airflow", *arguments]
    try:
        airflow_main()  # type: ignore[no-untyped-call]
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
