"""When a log is asked for again that was refused or broke off; for readers in threads and in an event loop.

The pauses do not depend on the container's end: the rest of a log is asked for no faster than the log was.
How long that may take is for who waits for the reader.
"""

from __future__ import annotations

import logging

from tradewind.cluster.refusals import Doubt, RefusedError

__all__ = ["LogRetries"]

_log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 2.0


class LogRetries:
    """Pauses between requests for one log, growing.

    Args:
        pod: its name, to speak of it.
    """

    def __init__(self, pod: str) -> None:
        self._pod = pod
        self.restore()

    def restore(self) -> None:
        """There was a line that is new, or a stream that ended as it should."""
        self._pause = FIRST_PAUSE_SECONDS
        self._doubt = Doubt()

    def pause(self, error: Exception) -> float | None:
        """Return the seconds to wait; None when the log is not to be had.

        Args:
            error: `RefusedError`, or what broke the stream.
        """
        asked = None
        if not isinstance(error, RefusedError):
            _log.debug("The log stream of %s broke: %r", self._pod, error)
            self._doubt.server_was_away()
        elif error.status == 404:
            return None
        # 400: the container is not there yet. 401: the watch says when it is enough.
        elif error.status in (400, 401) or error.transient or self._doubt.covers(error):
            asked = error.retry_after
        else:
            _log.warning("The log of %s cannot be read: %s", self._pod, error)
            return None
        pause = self._pause if asked is None else max(asked, self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        return pause
