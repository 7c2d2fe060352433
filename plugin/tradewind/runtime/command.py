"""Runs a container component's command.

It gets the terminal streams as they are, SIGTERM is passed on, and its exit code becomes the container's.
"""

from __future__ import annotations

import os
import signal
import subprocess
from typing import Any

from tradewind.runtime.failures import ProtocolError, StoppedError, UserCodeError

__all__ = ["run_command"]

NOT_FOUND, NOT_EXECUTABLE = 127, 126


def run_command(command: list[str], paths: list[str]) -> None:
    """Run a command to its end.

    Args:
        command: argv, every placeholder resolved.
        paths: declared paths, whose directories are made first.

    Raises:
        UserCodeError: it ended with another exit code than 0, or could not be started.
        StoppedError: it was stopped because this process was.
    """
    if not command:
        raise ProtocolError("The task has no command")
    for path in paths:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    started: list[subprocess.Popen[bytes]] = []
    stopped = []

    def forward(number: int, frame: Any) -> None:
        stopped.append(number)
        for process in started:
            process.send_signal(number)

    # Before the start: a signal must find either nothing to stop or somebody to pass it on to.
    previous = signal.signal(signal.SIGTERM, forward)
    try:
        started.append(_start(command))
        if stopped:
            started[0].send_signal(signal.SIGTERM)
        code = started[0].wait()
    finally:
        signal.signal(signal.SIGTERM, previous)
    if stopped:
        raise StoppedError("Stopped by SIGTERM", exit_code=_shell_code(code) or 128 + signal.SIGTERM)
    if code:
        ended = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
        raise UserCodeError(f"The command {ended}", type="ExitCode", exit_code=_shell_code(code))


def _start(command: list[str]) -> subprocess.Popen[bytes]:
    try:
        # Not in a session of its own: a kill of the whole group reaches it as well.
        return subprocess.Popen(command, env=_environment())
    except (OSError, ValueError) as error:
        code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
        message = f"Cannot start {command[0]!r}: {error}"
        raise UserCodeError(message, type=type(error).__name__, exit_code=code) from error


def _environment() -> dict[str, str]:
    """The container's variables, without the one that a Python brought along has set for itself."""
    ours = os.environ.get("TRADEWIND_HELPER_CERTIFICATES")
    hidden = {"TRADEWIND_HELPER_CERTIFICATES"} | ({"SSL_CERT_FILE"} if ours else set())
    return {name: value for name, value in os.environ.items() if name not in hidden}


def _shell_code(code: int) -> int:
    return 128 - code if code < 0 else code
