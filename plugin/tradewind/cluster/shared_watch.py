"""One watch for all who wait for pods of one namespace of one cluster, in one process.

Who waits alone watches its own pod and nothing else: a hundred workers that each watched all pods would make
the API server send everything a hundred times. As soon as a second one waits in the same process, one watch
on all our pods takes its place, and stays while anybody waits. It remembers what it saw, so that whoever
comes later need not ask.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass

from tradewind.cluster.names import COLLECTED_LABEL, RUN_LABEL
from tradewind.cluster.pods import Pod, Pods
from tradewind.cluster.watch import WatchThread

__all__ = ["News", "SharedWatch", "Sight", "Subscription", "shared_watch"]

_log = logging.getLogger(__name__)

SELECTOR = f"{RUN_LABEL},{COLLECTED_LABEL}!=true"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is known about a pod at one moment.

    Attributes:
        pod: as last seen.
        gone: it no longer exists.
    """

    pod: Pod
    gone: bool = False


News = Sight | Exception
"""What a subscriber gets: sights of its pod, or the error for which the watch has ended."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One who waits for one pod."""

    number: int
    pod: Pod
    receive: Callable[[News], None]

    @property
    def uid(self) -> str:
        """Of the pod."""
        return str(self.pod["metadata"]["uid"])

    @property
    def name(self) -> str:
        """Of the pod."""
        return str(self.pod["metadata"]["name"])


class SharedWatch:
    """The watch on the pods of one namespace.

    Args:
        pods: of the namespace.
        lean: leave out of a pod what its containers run and its annotations: for who holds a thousand.
    """

    def __init__(self, pods: Pods, *, lean: bool = False) -> None:
        self.pods = pods
        self._lean = lean
        self._lock = threading.Lock()
        self._numbers = itertools.count()
        self._subscribers: dict[str, dict[int, Subscription]] = {}  # by uid
        self._thread: WatchThread | None = None
        self._known: dict[str, Pod] = {}
        self._listed = False  # `_known` holds all there are

    def attend(self, pod: Pod, receive: Callable[[News], None]) -> Subscription:
        """Wait for what happens to a pod from its version on.

        Asks the API server only for a pod of which a watch that goes on knows nothing.

        Args:
            pod: as it was created or read; its metadata is enough.
            receive: gets each `News`, in another thread or in this one; must not block.

        Raises:
            TradewindError: the API server refuses, or was away too long.
        """
        subscription = Subscription(next(self._numbers), pod, receive)
        with self._lock:
            self._subscribers.setdefault(subscription.uid, {})[subscription.number] = subscription
            thread = self._thread
            if thread is None:
                # Whatever has happened since the pod's version comes by itself.
                self._start(WatchThread(self.pods, self, pod=pod, lean=self._lean))
                return subscription
            if thread.alone and thread.alone != subscription.uid:
                thread.retire()
                thread = self._start(WatchThread(self.pods, self, selector=SELECTOR, lean=self._lean))
            if not (thread.alone or self._listed):
                return subscription  # `renewed` tells all who wait
        try:
            self._inform(subscription)
        except BaseException:
            self.leave(subscription)
            raise
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Wait no more."""
        with self._lock:
            waiting = self._subscribers.get(subscription.uid, {})
            waiting.pop(subscription.number, None)
            if not waiting:
                self._subscribers.pop(subscription.uid, None)
            if not self._subscribers:
                self._stop()

    # --- what the thread tells ------------------------------------------------------------------------------

    def seen(self, watch: WatchThread, pod: Pod, gone: bool) -> None:
        """See `Watcher`."""
        uid = str(pod["metadata"]["uid"])
        with self._lock:
            if watch is not self._thread:
                return
            if gone:
                self._known.pop(uid, None)
            else:
                self._known[uid] = pod
            self._deliver(uid, Sight(pod, gone))

    def renewed(self, watch: WatchThread, pods: Mapping[str, Pod]) -> None:
        """See `Watcher`."""
        with self._lock:
            if watch is not self._thread:
                return
            self._known, self._listed = dict(pods), True
            absent: list[Subscription] = []
            for uid, waiting in list(self._subscribers.items()):
                if uid in self._known:
                    self._deliver(uid, Sight(self._known[uid]))
                else:
                    absent.extend(waiting.values())
        for subscription in absent:
            self._inform(subscription)

    def lost(self, watch: WatchThread, error: Exception) -> None:
        """See `Watcher`."""
        with self._lock:
            if watch is not self._thread:
                return
            for uid in list(self._subscribers):
                self._deliver(uid, error)
            self._subscribers.clear()
            self._stop()

    # --- parts ----------------------------------------------------------------------------------------------

    def _start(self, thread: WatchThread) -> WatchThread:
        self._known, self._listed = {}, False
        self._thread = thread
        thread.start()
        return thread

    def _stop(self) -> None:
        if self._thread is not None:
            self._thread.retire()
        self._thread = None
        self._known = {}

    def _inform(self, subscription: Subscription) -> None:
        """Tell a subscriber what is known of its pod; ask for it where nothing is."""
        if self._tell_known(subscription):
            return
        found = self.pods.again(subscription.pod)
        if self._tell_known(subscription):  # seen meanwhile: what was just read may be older
            return
        sight = Sight(subscription.pod, gone=True) if found is None else Sight(found)
        with self._lock:
            self._hand_over(subscription, sight)

    def _tell_known(self, subscription: Subscription) -> bool:
        with self._lock:
            known = self._known.get(subscription.uid)
            if known is not None:
                self._hand_over(subscription, Sight(known))
            return known is not None

    def _deliver(self, uid: str, news: News) -> None:
        for subscription in list(self._subscribers.get(uid, {}).values()):
            self._hand_over(subscription, news)

    def _hand_over(self, subscription: Subscription, news: News) -> None:
        if subscription.number not in self._subscribers.get(subscription.uid, {}):
            return
        try:
            subscription.receive(news)
        except RuntimeError:  # an event loop that has ended: nobody waits there any more
            _log.warning("Nobody takes news of the pod %s any more", subscription.name, exc_info=True)
            self._subscribers[subscription.uid].pop(subscription.number, None)


_watches: dict[Hashable, SharedWatch] = {}
_watches_lock = threading.Lock()


def shared_watch(cluster: Hashable | None, pods: Pods, pod: Pod, *, lean: bool = False) -> SharedWatch:
    """Return this process's watch on a namespace of a cluster.

    Args:
        cluster: stands for the cluster, and for who asks there; None: the watch is shared with nobody.
        pods: of the namespace; used when there is no watch yet.
        pod: the one to wait for. One that lost our labels (a mutation hook may take them) is watched alone.
        lean: see `SharedWatch`.
    """
    if cluster is None or RUN_LABEL not in (pod["metadata"].get("labels") or {}):
        return SharedWatch(pods, lean=lean)
    with _watches_lock:
        return _watches.setdefault((cluster, pods.namespace, lean), SharedWatch(pods, lean=lean))
