"""A container's log, line by line while it runs, complete when it has ended.

The stream is read in a thread of its own, because the thread that runs the step waits for the watch. A stream
may break, or end before the container does; every line carries its time stamp, so reading goes on after the
last line that was passed on and no line is passed on twice. Nothing is requested again when all is well.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from urllib3.exceptions import HTTPError

from tradewind.cluster.log_lines import LogCursor, Splitter
from tradewind.cluster.log_retries import LogRetries
from tradewind.cluster.refusals import RefusedError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

    from tradewind.cluster.pods import Pods

__all__ = ["TAIL_LINES", "LogFollower"]

_log = logging.getLogger(__name__)

TAIL_LINES = 20
PAUSE_SECONDS = 1.0


class LogFollower:
    """Passes one container's log on to a sink.

    Args:
        pods: where the pod is.
        pod: its name.
        container: the container's name; it must have started.
        sink: gets each line without its line end and time stamp, in a thread of the follower's.
        cursor: where to begin; None: at the beginning.

    Attributes:
        tail: the last lines.
    """

    def __init__(
        self,
        pods: Pods,
        pod: str,
        container: str,
        sink: Callable[[str], None],
        cursor: LogCursor | None = None,
    ) -> None:
        self.container = container
        self.tail: deque[str] = deque(maxlen=TAIL_LINES)
        self._pods = pods
        self._pod = pod
        self._sink = sink
        self._ended = threading.Event()
        self._abandoned = threading.Event()
        self._failed = False
        self._retries = LogRetries(pod)
        self._cursor = cursor or LogCursor()
        self._response: BaseHTTPResponse | None = None
        self._thread = threading.Thread(target=self._run, name=f"log-{pod}-{container}", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def finish(self, seconds: float) -> bool:
        """Say that the container has ended, and wait until its whole log has been passed on.

        Returns:
            False when that took longer than `seconds`, and when the sink failed; the rest is then given up.
        """
        self._ended.set()
        self._thread.join(seconds / 2)
        if self._thread.is_alive():
            self._interrupt()  # a connection that died silently: what is missing is read by another one
            self._thread.join(seconds / 2)
        if not self._thread.is_alive():
            return not self._failed
        self.abandon()
        return False

    def abandon(self) -> None:
        """Stop reading, whatever is still to come."""
        self._abandoned.set()
        self._ended.set()
        self._interrupt()

    def _interrupt(self) -> None:
        # Not close(): that would wait for the thread that is reading. What cannot be shut down (urllib3
        # before 2.3) is left to end with the process, the thread is a daemon.
        shutdown = getattr(self._response, "shutdown", None)
        if shutdown is not None:
            with contextlib.suppress(ValueError, OSError, RuntimeError):  # the last: it is no longer ours
                shutdown()

    def _run(self) -> None:
        try:
            self._read_on()
        except Exception:  # noqa: BLE001 - `finish` says so
            self._failed = True
            _log.exception("The log of %s is read no further", self._pod)

    def _read_on(self) -> None:
        while not self._abandoned.is_set():
            self._cursor.restart()
            # Whether the container had ended before this connection was opened: what it sends is then all
            # there is.
            ended = self._ended.is_set()
            try:
                self._read(follow=not ended)
            except _BrokenError as broken:
                pause = self._retries.pause(broken.error)
                if pause is None:
                    return
                self._abandoned.wait(pause)
            else:
                if ended or self._ended.wait(PAUSE_SECONDS):
                    return
                self._retries.restore()

    def _read(self, *, follow: bool) -> None:
        """Read one stream, until the server ends it as it should."""
        splitter = Splitter()
        for chunk in self._chunks(follow=follow):
            self._pass_on(splitter.feed(chunk))
        self._pass_on(splitter.end())

    def _chunks(self, *, follow: bool) -> Iterator[bytes]:
        """Yield what one stream sends; what is raised here is not the sink's."""
        try:
            self._response = self._pods.log(
                self._pod, self.container, follow=follow, since=self._cursor.since
            )
            yield from self._response.stream(amt=1 << 16, decode_content=True)
        except (RefusedError, HTTPError, OSError, ValueError, AttributeError) as error:
            # ValueError and AttributeError: what urllib3 may raise when `abandon` takes the socket away.
            raise _BrokenError(error) from error
        finally:
            if self._response is not None:
                self._response.close()
                self._response.release_conn()

    def _pass_on(self, lines: Iterator[bytes]) -> None:
        for line in lines:
            accepted = self._cursor.accept(line)
            if accepted is not None:
                self._retries.restore()
                self.tail.append(accepted.text)
                self._sink(accepted.text)


class _BrokenError(Exception):
    """A stream was refused, or broke off."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error
