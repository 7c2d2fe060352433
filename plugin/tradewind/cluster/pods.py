"""Requests about pods, as plain JSON, patient with an API server that is not.

The stock client turns every answer into model objects, which costs more than the request, and gives up at the
first refusal. Here answers stay dicts; requests that may be repeated are repeated, with growing pauses, until
a budget is used up; and refusals come out as errors that say whether another try is worth it. Creating a pod
may be repeated because its name is a function of the try.
"""

from __future__ import annotations

import json
import logging
import math
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

from urllib3 import Timeout
from urllib3.exceptions import HTTPError

from tradewind.cluster.refusals import Doubt, MissingError, RefusedError, refusal
from tradewind.cluster.threads import Threads
from tradewind.errors import TradewindError, UnreachableError

if TYPE_CHECKING:
    from kubernetes.client import ApiClient, CoreV1Api
    from urllib3 import BaseHTTPResponse

__all__ = ["Pod", "Pods"]

Pod = dict[str, Any]
"""A pod as the API's JSON has it."""

T = TypeVar("T")

_log = logging.getLogger(__name__)

BUDGET_SECONDS = 300.0
CREATE_BUDGET_SECONDS = 60.0
EVENTS_SECONDS = 1.0
CONNECT_SECONDS = 10.0
REQUEST_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
RENEWAL_SECONDS = 1.0
"""Between two renewals of the client: a thousand logs whose token has expired are refused at once."""

LOG_SILENCE_SECONDS = 300.0
WATCH_SILENCE_SECONDS = 10.0  # beyond the time at which the server should have ended the watch
PAGE_SIZE = 100
_CONTENT_TYPE = {"POST": "application/json", "PATCH": "application/merge-patch+json"}


class Pods:
    """The pods of one namespace.

    Args:
        client: gives a CoreV1Api; called again when credentials have expired.
        namespace: where the pods are.
        budget_seconds: how long a request is repeated while the API server is away.
        create_budget_seconds: the same for creating a pod. Shorter, because nothing is lost yet.

    Attributes:
        threads: for who must not wait for an answer, as an event loop.
        away_at: when the API server last gave no answer; monotonic.
    """

    resource = "pods"

    def __init__(
        self,
        client: Callable[[], CoreV1Api],
        namespace: str,
        *,
        budget_seconds: float | None = None,
        create_budget_seconds: float | None = None,
    ) -> None:
        self.namespace = namespace
        self.budget_seconds = BUDGET_SECONDS if budget_seconds is None else budget_seconds
        self._create_budget_seconds = (
            CREATE_BUDGET_SECONDS if create_budget_seconds is None else create_budget_seconds
        )
        self.threads = Threads(f"pods-{namespace}")
        self.away_at = -math.inf
        self._new_client = client
        self._client: CoreV1Api | None = None
        self._client_lock = threading.Lock()
        self._renewed_at = -math.inf
        self._let_in = False

    def create(self, manifest: Mapping[str, Any]) -> Pod:
        """Create a pod.

        Raises:
            ConflictError: there is a pod of that name.
            FatalError, RetryableError: refused, see `tradewind.cluster.refusals`.
            UnreachableError: the API server was away for the whole budget.
        """
        return self._json("POST", body=manifest, budget_seconds=self._create_budget_seconds)

    def get(self, name: str, *, budget_seconds: float | None = None) -> Pod | None:
        """Return a pod, None when there is none of that name."""
        try:
            return self._json("GET", name, budget_seconds=budget_seconds)
        except MissingError:
            return None

    def again(self, pod: Pod, *, budget_seconds: float | None = None) -> Pod | None:
        """Return a pod as it is now; None when it is gone, even if another one has its name."""
        found = self.get(pod["metadata"]["name"], budget_seconds=budget_seconds)
        return found if found is not None and found["metadata"]["uid"] == pod["metadata"]["uid"] else None

    def select(self, selector: str) -> list[Pod]:
        """Return the pods that a label selector selects."""
        return list(self._json("GET", query={"labelSelector": selector}).get("items") or [])

    def delete(
        self, name: str, *, grace_seconds: int | None = None, budget_seconds: float | None = None
    ) -> bool:
        """Delete a pod. False when there was none.

        Args:
            grace_seconds: time for the containers to end by themselves; None: as the pod has it.
        """
        query = {} if grace_seconds is None else {"gracePeriodSeconds": str(grace_seconds)}
        try:
            self._json("DELETE", name, query=query, budget_seconds=budget_seconds)
        except MissingError:
            return False
        return True

    def label(self, name: str, labels: Mapping[str, str]) -> bool:
        """Set labels of a pod. False when there is no such pod."""
        try:
            self._json("PATCH", name, body={"metadata": {"labels": dict(labels)}})
        except MissingError:
            return False
        return True

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the Kubernetes events about a pod, oldest first; none where they cannot be read at once.

        They only explain: nothing waits for them, and a Role may be without them.
        """
        query = {"fieldSelector": f"involvedObject.name={name}"}
        try:
            answer = self._json("GET", kind="events", query=query, budget_seconds=EVENTS_SECONDS)
            items = answer.get("items") or []
        except TradewindError as error:
            _log.warning("The pod's events cannot be shown: %s", error)
            return []
        return sorted(
            items, key=lambda event: str(event.get("lastTimestamp") or event.get("eventTime") or "")
        )

    def pages(self, selector: str) -> Iterator[tuple[list[Pod], str]]:
        """Yield the pods that a label selector selects, page by page, each with the version of the list.

        The list is as it was when its first page was read, however many there are.
        """
        query = {"labelSelector": selector, "limit": str(PAGE_SIZE)}
        while True:
            page = self._json("GET", query=query)
            metadata = page.get("metadata") or {}
            yield list(page.get("items") or []), str(metadata.get("resourceVersion") or "")
            if not metadata.get("continue"):
                return
            query["continue"] = metadata["continue"]

    def watch(self, selection: Mapping[str, str], resource_version: str, seconds: float) -> BaseHTTPResponse:
        """Open a watch, once; the response streams JSON lines.

        Args:
            selection: `fieldSelector` or `labelSelector`: which pods.
            resource_version: changes after it are sent.
            seconds: after which the server ends the watch.

        Raises:
            RefusedError, HTTPError, OSError: as they come; the caller repeats. Status 410: the version is too
                old, get the pods anew.
        """
        query = {
            "watch": "true",
            **selection,
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(max(1, round(seconds))),
        }
        return self._send("GET", query=query, seconds=(CONNECT_SECONDS, seconds + WATCH_SILENCE_SECONDS))

    def log(self, name: str, container: str, *, follow: bool, since: str | None = None) -> BaseHTTPResponse:
        """Open a container's log, once; every line begins with its time stamp.

        Args:
            since: RFC 3339 time, from whose second on lines are sent.

        Raises:
            RefusedError, HTTPError, OSError: as they come; the caller repeats.
        """
        return self._send(
            "GET",
            f"{name}/log",
            query=_log_query(container, follow=follow, since=since),
            seconds=(CONNECT_SECONDS, LOG_SILENCE_SECONDS),
        )

    def log_address(
        self, name: str, container: str, *, follow: bool, since: str | None = None
    ) -> tuple[str, dict[str, str], ApiClient]:
        """Return URL and headers of the request that `log` makes, for whoever makes it by other means.

        The client is the one whose credentials they hold; its certificates and proxy belong to the request.
        """
        api = self._api()
        query = _log_query(container, follow=follow, since=since)
        return self._url(api, f"{name}/log", "pods", query), self._headers(api), api

    def _json(
        self,
        method: str,
        path: str = "",
        *,
        kind: str = "",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        budget_seconds: float | None = None,
    ) -> dict[str, Any]:
        kind = kind or self.resource

        def once() -> dict[str, Any]:
            response = self._send(method, path, kind=kind, query=query, body=body)
            try:
                data: dict[str, Any] = json.loads(response.data)
                return data
            finally:
                response.release_conn()

        return self.repeat(once, f"{method} {kind} {path}", budget_seconds)

    def renew_client(self, refused: ApiClient) -> None:
        """Make a new client for the next request: the credentials of this one have expired.

        Args:
            refused: the client that the server did not know. Of many who were refused with it, one renews it.
        """
        with self._client_lock:
            now = time.monotonic()
            current = self._client is not None and self._client.api_client is refused
            if current and now - self._renewed_at >= RENEWAL_SECONDS:
                self._client, self._renewed_at = None, now

    def repeat(self, call: Callable[[], T], what: str, budget_seconds: float | None = None) -> T:
        """Call until it succeeds, is refused for good, or the budget is used up.

        Raises:
            TradewindError: the refusal, or `UnreachableError` after the budget.
        """
        budget = self.budget_seconds if budget_seconds is None else budget_seconds
        deadline = time.monotonic() + budget
        pause = FIRST_PAUSE_SECONDS
        doubt = Doubt()
        while True:
            try:
                return call()
            except RefusedError as error:
                if not error.transient and not doubt.covers(error):
                    raise refusal(error, what, self.namespace) from None
                reason, wait = str(error), error.retry_after or pause
            except (HTTPError, OSError) as error:
                doubt.server_was_away()
                reason, wait = _words(error), pause
            if time.monotonic() + wait > deadline:
                raise UnreachableError(
                    f"the Kubernetes API server did not answer {what!r} for {budget:.0f} s: {reason}",
                    remedy="Check the cluster and the Airflow connection; `tradewind check` tells more.",
                )
            _log.warning("Kubernetes API: %r failed (%s), trying again", what, reason)
            time.sleep(wait * random.uniform(0.8, 1.2))
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _send(
        self,
        method: str,
        path: str = "",
        *,
        kind: str = "pods",
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        seconds: tuple[float, float] = (CONNECT_SECONDS, REQUEST_SECONDS),
    ) -> BaseHTTPResponse:
        api = self._api()
        headers = self._headers(api)
        if body is not None:
            headers["Content-Type"] = _CONTENT_TYPE[method]
        url = self._url(api, path, kind, query)
        try:
            response = api.rest_client.pool_manager.request(
                method,
                url,
                body=None if body is None else json.dumps(body),
                headers=headers,
                timeout=Timeout(connect=seconds[0], read=seconds[1]),
                retries=False,
                preload_content=False,
            )
        except (HTTPError, OSError):
            self.away_at = time.monotonic()
            raise
        if response.status >= 300:
            payload = response.data
            response.release_conn()
            raise self._refused(api, response, payload)
        self._let_in = True
        return response  # type: ignore[no-any-return]

    def _refused(self, api: ApiClient, response: BaseHTTPResponse, payload: bytes) -> RefusedError:
        unknown = response.status == 401
        if unknown:
            self.renew_client(api)
        elif response.status >= 500:  # a proxy may stand before a server that is away
            self.away_at = time.monotonic()
        return RefusedError(
            response.status,
            response.reason or "",
            payload,
            response.headers.get("Retry-After"),
            forgotten=unknown and self._let_in,
        )

    def _api(self) -> ApiClient:
        with self._client_lock:
            if self._client is None:
                self._client = self._new_client()
            return self._client.api_client

    def _headers(self, api: ApiClient) -> dict[str, str]:
        headers = {**api.default_headers, "Accept": "application/json", "User-Agent": "tradewind"}
        api.update_params_for_auth(headers, [], ["BearerToken"])
        return headers

    def _url(self, api: ApiClient, path: str, kind: str, query: Mapping[str, str] | None) -> str:
        url = f"{api.configuration.host}/api/v1/namespaces/{self.namespace}/{kind}"
        url += f"/{path}" if path else ""
        return url + (f"?{urlencode(query)}" if query else "")


def _log_query(container: str, *, follow: bool, since: str | None) -> dict[str, str]:
    query = {"container": container, "timestamps": "true", "follow": "true" if follow else "false"}
    return query if since is None else {**query, "sinceTime": since}


def _words(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return f"{type(reason).__name__}: {reason}"
