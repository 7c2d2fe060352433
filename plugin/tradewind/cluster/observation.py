"""From a created pod to its end: logs while it runs, deadlines while it does not, and a verdict.

This is the loop in which a step spends its life. It holds one watch and one log stream per container that is
to be shown, and leaves as soon as the step's container has ended: what else is in the pod does not matter to
the step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any, Literal

from tradewind.cluster.ends import PodEnd, ended, never_started, stuck
from tradewind.cluster.logs import LogFollower
from tradewind.cluster.pods import Pod, Pods
from tradewind.cluster.statuses import (
    conditions,
    container_names,
    has_ended,
    has_started,
    init_runs,
    phase,
    terminated,
)
from tradewind.cluster.watch import Sight, sights

__all__ = ["Observation", "ObservationOptions", "ReadResult"]

ReadResult = Callable[[str], "dict[str, Any] | None"]
"""Makes a result of a termination message; None when it holds none."""

SETTLE_SECONDS = 2.0
LOG_SECONDS = 20.0
LONG_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class ObservationOptions:
    """How to observe a pod.

    Attributes:
        container: name of the step's container.
        logs: containers whose logs are shown; "all" for every one of them.
        schedule_seconds: how long the pod may wait for a node.
        start_seconds: how long it may then take to start.
        plain: its exit code is its whole result.
        events_every: seconds between two looks at the pod's events before it starts; None: none are shown.
    """

    container: str
    logs: Collection[str] | Literal["all"] = ()
    schedule_seconds: float = 120.0
    start_seconds: float = 120.0
    plain: bool = False
    events_every: float | None = None


@dataclass
class Observation:
    """One pod under observation. `run` may be interrupted by any exception; call `abandon` then.

    Args:
        pods: where it is.
        pod: as created or found.
        options: see there.
        sink: gets (container, line) of the logs, in threads of their own.
        read_result: see `ReadResult`.
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
    on_start: Callable[[Pod], None] = lambda pod: None
    on_long: Callable[[], None] = lambda: None
    on_event: Callable[[dict[str, Any]], None] = lambda event: None
    message: str = ""
    _followers: dict[str, LogFollower] = field(default_factory=dict)
    _started: bool = False
    _created_at: float = field(default_factory=time.monotonic)
    _scheduled_at: float | None = None
    _long_at: float | None = field(default_factory=lambda: time.monotonic() + LONG_SECONDS)
    _settle_at: float | None = None
    _events_at: float = field(default_factory=time.monotonic)
    _events_seen: set[str] = field(default_factory=set)

    def run(self) -> PodEnd:
        """Watch the pod until it has ended, and say how.

        Raises:
            UnreachableError: the API server was away too long; the pod goes on.
        """
        for sight in sights(self.pods, self.pod, self._wake_at):
            self.pod = sight.pod
            self._follow_logs()
            end = self._judge(sight)
            if end is not None:
                return end
        raise AssertionError("sights() ends with a sight of the pod's end")

    def abandon(self) -> None:
        """Stop reading logs."""
        for follower in self._followers.values():
            follower.abandon()

    @property
    def tail(self) -> tuple[str, ...]:
        """The last lines of the log of the step's container."""
        follower = self._followers.get(self.options.container)
        return tuple(follower.tail) if follower else ()

    def _judge(self, sight: Sight) -> PodEnd | None:
        container = self.options.container
        if sight.gone or has_ended(self.pod, container):
            return self._ending(sight)
        if self._long_at is not None and time.monotonic() >= self._long_at:
            self._long_at = None
            self.on_long()
        if self._started:
            return None
        if has_started(self.pod, container):
            self._started = True
            self.on_start(self.pod)
            return None
        self._show_events()
        return stuck(self.pod) or self._late()

    def _ending(self, sight: Sight) -> PodEnd | None:
        state = terminated(self.pod, self.options.container)
        if state is not None:
            self.message = str(state.get("message") or "")
        failed = state is not None and state["exitCode"] != 0
        if failed and not sight.gone and phase(self.pod) != "Failed" and not self._settled():
            return None  # the reason (evicted, deadline) follows in a moment, with the pod's phase
        for follower in self._followers.values():
            if not follower.finish(LOG_SECONDS):
                self.sink(follower.container, "(the rest of the log could not be read in time)")
        return ended(
            self.pod,
            self.options.container,
            self.read_result(self.message),
            self.tail,
            gone=sight.gone and state is None,
            plain=self.options.plain,
        )

    def _settled(self) -> bool:
        """Say whether a failed container's pod has had the time to say why."""
        now = time.monotonic()
        if self._settle_at is None:
            others = container_names(self.pod, init=False) != [self.options.container]
            self._settle_at = now if others else now + SETTLE_SECONDS
        return now >= self._settle_at

    def _follow_logs(self) -> None:
        wanted = self.options.logs
        names = container_names(self.pod) if wanted == "all" else wanted
        for name in names:
            if name not in self._followers and has_started(self.pod, name):
                follower = LogFollower(
                    self.pods,
                    self.pod["metadata"]["name"],
                    name,
                    lambda line, name=name: self.sink(name, line),  # type: ignore[misc]
                )
                self._followers[name] = follower
                follower.start()

    def _late(self) -> PodEnd | None:
        deadline = self._deadline()
        if deadline is None or time.monotonic() < deadline:
            return None
        scheduled = self._scheduled_at is not None
        seconds = self.options.start_seconds if scheduled else self.options.schedule_seconds
        return never_started(self.pod, seconds, self.pods.events(self.pod["metadata"]["name"]))

    def _deadline(self) -> float | None:
        if self._scheduled_at is None:
            scheduled = conditions(self.pod).get("PodScheduled", {}).get("status") == "True"
            if scheduled or self.pod["spec"].get("nodeName"):
                self._scheduled_at = time.monotonic()
        if self._scheduled_at is None:
            return self._created_at + self.options.schedule_seconds
        if init_runs(self.pod):
            return None  # user code at work: as long as it takes
        return self._scheduled_at + self.options.start_seconds

    def _wake_at(self) -> float | None:
        times = [self._settle_at, self._long_at]
        if not self._started:
            times.append(self._deadline())
            if self.options.events_every is not None:
                times.append(self._events_at)
        return min((moment for moment in times if moment is not None), default=None)

    def _show_events(self) -> None:
        every = self.options.events_every
        if every is None or time.monotonic() < self._events_at:
            return
        for event in self.pods.events(self.pod["metadata"]["name"]):
            uid = str(event.get("metadata", {}).get("uid"))
            if uid not in self._events_seen:
                self._events_seen.add(uid)
                self.on_event(event)
        self._events_at = time.monotonic() + every
