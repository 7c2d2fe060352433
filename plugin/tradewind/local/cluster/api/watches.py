"""Watches: the changes of a resource as a stream of JSON lines.

Each watch reads the store's one history at its own pace and sleeps in between; a slow reader holds nobody
up. An object that stops to match the selectors is told as deleted, one that starts to match as added, as
Kubernetes does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from aiohttp import web

from tradewind.local.cluster.api.errors import ApiError, expired
from tradewind.local.cluster.api.selectors import Predicate
from tradewind.local.cluster.store import Change, Store

__all__ = ["Watch"]

BOOKMARK_SECONDS = 60.0
DEFAULT_SECONDS = 1800.0
SLICE = 200  # changes written before the loop is given to others

Line = tuple[str, Mapping[str, Any]]


class Watch:
    """One watch request.

    Args:
        resource, namespace: what is watched; "" for all namespaces.
        matches: label and field selectors, combined.
        render: an object as it is sent (as is, or as a table with one row).
        bookmark: an object that holds nothing but a resource version.
    """

    def __init__(
        self,
        store: Store,
        resource: str,
        namespace: str,
        matches: Predicate,
        render: Callable[[Mapping[str, Any]], Mapping[str, Any]],
        bookmark: Callable[[int, Mapping[str, str]], Mapping[str, Any]],
    ) -> None:
        self._store = store
        self._resource = resource
        self._namespace = namespace
        self._matches = matches
        self._render = render
        self._bookmark = bookmark

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer until the client leaves or its `timeoutSeconds` are over."""
        query = request.query
        wants_bookmarks = query.get("allowWatchBookmarks") in ("true", "1", "True")
        seconds = float(query.get("timeoutSeconds") or DEFAULT_SECONDS)
        initial = query.get("sendInitialEvents") in ("true", "1", "True")
        version, first = self._first(query.get("resourceVersion", ""), initial=initial)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        changed = asyncio.Event()
        self._store.add_waker(changed)
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        try:
            await self._write(response, first)
            if initial:
                marks = {"k8s.io/initial-events-end": "true"}
                await self._write(response, [("BOOKMARK", self._bookmark(version, marks))])
            while (left := end - loop.time()) > 0:
                changed.clear()
                version = await self._catch_up(response, version)
                try:
                    async with asyncio.timeout(min(left, BOOKMARK_SECONDS)):
                        await changed.wait()
                except TimeoutError:
                    if wants_bookmarks:
                        await self._write(response, [("BOOKMARK", self._bookmark(version, {}))])
        except ConnectionError:
            pass  # the client left
        except ApiError as error:
            await self._write(response, [("ERROR", error.status())])
        finally:
            self._store.remove_waker(changed)
        return response

    def _first(self, asked: str, *, initial: bool) -> tuple[int, list[Line]]:
        """Where the stream starts, and the objects that are told before it."""
        if asked in ("", "0") or initial:
            items = [
                item for item in self._store.select(self._resource, self._namespace) if self._matches(item)
            ]
            return self._store.version, [("ADDED", self._render(item)) for item in items]
        if not asked.isdigit():
            raise ApiError(400, "BadRequest", f'invalid resource version "{asked}"')
        version = int(asked)
        if version > self._store.version:
            # From a state that this cluster has forgotten: nothing can be told about what happened since.
            raise expired(f"too large resource version: {version}, current: {self._store.version}")
        self._changes(version)
        return version, []

    def _changes(self, version: int) -> Iterator[Change]:
        try:
            return self._store.since(version)
        except LookupError as error:
            raise expired(str(error)) from error

    async def _catch_up(self, response: web.StreamResponse, version: int) -> int:
        lines: list[Line] = []
        for change in self._changes(version):
            version = change.version
            if line := self._line(change):
                lines.append(line)
        for start in range(0, len(lines), SLICE):
            await self._write(response, lines[start : start + SLICE])
        return version

    def _line(self, change: Change) -> Line | None:
        resource, namespace, _ = change.key
        if resource != self._resource or (self._namespace and namespace != self._namespace):
            return None
        before = change.previous is not None and self._matches(change.previous)
        now = change.kind != "DELETED" and self._matches(change.current)
        if not before and not now:
            return None
        kind = "MODIFIED" if before and now else "ADDED" if now else "DELETED"
        return kind, self._render(change.current)

    @staticmethod
    async def _write(response: web.StreamResponse, lines: list[Line]) -> None:
        if lines:
            data = b"".join(
                json.dumps({"type": kind, "object": body}, separators=(",", ":")).encode() + b"\n"
                for kind, body in lines
            )
            await response.write(data)
