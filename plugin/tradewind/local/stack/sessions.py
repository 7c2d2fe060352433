"""Process sessions: a leader and everything that it started, found and ended together.

A process group is not enough: Airflow puts every task into a group of its own, which would outlive its
scheduler. All of them stay in the session of the process that we started, whatever they call themselves
and even when its leader is dead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil  # type: ignore[import-untyped]

__all__ = ["Session", "end_sessions"]


@dataclass(frozen=True, slots=True)
class Session:
    """A process session.

    Attributes:
        leader: process id of the leader, which is the session's id as well.
        started: when the leader was started, seconds since the epoch; a later process with that id differs.
    """

    leader: int
    started: float

    @classmethod
    def of(cls, leader: int) -> Session:
        """The session that the running process `leader` leads.

        Raises:
            psutil.NoSuchProcess: it has ended.
        """
        import psutil

        return cls(leader, psutil.Process(leader).create_time())


def end_sessions(sessions: Iterable[Session], *, grace_seconds: float = 5.0) -> int:
    """End all processes of some sessions: SIGTERM, and SIGKILL to what is left after the grace period.

    Returns:
        How many processes there were.
    """
    import psutil

    wanted = {session.leader for session in sessions if not _taken_by_another(session)}
    processes = _processes(wanted)
    for process in processes:
        _signal(process.terminate)
    psutil.wait_procs(processes, timeout=grace_seconds)
    while left := _processes(wanted):
        for process in left:
            _signal(process.kill)
        psutil.wait_procs(left, timeout=1)
    return len(processes)


def _processes(sessions: set[int]) -> list[psutil.Process]:
    import psutil

    found = []
    for pid in psutil.pids():
        try:
            if pid == os.getpid() or os.getsid(pid) not in sessions:
                continue
            process = psutil.Process(pid)
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.NoSuchProcess):  # gone in the meantime, or not ours to ask
            continue
    return found


def _taken_by_another(session: Session) -> bool:
    """Whether the id now belongs to another process; it cannot while anybody of the session is alive."""
    import psutil

    try:
        started: float = psutil.Process(session.leader).create_time()
    except psutil.NoSuchProcess:
        return False
    return abs(started - session.started) > 1


def _signal(send: Callable[[], None]) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        send()
