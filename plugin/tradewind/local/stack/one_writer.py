"""Keeps Airflow's API server from locking itself out of its SQLite database.

The server logs what people do (trigger, clear, mark) with a commit on its event loop. When at that moment
another request of the same server has written but not yet committed, the loop waits for that request's
lock, and that request, whose commit is dispatched by the loop, waits for the loop. Nothing moves until
SQLite gives up: a minute of standstill, tasks that cannot report, an error for the user. Airflow on
SQLite and a few runs at once are enough.

SQLite has one writer at a time anyway. So requests that may write pass one by one, and the loop never
meets a lock that it would have to free itself; locks of other processes are short. A plugin of the local
stack alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, ClassVar

from airflow.sdk.plugins_manager import AirflowPlugin

__all__ = ["OneWriter", "OneWriterPlugin"]

_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]
_READING = ("GET", "HEAD", "OPTIONS")


class OneWriter:
    """ASGI middleware: requests that may write are handled one after the other, others at once.

    Args:
        app: the application behind it.
    """

    def __init__(self, app: Callable[[_Message, _Receive, _Send], Awaitable[None]]) -> None:
        self._app = app
        self._turn = asyncio.Lock()

    async def __call__(self, scope: _Message, receive: _Receive, send: _Send) -> None:
        if scope["type"] != "http" or scope["method"] in _READING:
            await self._app(scope, receive, send)
            return
        async with self._turn:
            await self._app(scope, receive, send)


class OneWriterPlugin(AirflowPlugin):
    """Puts `OneWriter` in front of everything that the API server serves."""

    name = "tradewind_one_writer"
    fastapi_root_middlewares: ClassVar[list[Any]] = [  # type: ignore[misc]
        {"name": "One writer", "middleware": OneWriter, "args": [], "kwargs": {}}
    ]
