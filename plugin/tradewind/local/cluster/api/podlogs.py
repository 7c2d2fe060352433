"""A container's log over HTTP: whole or its end, with or without times, once or followed as it grows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiohttp import web
from multidict import MultiMapping

from tradewind.local.cluster.api.errors import ApiError, bad_request
from tradewind.local.cluster.home import Home

__all__ = ["LogRequest", "Logs"]

BLOCK = 256 * 1024


@dataclass(frozen=True, slots=True)
class LogRequest:
    """Parameters of a log request, checked.

    Attributes:
        since: RFC 3339 with nanoseconds in UTC; records before it are left out. Times of one zone compare
        as text. tail: number of lines from the end, None for all. limit: bytes, None for no limit.
    """

    container: str
    follow: bool
    previous: bool
    timestamps: bool
    since: str
    tail: int | None
    limit: int | None

    @classmethod
    def parse(cls, query: MultiMapping[str]) -> LogRequest:
        """Read a query string.

        Raises:
            ApiError: 400, a value cannot be used.
        """
        since = query.get("sinceTime", "")
        seconds = _number(query, "sinceSeconds", 1)
        if since and seconds is not None:
            raise bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified")
        if seconds is not None:
            since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - seconds))
        return cls(
            container=query.get("container", ""),
            follow=_flag(query, "follow"),
            previous=_flag(query, "previous"),
            timestamps=_flag(query, "timestamps"),
            since=_comparable(since) if since else "",
            tail=_number(query, "tailLines", 0),
            limit=_number(query, "limitBytes", 1),
        )


def _flag(query: MultiMapping[str], name: str) -> bool:
    return query.get(name, "").lower() in ("true", "1")


def _number(query: MultiMapping[str], name: str, least: int) -> int | None:
    text = query.get(name)
    if text is None or text == "":
        return None
    if not text.lstrip("-").isdigit() or int(text) < least:
        raise bad_request(f"{name}: Invalid value: {text!r}: must be an integer of at least {least}")
    return int(text)


def _comparable(stamp: str) -> str:
    """RFC 3339 in UTC, padded to nanoseconds."""
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError as error:
        raise bad_request(f"sinceTime: Invalid value: {stamp!r}: must be RFC 3339") from error
    text = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = stamp.partition(".")[2]
    digits = fraction[: next((i for i, c in enumerate(fraction) if not c.isdigit()), len(fraction))]
    return f"{text}.{digits[:9]:0<9}Z"


class Logs:
    """Reads the logs that supervisors write.

    Args:
        growth: an event that is set whenever a pod's log or state may have changed, by uid; the second
        function forgets it.
    """

    def __init__(
        self,
        home: Home,
        current: Callable[[str], Mapping[str, Any] | None],
        growth: Callable[[str], asyncio.Event],
        forget: Callable[[str, asyncio.Event], None],
    ) -> None:
        self._home = home
        self._current = current
        self._growth = growth
        self._forget = forget

    async def serve(self, request: web.Request, pod: Mapping[str, Any]) -> web.StreamResponse:
        """Answer a log request for a pod.

        Raises:
            ApiError: 400, no such container, or it has not started yet.
        """
        wanted = LogRequest.parse(request.query)
        name, status = _find(pod, wanted)
        attempt = int(status["restartCount"]) - (1 if wanted.previous else 0)
        path = self._home.pod(pod["metadata"]["uid"]) / f"{name}.{attempt}.log"
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            left = wanted.limit
            async for text in self._read(path, pod["metadata"]["uid"], name, attempt, wanted):
                piece = text if left is None else text[:left]
                await response.write(piece)
                if left is not None:
                    left -= len(piece)
                    if left <= 0:
                        break
        except ConnectionError:
            pass  # the client left
        return response

    async def _read(
        self, path: Path, uid: str, name: str, attempt: int, wanted: LogRequest
    ) -> AsyncIterator[bytes]:
        start = _tail_start(path, wanted.tail) if wanted.tail is not None else 0
        growth = self._growth(uid)
        text = _Text(wanted)
        try:
            with path.open("rb") as file:
                file.seek(start)
                while True:
                    growth.clear()
                    ended = not wanted.follow or self._has_ended(uid, name, attempt)
                    while block := file.read(BLOCK):
                        if piece := text.take(block):
                            yield piece
                    if ended:
                        return
                    await growth.wait()
        finally:
            self._forget(uid, growth)

    def _has_ended(self, uid: str, name: str, attempt: int) -> bool:
        pod = self._current(uid)
        status = next((entry for entry in _statuses(pod) if entry["name"] == name), None) if pod else None
        return status is None or status["restartCount"] != attempt or "running" not in status["state"]


class _Text:
    """Turns journal records into what was printed."""

    def __init__(self, wanted: LogRequest) -> None:
        self._since = wanted.since.encode()
        self._timestamps = wanted.timestamps
        self._rest = b""
        self._inside: set[bytes] = set()  # streams in the middle of a line

    def take(self, block: bytes) -> bytes:
        *records, self._rest = (self._rest + block).split(b"\n")
        return b"".join(self._convert(records))

    def _convert(self, records: list[bytes]) -> Iterator[bytes]:
        for record in records:
            stamp, stream, tag, text = record.split(b" ", 3)
            if stamp < self._since:
                continue
            if self._timestamps and stream not in self._inside:
                yield stamp + b" "
            if tag == b"P":
                self._inside.add(stream)
                yield text
            else:
                self._inside.discard(stream)
                yield text + b"\n"


def _tail_start(path: Path, lines: int) -> int:
    """Where the last `lines` lines begin, read from the end."""
    with path.open("rb") as file:
        position = end = file.seek(0, 2)
        found, data = 0, b""
        while position > 0:
            step = min(BLOCK, position)
            position -= step
            file.seek(position)
            data = file.read(step) + data
            found = sum(1 for record in data.split(b"\n")[1:-1] if b" F " in record[:60])
            if found > lines:
                break
    if lines == 0:
        return end
    records = data.split(b"\n")[:-1]
    keep = 0
    size = 0
    for index in range(len(records) - 1, -1, -1):
        is_line_end = records[index].split(b" ", 3)[2:3] == [b"F"] or index == len(records) - 1
        if is_line_end:
            if keep == lines:
                break
            keep += 1
        size += len(records[index]) + 1
    return end - size


def _statuses(pod: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    status = pod.get("status", {})
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _find(pod: Mapping[str, Any], wanted: LogRequest) -> tuple[str, Mapping[str, Any]]:
    """The container's name and status."""
    pod_name = pod["metadata"]["name"]
    spec = pod["spec"]
    main = [container["name"] for container in spec["containers"]]
    names = [*(container["name"] for container in spec.get("initContainers", [])), *main]
    name = wanted.container
    if not name:
        if len(names) > 1:
            text = f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(main)}]"
            initial = names[: -len(main)]
            raise bad_request(
                text + (f" or one of the init containers: [{' '.join(initial)}]" if initial else "")
            )
        name = names[0]
    if name not in names:
        raise bad_request(f"container {name} is not valid for pod {pod_name}")
    status = next((entry for entry in _statuses(pod) if entry["name"] == name), None)
    if wanted.previous and (status is None or not status["restartCount"]):
        raise bad_request(f'previous terminated container "{name}" in pod "{pod_name}" not found')
    if status is None:
        raise bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start: ContainerCreating')
    if "waiting" in status["state"] and not wanted.previous:
        if status["restartCount"] or status["lastState"]:
            return name, status
        reason = status["state"]["waiting"].get("reason", "ContainerCreating")
        raise _waiting(name, pod_name, reason)
    return name, status


def _waiting(name: str, pod_name: str, reason: str) -> ApiError:
    failing = {
        "ErrImagePull": "image can't be pulled",
        "ImagePullBackOff": "trying and failing to pull image",
        "CreateContainerConfigError": "container is waiting to start: CreateContainerConfigError",
    }
    text = failing.get(reason, reason)
    return bad_request(f'container "{name}" in pod "{pod_name}" is waiting to start: {text}')
