"""Lines of a container's log as the API server sends them: each with the time at which the node wrote it.

A stream may break anywhere and be opened again, which sends the last second once more. The cursor knows how
far the log was passed on, so that nothing is lost and nothing comes twice. Lines count in the order in which
they come, which need not be that of their times: stdout overtakes stderr, and a node's clock may be set back.
Pure data, no requests: followers in threads and in an event loop share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

__all__ = ["LogCursor", "LogLine", "Splitter", "Stamps"]

LONGEST_LINE = 1 << 20
MOST_COUNTED = 50
"""Times of which it is known how many lines bear them: equal ones are close to one another."""

_MICROSECOND = timedelta(microseconds=1)
_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line.

    Attributes:
        text: as a terminal would show it, without its line end.
        stamp: RFC 3339, when the node wrote it.
        nth: which of the lines with this stamp it is, from 1.
    """

    text: str
    stamp: str
    nth: int = 1


class LogCursor:
    """How far a log was passed on.

    Args:
        stamp, nth: of the last line that was; none: the log begins.

    Attributes:
        since: RFC 3339 time from which to read on; None: from the beginning.
    """

    def __init__(self, stamp: str = "", nth: int = 0) -> None:
        self.since: str | None = stamp or None
        self._last = self._newest = _sortable(stamp.encode())
        self._counts = {self._last: nth}  # lines passed on, by time
        self._missing = 0  # lines with the last time that the stream has yet to send once more

    def restart(self) -> None:
        """A new stream begins, which sends what was passed on since `since` once more."""
        self._missing = self._counts[self._last]

    def accept(self, line: bytes) -> LogLine | None:
        """Return the line; None for one that was passed on before."""
        stamp, _, text = line.partition(b" ")
        if not _TIME.match(stamp):  # a kubelet's own words about a log that it cannot read
            return LogLine(_shown(line), self.since or "", self._counts[self._last])
        time = _sortable(stamp)
        if self._missing and self._was_passed_on(time):
            return None
        if len(self._counts) > MOST_COUNTED:
            self._counts = {self._last: self._counts[self._last]}
        self._counts[time] = self._counts.get(time, 0) + 1
        self._last, self._newest = time, max(time, self._newest)
        self.since = stamp.decode("ascii", errors="replace")
        return LogLine(_shown(text), self.since, self._counts[time])

    def _was_passed_on(self, time: bytes) -> bool:
        """Say of a line at the beginning of a stream whether it comes before what is new: up to the last line
        that was passed on, or where that is gone (a node keeps so much of a log), before anything newer.
        """
        if time > self._newest:
            self._missing = 0
            return False
        if time == self._last:
            self._missing -= 1
        return True


class Splitter:
    """Cuts a stream of bytes into lines. One that is too long is cut as well, each part with the stamp."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the lines that are complete with this chunk."""
        *lines, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest
        yield from lines
        while len(self._rest) > LONGEST_LINE:
            head, self._rest = self._rest[:LONGEST_LINE], self._rest[LONGEST_LINE:]
            self._rest = head.partition(b" ")[0] + b" " + self._rest
            yield head

    def end(self) -> Iterator[bytes]:
        """Yield the last line, if it has no line end; for streams that ended as they should."""
        if self._rest:
            yield self._rest
        self._rest = b""


class Stamps:
    """Time stamps of shown lines, each later than the one before it.

    A node counts in nanoseconds, a log view in microseconds, and takes equal lines of the same one for one
    line. Whoever reads the log from its beginning gets the same stamps.
    """

    def __init__(self) -> None:
        self._last = datetime.min.replace(tzinfo=UTC)

    def of(self, stamp: str) -> str:
        """Return the time stamp to show for a node's, in ISO 8601 with microseconds."""
        try:
            time = datetime.fromisoformat(stamp).astimezone(UTC)
        except ValueError:
            time = self._last
        self._last = max(time, self._last + _MICROSECOND)
        return self._last.isoformat(timespec="microseconds").replace("+00:00", "Z")


def _sortable(stamp: bytes) -> bytes:
    """Return an RFC 3339 time in a form that sorts: nine digits of fraction, no zone (a node has but one)."""
    seconds, fraction = stamp[:19], stamp[19:].rstrip(b"Z")
    if fraction[:1] != b".":
        return seconds
    digits = fraction[1:].partition(b"+")[0].partition(b"-")[0]
    return seconds + b"." + digits.ljust(9, b"0")


def _shown(text: bytes) -> str:
    """What a terminal would show of a line: a progress bar rewrites it with carriage returns."""
    parts = [part for part in text.rstrip(b"\r\n").split(b"\r") if part]
    return (parts[-1] if parts else b"").decode("utf-8", errors="backslashreplace")
