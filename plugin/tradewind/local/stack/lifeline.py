"""Runs one command that must not outlive its owner: `python -m tradewind.local.stack.lifeline
COMMAND...`.

The owner starts this process in a session of its own and holds the other end of its standard input. When
that closes, because the owner said so or was killed, the command and all that it started are ended. It
works the same on every Unix, and with `kill -9`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

from tradewind.local.stack.sessions import Session, end_sessions

__all__ = ["main", "watch_standard_input"]


def watch_standard_input() -> None:
    """Send this process SIGTERM as soon as its standard input closes. Returns at once."""

    def wait() -> None:
        # A raw read: a buffered one would hold the stream's lock when the interpreter shuts down.
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, daemon=True, name="lifeline").start()


def main() -> int:
    """Run the command until it ends or is to be ended; returns its exit code, or 0."""
    # A signal may come at any time and more than once: its handler only writes into a pipe.
    reader, writer = os.pipe()
    signal.signal(signal.SIGTERM, lambda number, frame: os.write(writer, b"s") and None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    command = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)

    def wait_for_command() -> None:
        command.wait()
        os.write(writer, b"e")

    threading.Thread(target=wait_for_command, daemon=True, name="command").start()
    watch_standard_input()
    ended = os.read(reader, 1) == b"e"
    end_sessions([Session.of(os.getpid())])  # everything but this process
    return command.wait() if ended else 0


if __name__ == "__main__":
    sys.exit(main())
