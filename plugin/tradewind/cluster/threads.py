"""Threads for requests that an event loop must not wait for itself.

The loop's own executor serves everybody in the process, and has few threads: a cluster that is away would
hold all of them for minutes, and who wants to end a pod of another one would wait behind it. So each
`Pods` has some of its own. They are daemons: a process that ends does not wait for a server that is away.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ParamSpec, TypeVar

__all__ = ["Threads"]

MOST = 16

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A few daemon threads, made as they are needed, and kept.

    Args:
        name: of the threads.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls: queue.SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._open = 0  # calls that are not done
        self._threads = 0

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Call in one of the threads; waits its turn when all are busy."""
        future: Future[T] = Future()
        context = contextvars.copy_context()  # by it Airflow knows whose log lines these are
        self._calls.put((future, lambda: context.run(call, *args, **kwargs)))
        with self._lock:
            self._open += 1
            if self._threads < min(self._open, MOST):
                self._threads += 1
                threading.Thread(target=self._work, name=self._name, daemon=True).start()
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:  # noqa: BLE001 - raised again by who waits
                    future.set_exception(error)
            with self._lock:
                self._open -= 1
            del future, call
