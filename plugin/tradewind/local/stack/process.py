"""One process of the stack: in a session and with a log file of its own, ended with all that it started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from tradewind.errors import UnreachableError
from tradewind.local.stack.home import Home
from tradewind.local.stack.sessions import Session, end_sessions

__all__ = ["StackError", "StackProcess", "last_lines"]

_STOP_SECONDS = 15.0  # Airflow's processes are given 6 to end


class StackError(UnreachableError):
    """A process of the local stack did not start, or ended by itself."""


class StackProcess:
    """A running child process that ends when this process does, even by `kill -9`.

    The child must watch its standard input, as `tradewind.local.stack.lifeline` does.

    Args:
        name: for messages and for the log file's name.
        arguments: of this Python.
        environment: complete environment.
        home: the stack's directory.
        capture: give the child's standard output as `output` instead of writing it to the log.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        home: Home,
        *,
        capture: bool = False,
    ) -> None:
        self.name = name
        self.log = home.logs / f"{name}.log"
        descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            self._process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=home.root,
                env=dict(environment),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if capture else descriptor,
                stderr=descriptor,
                start_new_session=True,
            )
        finally:
            os.close(descriptor)
        self.session = Session.of(self._process.pid)

    @property
    def output(self) -> IO[bytes]:
        """Standard output of a child that was started with `capture`."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def begin_stop(self) -> None:
        """Ask it to end; returns at once."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        if self._process.poll() is None:
            self._process.terminate()

    def stop(self) -> None:
        """End it and all that it started; returns when they are gone."""
        self.begin_stop()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            end_sessions([self.session], grace_seconds=0)
            self._process.wait()


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log file, or an empty string when there is none."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 64 * 1024))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-count:])
