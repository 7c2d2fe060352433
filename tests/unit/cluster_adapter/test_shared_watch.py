"""Those who wait in one process share a watch: each learns all about its pod, with few requests."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fixtures.scripted_api import Request, ScriptedApi, event, scripted_api
from tradewind.cluster.shared_watch import News, SharedWatch, Sight, shared_watch
from tradewind.errors import UnreachableError

OURS = {"tradewind.dev/run": "r"}


def pod(name: str, version: int, phase: str = "Running") -> dict[str, Any]:
    return {
        "metadata": {
            "name": name,
            "namespace": "ml",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            "labels": OURS,
            "annotations": {"long": "text"},
        },
        "spec": {"containers": [{"name": "base", "image": "x", "args": ["long"]}]},
        "status": {"phase": phase},
    }


class Namespace:
    """A namespace that tests change: watches get what happens, lists and gets what is there."""

    def __init__(self, *pods: dict[str, Any]) -> None:
        self.pods = {item["metadata"]["name"]: item for item in pods}
        self.version = 100
        self.away = False
        self.forgetful = False
        self._history: list[tuple[int, bytes]] = []
        self._watches: list[queue.SimpleQueue[bytes | None]] = []
        self._lock = threading.Lock()

    def serve(self, request: Request) -> None:
        if self.away:
            request.drop()
        elif request.kind == "watch":
            self._watch(request)
        elif request.kind == "list":
            items = sorted(self.pods.values(), key=lambda item: str(item["metadata"]["name"]))
            first, size = int(request.query.get("continue", "0")), int(request.query["limit"])
            more = {"continue": str(first + size)} if first + size < len(items) else {}
            metadata = {"resourceVersion": str(self.version), **more}
            request.answer({"metadata": metadata, "items": items[first : first + size]})
        else:
            found = self.pods.get(request.path.rpartition("/")[2])
            request.answer(found) if found else request.refuse(404)

    def _watch(self, request: Request) -> None:
        if self.forgetful and "labelSelector" in request.query:
            self.forgetful = False
            request.refuse(410, "too old")
            return
        changes: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        with self._lock:
            for version, line in self._history:
                if version > int(request.query["resourceVersion"]):
                    changes.put(line)
            self._watches.append(changes)
        request.stream_all(iter(changes.get, None))

    def change(self, name: str, phase: str, *, gone: bool = False) -> None:
        self.version += 1
        self.pods[name] = pod(name, self.version, phase)
        line = event("DELETED" if gone else "MODIFIED", self.pods[name])
        if gone:
            del self.pods[name]
        with self._lock:
            self._history.append((self.version, line))
            for changes in self._watches:
                changes.put(line)

    def hang_up(self) -> None:
        with self._lock:
            watches, self._watches = self._watches, []
        for changes in watches:
            changes.put(None)


class Waiter:
    """One who waits, and what it was told."""

    def __init__(self, watch: SharedWatch, name: str, version: int = 1) -> None:
        self.news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self.subscription = watch.attend(pod(name, version), self.news.put)

    def phase(self) -> str:
        """The phase in the next sight, or "gone"."""
        told = self.news.get(timeout=30)
        assert isinstance(told, Sight), told
        return "gone" if told.gone else str(told.pod["status"]["phase"])

    def error(self) -> Exception:
        """The error that ends the wait."""
        while isinstance(told := self.news.get(timeout=30), Sight):
            pass
        return told

    def until(self, phase: str) -> None:
        while self.phase() != phase:
            pass


@contextmanager
def served(namespace: Namespace) -> Iterator[ScriptedApi]:
    with scripted_api(namespace.serve) as api:
        try:
            yield api
        finally:
            namespace.hang_up()


def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_alone_watches_its_own_pod_and_nothing_else() -> None:
    namespace = Namespace(pod("a", 1))
    with served(namespace) as api:
        watch = SharedWatch(api.pods())
        one = Waiter(watch, "a")
        eventually(lambda: api.kinds() == ["watch"])
        namespace.change("a", "Succeeded")
        assert one.phase() == "Succeeded"
        assert api.requests[0].query["fieldSelector"] == "metadata.name=a"
        watch.leave(one.subscription)


def test_several_share_one_watch_and_who_comes_later_asks_nothing() -> None:
    names = [f"p{number:03}" for number in range(250)]
    namespace = Namespace(*(pod(name, 1) for name in names))
    with served(namespace) as api:
        watch = SharedWatch(api.pods(), lean=True)
        waiters = [Waiter(watch, name) for name in names]
        for waiter in waiters:
            waiter.until("Running")
        for name in names:
            namespace.change(name, "Succeeded")
        for waiter in waiters:
            waiter.until("Succeeded")
        assert sorted(api.kinds()) == ["list"] * 3 + ["watch"] * 2
        assert api.requests[-1].query["labelSelector"] == "tradewind.dev/run,tradewind.dev/collected!=true"
        for waiter in waiters:
            watch.leave(waiter.subscription)


def test_a_lean_watch_keeps_what_is_judged_by_and_no_more() -> None:
    namespace = Namespace(pod("a", 1), pod("b", 1))
    with served(namespace) as api:
        watch = SharedWatch(api.pods(), lean=True)
        Waiter(watch, "a")
        told = Waiter(watch, "b").news.get(timeout=30)
        assert isinstance(told, Sight)
        assert told.pod["spec"] == {"containers": [{"name": "base", "image": "x"}]}
        assert "annotations" not in told.pod["metadata"]


def test_a_watch_that_was_forgotten_reads_anew_and_finds_who_is_missing() -> None:
    namespace = Namespace(pod("a", 1), pod("b", 1), pod("c", 1))
    with served(namespace) as api:
        watch = SharedWatch(api.pods())
        a, b, c = (Waiter(watch, name) for name in "abc")
        for waiter in (a, b, c):
            waiter.until("Running")
        namespace.forgetful = True
        del namespace.pods["b"]
        namespace.pods["c"]["status"]["phase"] = "Failed"
        namespace.hang_up()
        b.until("gone")
        c.until("Failed")
        namespace.change("a", "Succeeded")
        a.until("Succeeded")


def test_a_pod_that_is_deleted_is_gone_for_its_waiter_alone() -> None:
    namespace = Namespace(pod("a", 1), pod("b", 1))
    with served(namespace) as api:
        watch = SharedWatch(api.pods())
        a, b = Waiter(watch, "a"), Waiter(watch, "b")
        b.until("Running")
        namespace.change("a", "Running", gone=True)
        a.until("gone")
        namespace.change("b", "Succeeded")
        b.until("Succeeded")
        assert Waiter(watch, "a").phase() == "gone"  # who comes too late


def test_all_are_told_of_a_server_that_stays_away_and_the_next_one_tries_again() -> None:
    namespace = Namespace(pod("a", 1), pod("b", 1))
    with served(namespace) as api:
        watch = SharedWatch(api.pods(budget_seconds=0.5))
        waiters = [Waiter(watch, "a"), Waiter(watch, "b")]
        for waiter in waiters:
            waiter.until("Running")
        namespace.away = True
        namespace.hang_up()
        for waiter in waiters:
            assert isinstance(waiter.error(), UnreachableError)
        namespace.away = False
        again = Waiter(watch, "a")
        namespace_changed = threading.Timer(0.5, lambda: namespace.change("a", "Succeeded"))
        namespace_changed.start()
        again.until("Succeeded")


def test_the_watch_ends_with_the_last_who_waits() -> None:
    before = set(threading.enumerate())
    namespace = Namespace(pod("a", 1), pod("b", 1))
    with served(namespace) as api:
        watch = SharedWatch(api.pods())
        waiters = [Waiter(watch, "a"), Waiter(watch, "b")]
        waiters[1].until("Running")
        for waiter in waiters:
            watch.leave(waiter.subscription)
        eventually(lambda: not [t for t in threading.enumerate() if t.name == "watch-ml" and t not in before])


def test_one_watch_per_cluster_and_namespace() -> None:
    with scripted_api(lambda request: request.drop()) as api:
        pods, labelled, bare = api.pods(), pod("a", 1), pod("b", 1)
        bare["metadata"]["labels"] = {}
        mine = shared_watch("cluster", pods, labelled)
        assert shared_watch("cluster", api.pods(), pod("c", 1)) is mine
        assert shared_watch("other", pods, labelled) is not mine
        assert shared_watch("cluster", pods, bare) is not mine, "a selector would not find it"
