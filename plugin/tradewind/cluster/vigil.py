"""From a created pod to its end in an event loop that holds a thousand of them.

The same as `tradewind.cluster.observation`, without a thread per pod: news of the shared watch come into the
loop, logs are read there, and `Judgement` says what it all means. Requests that are rare (events about a pod
that does not start) are made in threads.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from tradewind.cluster.ends import PodEnd
from tradewind.cluster.judgement import Finding, Judgement, ObservationOptions, ReadResult
from tradewind.cluster.log_lines import LogLine
from tradewind.cluster.log_streams import LogSession, LogStream
from tradewind.cluster.observation import events_if_possible, look_again
from tradewind.cluster.pods import Pod, Pods
from tradewind.cluster.shared_watch import News, SharedWatch, Subscription

__all__ = ["Vigil"]

LOG_SECONDS = 4.0
"""Time for the rest of the logs when the container has ended: who waits can have it read by others."""


async def _at_once() -> None:
    """There is always room."""


@dataclass
class Vigil:
    """One pod that is waited for.

    Args:
        pods: where it is.
        watch: on that namespace.
        session: for its logs.
        pod: as created or found, maybe long ago.
        options: see there.
        sink: gets (container, line) of the logs.
        read_result: see `ReadResult`.
        on_event: gets Kubernetes events about the pod before it starts.
        room: is waited for before more of a log is read.
        age: seconds for which the pod has been waited for already.

    Attributes:
        message: the termination message of the step's container, once it has ended.
        unread: containers whose log was not read to its end, then.
    """

    pods: Pods
    watch: SharedWatch
    session: LogSession
    pod: Pod
    options: ObservationOptions
    sink: Callable[[str, LogLine], None]
    read_result: ReadResult
    on_event: Callable[[dict[str, Any]], None] = lambda event: None
    room: Callable[[], Awaitable[None]] = _at_once
    age: float = 0.0
    message: str = ""
    unread: tuple[str, ...] = ()
    _streams: dict[str, LogStream] = field(default_factory=dict)
    _events_seen: set[str] = field(default_factory=set)

    async def run(self) -> PodEnd:
        """Wait for the pod's end, and say how it ended.

        Raises:
            UnreachableError: the API server was away too long; the pod goes on.
        """
        judgement = Judgement(self.pod, self.options, time.monotonic() - self.age)
        news: asyncio.Queue[News] = asyncio.Queue()
        subscription = await self._attend(news)
        try:
            while True:
                item = await self._next(news, judgement.wake_at())
                if isinstance(item, Exception):
                    raise item
                gone = judgement.gone
                if item is not None:
                    self.pod, gone = item.pod, item.gone
                end = await self._act(judgement, judgement.see(self.pod, time.monotonic(), gone=gone))
                if end is not None:
                    return end
        finally:
            self.watch.leave(subscription)
            for stream in self._streams.values():
                stream.abandon()

    async def _attend(self, news: asyncio.Queue[News]) -> Subscription:
        loop = asyncio.get_running_loop()

        def receive(item: News) -> None:
            loop.call_soon_threadsafe(news.put_nowait, item)

        # In a thread: it may have to ask the API server.
        attending = asyncio.ensure_future(self.pods.threads.run(self.watch.attend, self.pod, receive))
        try:
            return await asyncio.shield(attending)
        except asyncio.CancelledError:
            attending.add_done_callback(self._leave)
            raise

    def _leave(self, attended: asyncio.Future[Subscription]) -> None:
        if not attended.cancelled() and attended.exception() is None:
            self.watch.leave(attended.result())

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of the log of the step's container."""
        stream = self._streams.get(self.options.container)
        return tuple(stream.tail) if stream else ()

    async def _next(self, news: asyncio.Queue[News], wake_at: float | None) -> News | None:
        """Wait for news; None when the time has come to look without any."""
        if wake_at is None:
            return await news.get()
        try:
            return await asyncio.wait_for(news.get(), max(0.0, wake_at - time.monotonic()))
        except TimeoutError:
            return None

    async def _act(self, judgement: Judgement, finding: Finding, *, fresh: bool = False) -> PodEnd | None:
        """Do what a finding asks for.

        Args:
            fresh: the pod was just read.
        """
        name = self.pod["metadata"]["name"]
        for container in finding.follow:
            self._streams[container] = LogStream(
                self.session, name, container, functools.partial(self.sink, container), self.room
            )
        if finding.over:
            self.message = judgement.message
            await self._finish_logs()
            events = await self._events() if judgement.was_deleted else ()
            return judgement.verdict(self.read_result, self.tail, events)
        if finding.show_events:
            await self._show_events()
        if not finding.hindered:
            return None
        if fresh:
            return judgement.hindrance(await self._events(), time.monotonic())
        sight = await self.pods.threads.run(look_again, self.pods, self.pod, judgement)
        if sight is None:
            return None
        self.pod = sight.pod
        finding = judgement.see(sight.pod, time.monotonic(), gone=sight.gone)
        return await self._act(judgement, finding, fresh=True)

    async def _finish_logs(self) -> None:
        streams = list(self._streams.values())
        whole = await asyncio.gather(*(stream.finish(LOG_SECONDS) for stream in streams))
        found = zip(streams, whole, strict=True)
        self.unread = tuple(stream.container for stream, finished in found if not finished)

    async def _events(self) -> list[dict[str, Any]]:
        return await self.pods.threads.run(events_if_possible, self.pods, self.pod)

    async def _show_events(self) -> None:
        for event in await self._events():
            uid = str(event.get("metadata", {}).get("uid"))
            if uid not in self._events_seen:
                self._events_seen.add(uid)
                self.on_event(event)
