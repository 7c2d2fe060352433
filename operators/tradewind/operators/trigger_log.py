"""From triggers to the task logs: a narrow way that all triggers of a triggerer share.

Airflow's triggerer writes its triggers' logs in another process, which takes some four kilobytes at a time
between two looks at its database. Who writes more than that waits in the middle of the event loop, and all
triggers with it. So lines are written only while there is room; a pod that says more is read more slowly;
and what was not written when the pod has ended is left to the worker that goes on, which knows how far the
log was shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import stat
import struct
import sys
import termios
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping

import structlog

from tradewind.cluster.log_lines import LogLine, Stamps

__all__ = ["Shown", "TriggerLog", "channel"]

Shown = Mapping[str, tuple[str, int] | None]
"""By container, up to where its log was shown: `LogLine.stamp` and `nth` of the last line; None: no line."""

MOST_WAITING_BYTES = 48 << 10  # of some 200 kB that the way holds, as the kernel counts them
LEAST_BYTES = 512  # that the kernel counts for a line, however short
LONGEST_LINE = 8 << 10
MOST_PENDING = 1000
AT_ONCE = 10
PAUSE_SECONDS = 0.02

_log = structlog.get_logger("tradewind.pod")


class Channel:
    """The way to the process that writes the logs, for one event loop.

    Attributes:
        written: lines so far.
    """

    def __init__(self) -> None:
        self.written = 0
        self._turn = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for room; one after another."""
        async with self._turn:
            while _waiting_bytes() > MOST_WAITING_BYTES:
                await asyncio.sleep(PAUSE_SECONDS)
            yield

    async def arrived(self, line: int, seconds: float) -> None:
        """Wait until the other process has taken in a line, by its number, though not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.written - _waiting_bytes() // LEAST_BYTES < line:
                    await asyncio.sleep(PAUSE_SECONDS)


def _waiting_bytes() -> int:
    """What was written and not taken in yet; 0 where the log goes elsewhere than to another process."""
    if sys.platform != "linux":
        return 0
    for handler in logging.getLogger().handlers:
        try:
            number = handler.stream.fileno()  # type: ignore[attr-defined]
            if stat.S_ISSOCK(os.fstat(number).st_mode):
                (waiting,) = struct.unpack("i", fcntl.ioctl(number, termios.TIOCOUTQ, b"\0" * 4))
                return int(waiting)
        except (AttributeError, OSError, ValueError):
            continue
    return 0


_channels: dict[int, Channel] = {}


def channel() -> Channel:
    """Return the running event loop's."""
    loop = asyncio.get_running_loop()
    if (found := _channels.get(id(loop))) is None:
        _channels.clear()  # a process has one loop at a time
        found = _channels[id(loop)] = Channel()
    return found


class TriggerLog:
    """The log of one pod on its way into the task's log.

    Args:
        way: shared by all triggers.
        bare: the container whose lines are shown without its name before them; None: all of them.
    """

    def __init__(self, way: Channel, bare: str | None) -> None:
        self._way = way
        self._bare = bare
        self._stamps = Stamps()
        self._pending: deque[tuple[str, LogLine]] = deque()
        self._changed = asyncio.Event()
        self._shown: dict[str, tuple[str, int]] = {}
        self._left: set[str] = set()  # containers whose rest is the worker's
        self._last = 0
        # In the trigger's own context: by that Airflow knows whose lines these are.
        self._task = asyncio.create_task(self._write_all(), name="trigger-log")

    def take(self, container: str, line: LogLine) -> None:
        """Take in a line; it is written when there is room."""
        if container in self._left:
            return
        if len(line.text) > LONGEST_LINE:
            self._left.add(container)
            return
        self._pending.append((container, line))
        self._changed.set()

    async def room(self) -> None:
        """Wait until more lines may be read."""
        while len(self._pending) > MOST_PENDING:
            await asyncio.sleep(PAUSE_SECONDS)

    async def settle(self, unread: Collection[str], seconds: float) -> Shown:
        """Write what there is, but not for long; returns what is left to the worker.

        Args:
            unread: containers whose log was not read to its end.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._pending:
                    await asyncio.sleep(PAUSE_SECONDS)
        self.stop()
        left = {*unread, *self._left, *(container for container, _ in self._pending)}
        return {container: self._shown.get(container) for container in sorted(left)}

    def stop(self) -> None:
        """Write nothing more."""
        self._task.cancel()

    async def arrived(self, seconds: float) -> None:
        """Wait until what was written is in the task's log."""
        await self._way.arrived(self._last, seconds)

    async def _write_all(self) -> None:
        while True:
            await self._changed.wait()
            async with self._way.turn():
                for _ in range(min(AT_ONCE, len(self._pending))):
                    self._write(*self._pending.popleft())
            if not self._pending:
                self._changed.clear()

    def _write(self, container: str, line: LogLine) -> None:
        text = line.text if self._bare in (None, container) else f"[{container}] {line.text}"
        _log.info(text, timestamp=self._stamps.of(line.stamp))
        self._shown[container] = (line.stamp, line.nth)
        self._way.written += 1
        self._last = self._way.written
