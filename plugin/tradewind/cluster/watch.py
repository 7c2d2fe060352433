"""A watch on pods that goes on whatever happens to the connection.

The API server says what changes, so nobody has to ask. What makes a watch reliable is the rest: connections
that drop, servers that restart and forget how far a watch had come (410), servers that are away for minutes,
credentials that expire. Each time the watch goes on from the last version it saw, or reads the pods anew
where that version is gone. Who wants to know of what is not its affair, see `tradewind.cluster.shared_watch`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import random
import threading
import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from urllib3.exceptions import HTTPError, ReadTimeoutError

from tradewind.cluster.pods import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Pod, Pods
from tradewind.cluster.refusals import Doubt, RefusedError, refusal
from tradewind.errors import UnreachableError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = ["WatchThread", "Watcher", "lean"]

_log = logging.getLogger(__name__)

WATCH_SECONDS = 120.0
"""Longest time on one connection: what a connection that died silently can cost."""

ALIVE_SECONDS = 5.0
"""A stream that lasted this long was a sign of life, even if nothing came through it."""


class Watcher(Protocol):
    """Who is told what a watch sees. Called in the watch's thread; must not block."""

    def seen(self, watch: WatchThread, pod: Pod, gone: bool) -> None:
        """A pod has changed, or is gone."""

    def renewed(self, watch: WatchThread, pods: Mapping[str, Pod]) -> None:
        """All pods were read anew; by uid."""

    def lost(self, watch: WatchThread, error: Exception) -> None:
        """The watch has ended: the server was away too long, or refuses."""


class WatchThread(threading.Thread):
    """Watches one pod, or all that a label selector selects, until it is retired or lost.

    Args:
        pods: the pods of the namespace.
        watcher: is told what is seen.
        pod: the one to watch, from its version on; None: watch many.
        selector: of many pods; they are read first.

    Attributes:
        alone: uid of the pod, when it is one.
    """

    def __init__(
        self, pods: Pods, watcher: Watcher, *, pod: Pod | None = None, selector: str = "", lean: bool = False
    ) -> None:
        super().__init__(name=f"watch-{pods.namespace}", daemon=True)
        self.alone = str(pod["metadata"]["uid"]) if pod is not None else ""
        self._pods = pods
        self._watcher = watcher
        self._pod_name = str(pod["metadata"]["name"]) if pod is not None else ""
        self._selector = selector
        self._lean = lean
        self._version = str(pod["metadata"]["resourceVersion"]) if pod is not None else ""
        self._retired = threading.Event()
        self._response: BaseHTTPResponse | None = None

    def retire(self) -> None:
        """Stop watching; nothing is told from now on."""
        self._retired.set()
        # What cannot be shut down (urllib3 before 2.3) ends with its connection, the thread is a daemon.
        shutdown = getattr(self._response, "shutdown", None)
        if shutdown is not None:
            with contextlib.suppress(ValueError, OSError, AttributeError):
                shutdown()

    def run(self) -> None:
        """Watch."""
        try:
            self._go_on()
        except Exception as error:  # noqa: BLE001 - raised again by those who wait
            if not self._retired.is_set():
                self._watcher.lost(self, error)

    def _go_on(self) -> None:
        patience = _Patience(self._pods, self._retired)
        while not self._retired.is_set():
            if not self._version:
                self._renew()
            asked = time.monotonic()
            opened: float | None = None
            try:
                self._response = self._pods.watch(self._selection(), self._version, WATCH_SECONDS)
                opened = time.monotonic()
                if self._retired.is_set():  # `retire` may have come too early to see the response
                    self._response.close()
                    return
                for event in _events(self._response):
                    if self._retired.is_set():
                        return
                    patience.restore()
                    self._take_in(event)
                patience.check_for_haste()
            except RefusedError as error:
                if error.status == 410:
                    self._version = ""
                    continue
                patience.lose(error, asked, opened)
            except (HTTPError, OSError, ValueError, AttributeError) as error:
                # ValueError and AttributeError: also what urllib3 may raise when `retire` takes the socket.
                if isinstance(error, ReadTimeoutError) and opened is not None:
                    continue  # a silent stream: on from where we are
                patience.lose(error, asked, opened)

    def _selection(self) -> dict[str, str]:
        if self._pod_name:
            return {"fieldSelector": f"metadata.name={self._pod_name}"}
        return {"labelSelector": self._selector}

    def _take_in(self, event: dict[str, Any]) -> None:
        pod = event["object"]
        self._version = str(pod["metadata"]["resourceVersion"])
        if event["type"] != "BOOKMARK":
            self._watcher.seen(self, self._kept(pod), event["type"] == "DELETED")

    def _renew(self) -> None:
        if self._pod_name:
            found = self._pods.get(self._pod_name)
            pods = [found] if found is not None else []
            self._version = str(found["metadata"]["resourceVersion"]) if found is not None else "0"
            kept = {str(pod["metadata"]["uid"]): self._kept(pod) for pod in pods}
        else:
            kept = {}
            for page, version in self._pods.pages(self._selector):
                kept.update((str(pod["metadata"]["uid"]), self._kept(pod)) for pod in page)
                self._version = version or self._version
        self._watcher.renewed(self, kept)

    def _kept(self, pod: Pod) -> Pod:
        return lean(pod) if self._lean else pod


def lean(pod: Pod) -> Pod:
    """Return a pod without what makes it large: what its containers run, and who changed which field."""
    metadata = {
        name: value for name, value in pod["metadata"].items() if name not in ("managedFields", "annotations")
    }
    spec = dict(pod.get("spec") or {})
    for kind in ("initContainers", "containers"):
        if kind in spec:
            spec[kind] = [
                {name: item[name] for name in ("name", "image", "resources") if name in item}
                for item in spec[kind]
            ]
    kept = ("initContainers", "containers", "nodeName", "activeDeadlineSeconds")
    return {
        "metadata": metadata,
        "spec": {name: spec[name] for name in kept if name in spec},
        "status": pod.get("status") or {},
    }


def _events(response: BaseHTTPResponse) -> Iterator[dict[str, Any]]:
    rest = b""
    try:
        for chunk in response.stream(amt=None, decode_content=True):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                if line.strip():
                    yield _event(json.loads(line))
    finally:
        response.close()
        response.release_conn()


def _event(event: dict[str, Any]) -> dict[str, Any]:
    if event.get("type") == "ERROR":
        status = event.get("object") or {}
        message = str(status.get("message") or status.get("reason") or "")
        raise RefusedError(int(status.get("code") or 500), message, json.dumps(status).encode())
    return event


class _Patience:
    """Pauses between tries, growing, until the budget is used up without a sign of life."""

    def __init__(self, pods: Pods, retired: threading.Event) -> None:
        self._pods = pods
        self._retired = retired
        self.restore()

    def restore(self) -> None:
        """There was a sign of life."""
        self._lost_at: float | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._ended_at = 0.0
        self._doubt = Doubt()

    def check_for_haste(self) -> None:
        """A watch ended as it should; pause when it did so at once, as it may do behind a broken proxy."""
        now = time.monotonic()
        if now - self._ended_at < 1.0:
            self._retired.wait(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        else:
            self.restore()
        self._ended_at = now

    def lose(self, error: Exception, asked_at: float, opened_at: float | None) -> None:
        """Wait a while before the next try.

        Args:
            error: what the try came to.
            asked_at: when it began.
            opened_at: when the server began to answer; None: it did not.

        Raises:
            TradewindError: another try cannot help, or there were enough.
        """
        if self._retired.is_set():
            return
        now = time.monotonic()
        if opened_at is not None and now - opened_at > ALIVE_SECONDS and not isinstance(error, RefusedError):
            self.restore()
        if not isinstance(error, RefusedError):
            self._doubt.server_was_away()
        elif not error.transient and not self._doubt.covers(error):
            raise refusal(error, "watch pods", self._pods.namespace) from None
        if self._lost_at is None:
            self._lost_at = asked_at if opened_at is None else now
        if now - self._lost_at > self._pods.budget_seconds:
            raise UnreachableError(
                f"the Kubernetes API server did not answer for {self._pods.budget_seconds:.0f} s: {error}",
                remedy="The pod goes on by itself; a retry of the task takes it over.",
            ) from None
        _log.warning("Kubernetes API: the watch was lost (%s), going on", error)
        wait = getattr(error, "retry_after", None) or self._pause
        self._retired.wait(wait * random.uniform(0.8, 1.2))
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
