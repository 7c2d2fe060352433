"""Runs one command that must not outlive its owner: `python -m tradewind.local.stack.lifeline
COMMAND...`.

The owner holds the other end of this process's standard input, and starts it in a session of its own.
When that closes, because the owner said so or was killed, the command and all that it started are ended.
It works the same on every Unix, and with `kill -9`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from types import FrameType

from tradewind.local.stack.sessions import Session, end_sessions

__all__ = ["main", "watch_standard_input"]


def watch_standard_input() -> None:
    """End this process with SIGTERM as soon as standard input closes. Returns at once."""

    def wait() -> None:
        # A raw read: a buffered one would hold the stream's lock when the interpreter shuts down.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def main() -> int:
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def end(number: int, frame: FrameType | None) -> None:
        end_sessions([Session.of(os.getpid())])  # everything but this process
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    watch_standard_input()
    return command.wait()


if __name__ == "__main__":
    sys.exit(main())
