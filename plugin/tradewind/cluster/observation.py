"""From a created pod to its end in a worker: the log while it runs, and a verdict.

This is the loop in which a step spends its life. It takes news from the watch, lets `Judgement` say what they
mean, holds one log stream per container that is to be shown, and leaves as soon as the step's container has
ended: what else is in the pod does not matter to the step.
"""

from __future__ import annotations

import logging
import queue
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any

from tradewind.cluster.ends import PodEnd
from tradewind.cluster.judgement import Finding, Judgement, ObservationOptions, ReadResult
from tradewind.cluster.logs import LogFollower
from tradewind.cluster.pods import Pod, Pods
from tradewind.cluster.shared_watch import News, Sight, shared_watch
from tradewind.errors import TradewindError, UnreachableError

__all__ = [
    "LOG_SECONDS",
    "UNREAD",
    "Observation",
    "ObservationOptions",
    "ReadResult",
    "events_if_possible",
    "look_again",
]

_log = logging.getLogger(__name__)

LOG_SECONDS = 20.0
LONG_SECONDS = 1.0
LOOK_AGAIN_SECONDS = 10.0
REPORT_SECONDS = 90.0
"""For the cluster to go on when its API server is back. Schedulers and nodes, too, ask for it at growing
intervals, in the end up to a minute apart: until then nobody takes a pod, or says that it has started.
"""
UNREAD = "(the rest of the log could not be read in time)"


def events_if_possible(pods: Pods, pod: Pod) -> list[dict[str, Any]]:
    """Return the events about a pod, none where they may not be read: they only explain what is known."""
    try:
        return pods.events(pod["metadata"]["name"])
    except TradewindError as error:
        _log.warning(
            "The events about the pod cannot be read, so the reason may be missing: %s", error.message
        )
        return []


def look_again(pods: Pods, pod: Pod, judgement: Judgement) -> Sight | None:
    """Return a pod as it is now; None while the API server is away: how long that may be, the watch says.

    What is known of a pod that seems to be hindered may be old: the watch is down while the server is away,
    and when it is back, nodes have yet to tell it that they have started pods meanwhile.
    """
    try:
        found = pods.again(pod, budget_seconds=LOOK_AGAIN_SECONDS)
    except UnreachableError:
        judgement.excuse(time.monotonic() + REPORT_SECONDS)
        return None
    if time.monotonic() < pods.away_at + REPORT_SECONDS:
        judgement.excuse(pods.away_at + REPORT_SECONDS)
    return Sight(pod, gone=True) if found is None else Sight(found)


@dataclass
class Observation:
    """One pod under observation. `run` may be interrupted by any exception; call `abandon` then.

    Args:
        pods: where it is.
        pod: as created or found.
        options: see there.
        sink: gets (container, line) of the logs, in threads of their own.
        read_result: see `ReadResult`.
        cluster: stands for the cluster: steps of this process that wait there share a watch. None: a watch of
            its own.
        on_start: called once, with the pod, when the step's container has started.
        on_long: called once, when the pod has not ended within a second: for what a short step need not pay.
        on_event: gets Kubernetes events about the pod before it starts.

    Attributes:
        message: the termination message of the step's container, once it has ended.
    """

    pods: Pods
    pod: Pod
    options: ObservationOptions
    sink: Callable[[str, str], None]
    read_result: ReadResult
    cluster: Hashable = None
    on_start: Callable[[Pod], None] = lambda pod: None
    on_long: Callable[[], None] = lambda: None
    on_event: Callable[[dict[str, Any]], None] = lambda event: None
    message: str = ""
    _followers: dict[str, LogFollower] = field(default_factory=dict)
    _events_seen: set[str] = field(default_factory=set)
    _long_at: float | None = field(default_factory=lambda: time.monotonic() + LONG_SECONDS)

    def run(self) -> PodEnd:
        """Watch the pod until it has ended, and say how.

        Raises:
            UnreachableError: the API server was away too long; the pod goes on.
        """
        judgement = Judgement(self.pod, self.options, time.monotonic())
        news: queue.SimpleQueue[News] = queue.SimpleQueue()
        end = self._act(judgement, judgement.see(self.pod, time.monotonic()))
        if end is not None:
            return end
        watch = shared_watch(self.cluster, self.pods, self.pod)
        subscription = watch.attend(self.pod, news.put)
        try:
            while True:
                end = self._look(judgement, self._next(news, judgement))
                if end is not None:
                    return end
        finally:
            watch.leave(subscription)

    def abandon(self) -> None:
        """Stop reading logs."""
        for follower in self._followers.values():
            follower.abandon()

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of the log of the step's container."""
        follower = self._followers.get(self.options.container)
        return tuple(follower.tail) if follower else ()

    def _next(self, news: queue.SimpleQueue[News], judgement: Judgement) -> News | None:
        """Wait for news; None when the time has come to look without any."""
        times = [moment for moment in (judgement.wake_at(), self._long_at) if moment is not None]
        try:
            return news.get(timeout=max(0.0, min(times) - time.monotonic()) if times else None)
        except queue.Empty:
            return None

    def _look(self, judgement: Judgement, news: News | None) -> PodEnd | None:
        if isinstance(news, Exception):
            raise news
        gone = judgement.gone
        if news is not None:
            self.pod, gone = news.pod, news.gone
        return self._act(judgement, judgement.see(self.pod, time.monotonic(), gone=gone))

    def _act(self, judgement: Judgement, finding: Finding, *, fresh: bool = False) -> PodEnd | None:
        """Do what a finding asks for.

        Args:
            fresh: the pod was just read.
        """
        for name in finding.follow:
            self._follow(name)
        if finding.over:
            self.message = judgement.message
            self._finish_logs()
            events = self._events() if judgement.was_deleted else ()
            return judgement.verdict(self.read_result, self.tail, events)
        if self._long_at is not None and time.monotonic() >= self._long_at:
            self._long_at = None
            self.on_long()
        if finding.started:
            self.on_start(self.pod)
        if finding.show_events:
            self._show_events()
        if not finding.hindered:
            return None
        if fresh:
            return judgement.hindrance(self._events(), time.monotonic())
        sight = look_again(self.pods, self.pod, judgement)
        if sight is None:
            return None
        self.pod = sight.pod
        finding = judgement.see(sight.pod, time.monotonic(), gone=sight.gone)
        return self._act(judgement, finding, fresh=True)

    def _finish_logs(self) -> None:
        for follower in self._followers.values():
            if not follower.finish(LOG_SECONDS):
                self.sink(follower.container, UNREAD)

    def _follow(self, name: str) -> None:
        follower = LogFollower(
            self.pods, self.pod["metadata"]["name"], name, lambda line: self.sink(name, line)
        )
        self._followers[name] = follower
        follower.start()

    def _events(self) -> list[dict[str, Any]]:
        return events_if_possible(self.pods, self.pod)

    def _show_events(self) -> None:
        for event in self._events():
            uid = str(event.get("metadata", {}).get("uid"))
            if uid not in self._events_seen:
                self._events_seen.add(uid)
                self.on_event(event)
