"""A container's log on disk, in the format of Kubernetes' container runtimes, and the end of it.

One line per record: `<time> stdout F <text>`; `P` instead of `F` marks a piece of a line whose rest follows
(or never came). The time of each line is what `--timestamps`, `sinceTime` and a reader's reconnection rest
on.
"""

from __future__ import annotations

import os
import time

__all__ = ["Journal", "last_lines", "timestamp"]

PIECE = 16 * 1024  # bytes after which an unfinished line is written down, as containerd does


def timestamp() -> str:
    """The time now as RFC 3339 with nanoseconds, UTC."""
    now = time.time_ns()
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now // 10**9)) + f".{now % 10**9:09d}Z"


class Journal:
    """Appends what a container prints to its log file."""

    def __init__(self, path: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._unfinished: dict[str, bytes] = {}

    def write(self, stream: str, data: bytes) -> bool:
        """Take in a chunk of `stdout` or `stderr`. Says whether the file grew."""
        lines = (self._unfinished.pop(stream, b"") + data).split(b"\n")
        rest = lines.pop()
        prefix = f"{timestamp()} {stream} ".encode()
        records = [prefix + b"F " + line for line in lines]
        while len(rest) > PIECE:
            records.append(prefix + b"P " + rest[:PIECE])
            rest = rest[PIECE:]
        if rest:
            self._unfinished[stream] = rest
        return self._append(records)

    def finish(self) -> bool:
        """Write down unfinished lines; nothing can be written afterwards. Says whether the file grew."""
        records = [
            f"{timestamp()} {stream} P ".encode() + rest for stream, rest in self._unfinished.items() if rest
        ]
        self._unfinished = {}
        grew = self._append(records)
        os.close(self._file)
        return grew

    def _append(self, records: list[bytes]) -> bool:
        if not records:
            return False
        data = memoryview(b"\n".join(records) + b"\n")
        while data:
            data = data[os.write(self._file, data) :]
        return True


def last_lines(path: str, lines: int, size: int) -> str:
    """The end of a log as plain text: at most `lines` lines and `size` bytes."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 4 * size))
        records = file.read().split(b"\n")
    text = b"".join(
        parts[3] + (b"\n" if parts[2] == b"F" else b"")
        for parts in (record.split(b" ", 3) for record in records)
        if len(parts) == 4 and parts[2] in (b"F", b"P")
    )
    tail = b"".join(text.splitlines(keepends=True)[-lines:])
    return tail[-size:].decode("utf-8", "replace")
