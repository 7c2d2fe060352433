"""A pod that starts while the API server is away is waited for, by a worker and by a triggerer."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.scripted_api import Request, event, pod, scripted_api
from tradewind.cluster import observation
from tradewind.cluster.ends import PodEnd
from tradewind.cluster.judgement import ObservationOptions
from tradewind.cluster.log_streams import LogSession
from tradewind.cluster.observation import Observation
from tradewind.cluster.pods import Pods
from tradewind.cluster.shared_watch import SharedWatch
from tradewind.cluster.vigil import Vigil
from tradewind.errors import UnreachableError

PENDING = pod(1, phase="Pending")
RUNNING = pod(2, running={"startedAt": "x"})
DONE = pod(3, phase="Succeeded", terminated={"exitCode": 0, "message": "result"})
OPTIONS = ObservationOptions("base", schedule_seconds=0.3, start_seconds=0.3, plain=True)


def in_a_worker(pods: Pods) -> PodEnd:
    return Observation(pods, PENDING, OPTIONS, lambda *_: None, lambda message: None).run()


def in_a_triggerer(pods: Pods) -> PodEnd:
    async def wait() -> PodEnd:
        watch = SharedWatch(pods)
        async with LogSession(pods) as session:
            vigil = Vigil(pods, watch, session, PENDING, OPTIONS, lambda *_: None, lambda message: None)
            return await vigil.run()

    return asyncio.run(wait())


waiting = pytest.mark.parametrize("wait", [in_a_worker, in_a_triggerer])


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observation, "LOOK_AGAIN_SECONDS", 0.3)
    monkeypatch.setattr(observation, "REPORT_SECONDS", 4.0)


class Server:
    """Is away from the first watch on, then back.

    Args:
        seconds: of its absence.
        now: the pod as it is read after that.
        then: the pod as it is a moment later, in a watch.
    """

    def __init__(self, seconds: float, now: dict[str, Any], then: dict[str, Any]) -> None:
        self._seconds = seconds
        self._now = now
        self._then = then
        self._went = False
        self._back = threading.Event()

    def serve(self, request: Request) -> None:
        if request.kind == "watch" and not self._went:
            self._went = True
            threading.Timer(self._seconds, self._back.set).start()
        if not self._back.is_set():
            request.drop()
        elif request.kind == "watch":
            request.stream_all(self._life())
        elif request.path.endswith("/events"):
            request.answer({"items": []})
        else:
            request.answer(self._now)

    def _life(self) -> Any:
        time.sleep(0.5)
        yield event("MODIFIED", self._then)


@waiting
@pytest.mark.parametrize(
    "now", [RUNNING, PENDING], ids=["it is known to run", "its node has yet to report that it runs"]
)
def test_a_pod_that_has_started_meanwhile_goes_on(
    wait: Callable[[Pods], PodEnd], now: dict[str, Any]
) -> None:
    with scripted_api(Server(1.0, now, DONE).serve) as api:
        assert wait(api.pods()).succeeded


@waiting
def test_a_pod_that_has_not_started_then_is_late(wait: Callable[[Pods], PodEnd]) -> None:
    with scripted_api(Server(1.0, PENDING, PENDING).serve) as api:
        assert wait(api.pods()).kind == "start_timeout"


@waiting
def test_a_server_that_stays_away_is_no_fault_of_the_pods(wait: Callable[[Pods], PodEnd]) -> None:
    with scripted_api(lambda request: request.drop()) as api, pytest.raises(UnreachableError):
        wait(api.pods(budget_seconds=2.0))


@waiting
def test_a_pod_of_the_same_name_is_another_one(wait: Callable[[Pods], PodEnd]) -> None:
    other = pod(9, uid="u2", running={"startedAt": "x"})
    with scripted_api(Server(0.5, other, other).serve) as api:
        assert wait(api.pods()).kind == "deleted"
