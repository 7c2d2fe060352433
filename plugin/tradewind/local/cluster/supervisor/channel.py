"""The supervisor's end of a connection with the API server: JSON lines both ways, never blocking.

The server may be slow, stopped or gone; the pod must not wait for it. A client that lets too much pile up
is dropped (it finds everything on disk), and news about logs, which only say "read on", are told once until
they are delivered.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["Client"]

BACKLOG = 16 * 1024 * 1024  # bytes


class Client:
    """One connected API server.

    Args:
        connection: accepted socket.
        selector: the supervisor's; its keys' data are functions of the event mask.
        obey: called with each command.
        forget: called with the descriptor when the connection has ended.
    """

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        obey: Callable[[Mapping[str, Any]], None],
        forget: Callable[[int], None],
    ) -> None:
        self._connection = connection
        self._descriptor = connection.fileno()
        self._selector = selector
        self._obey = obey
        self._forget = forget
        self._incoming = b""
        self._outgoing = bytearray()
        self._logs: set[str] = set()
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, self._ready)

    def tell(self, line: bytes) -> None:
        """Send a line, now or as soon as there is room."""
        self._outgoing += line
        self._send()

    def tell_log(self, container: str) -> None:
        """Say that a container's log has grown."""
        if self._outgoing:
            self._logs.add(container)
        else:
            self.tell(json.dumps({"log": container}).encode() + b"\n")

    def finish(self) -> None:
        """Deliver what is left, waiting for a second at most, and hang up."""
        if self._descriptor < 0:
            return
        self._connection.settimeout(1.0)
        with contextlib.suppress(OSError):  # gone or stuck: it will read the file
            self._connection.sendall(self._outgoing)
        self._connection.close()

    def _ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._send()
        if mask & selectors.EVENT_READ and self._descriptor >= 0:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._connection.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._drop()
            return
        *lines, self._incoming = (self._incoming + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))

    def _send(self) -> None:
        if self._descriptor < 0:
            return
        try:
            sent = self._connection.send(self._outgoing)
            del self._outgoing[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._drop()
            return
        if len(self._outgoing) > BACKLOG:
            self._drop()
            return
        if not self._outgoing and self._logs:
            for container in self._logs:
                self._outgoing += json.dumps({"log": container}).encode() + b"\n"
            self._logs.clear()
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._outgoing else 0)
        self._selector.modify(self._connection, events, self._ready)

    def _drop(self) -> None:
        self._selector.unregister(self._connection)
        self._connection.close()
        self._forget(self._descriptor)
        self._descriptor = -1
