"""Following one pod from its creation to its end, without polling and without losing it.

The API server says what changes, so nobody has to ask. What makes a watch reliable is the rest: connections
that drop, servers that restart and forget how far a watch had come (410), servers that are away for minutes.
Each time the watch goes on from the last version it saw, or reads the pod anew where that version is gone.
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from urllib3.exceptions import HTTPError, ReadTimeoutError

from tradewind.cluster.pods import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Pod, Pods
from tradewind.cluster.refusals import RefusedError, refusal
from tradewind.errors import UnreachableError

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

__all__ = ["Sight", "sights"]

_log = logging.getLogger(__name__)

WATCH_SECONDS = 120.0
"""Longest time on one connection: what a connection that died silently can cost."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known about a pod at one moment.

    Attributes:
        pod: as last seen.
        gone: it no longer exists.
        changed: False when only the time came that the caller had asked for.
    """

    pod: Pod
    gone: bool = False
    changed: bool = True


def sights(pods: Pods, pod: Pod, wake_at: Callable[[], float | None]) -> Iterator[Sight]:
    """Yield the pod now and after each change, until it is gone; the caller stops when it has seen enough.

    Args:
        pods: the pods of the namespace.
        pod: as it was created or read last.
        wake_at: gives the `time.monotonic()` at which the caller wants to be woken without a change; None:
            not.

    Raises:
        UnreachableError: the API server was away longer than the budget of `pods`.
        TradewindError: it refuses us for good.
    """
    yield Sight(pod)
    name = pod["metadata"]["name"]
    version = pod["metadata"]["resourceVersion"]
    patience = _Patience(pods)
    while True:
        wake = wake_at()
        seconds = WATCH_SECONDS if wake is None else min(WATCH_SECONDS, wake - time.monotonic())
        if seconds <= 0:
            yield Sight(pod, changed=False)
            continue
        try:
            for event in _events(pods.watch(name, version, seconds)):
                patience.restore()
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] == "BOOKMARK":
                    continue
                pod = event["object"]
                gone = event["type"] == "DELETED"
                yield Sight(pod, gone=gone)
                if gone:
                    return
                if _earlier(wake_at(), wake):
                    break  # the caller wants to be woken before this watch ends
            else:
                patience.check_for_haste()
        except ReadTimeoutError:
            continue  # a silent connection: on from where we are
        except RefusedError as error:
            if error.status != 410:
                patience.lose(error)
                continue
            found = pods.get(name)
            if found is None or found["metadata"]["uid"] != pod["metadata"]["uid"]:
                yield Sight(pod, gone=True)
                return
            pod, version = found, found["metadata"]["resourceVersion"]
            yield Sight(pod)
        except (HTTPError, OSError, ValueError) as error:
            patience.lose(error)


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


def _earlier(wake: float | None, planned: float | None) -> bool:
    return wake is not None and (planned is None or wake < planned)


class _Patience:
    """Pauses between tries, growing, until the budget is used up without a sign of life."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self.restore()

    def restore(self) -> None:
        """There was a sign of life."""
        self._lost_at: float | None = None
        self._pause = FIRST_PAUSE_SECONDS
        self._ended_at = 0.0

    def check_for_haste(self) -> None:
        """A watch ended as it should; pause when it did so at once, as it may do behind a broken proxy."""
        now = time.monotonic()
        if now - self._ended_at < 1.0:
            time.sleep(self._pause)
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._ended_at = now

    def lose(self, error: Exception) -> None:
        """Wait a while before the next try.

        Raises:
            TradewindError: another try cannot help, or there were enough.
        """
        now = time.monotonic()
        if isinstance(error, RefusedError) and not error.transient:
            if error.status != 401 or self._lost_at is not None:
                raise refusal(error, "watch pods", self._pods.namespace) from None
            self._pods.renew_client()
        if self._lost_at is None:
            self._lost_at = now
        if now - self._lost_at > self._pods.budget_seconds:
            raise UnreachableError(
                f"the Kubernetes API server did not answer for {self._pods.budget_seconds:.0f} s: {error}",
                remedy="The pod goes on by itself; a retry of the task takes it over.",
            ) from None
        _log.warning("Kubernetes API: the watch was lost (%s), going on", error)
        time.sleep(self._pause * random.uniform(0.8, 1.2))
        self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
