"""Waiting in an event loop: the verdict, and the log with its time stamps, whatever happens on the way."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from fixtures.scripted_api import Request, ScriptedApi, event, pod, scripted_api
from tradewind.cluster.ends import PodEnd
from tradewind.cluster.judgement import ObservationOptions
from tradewind.cluster.log_lines import LogLine, Stamps
from tradewind.cluster.log_streams import LogSession, LogStream
from tradewind.cluster.shared_watch import SharedWatch
from tradewind.cluster.vigil import Vigil
from tradewind.errors import UnreachableError

RUNNING = pod(2, running={"startedAt": "x"})
DONE = pod(3, phase="Succeeded", terminated={"exitCode": 0, "message": "result"})
PENDING = pod(1, phase="Pending")
OPTIONS = ObservationOptions("base", logs=["base"], plain=True)


def line(nanosecond: int, text: str) -> bytes:
    return b"2026-01-01T00:00:01.%09dZ %s\n" % (nanosecond, text.encode())


@dataclass
class Api:
    """Answers watches with the pod's life, and logs as the test says.

    Attributes:
        log: the answers to requests for the log, in turn; the last one repeats.
        ended: set when the container has ended.
    """

    log: list[Callable[[Request], None]]
    life: tuple[dict[str, Any], ...] = (RUNNING, DONE)
    now: dict[str, Any] | None = None
    logs: list[Request] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)

    def serve(self, request: Request) -> None:
        if request.kind == "watch":
            request.stream_all(self._life())
        elif request.kind == "log":
            self.logs.append(request)
            self.log[min(len(self.logs), len(self.log)) - 1](request)
        elif request.kind == "list":
            request.answer({"items": []})
        elif self.now is not None:
            request.answer(self.now)
        else:
            request.refuse(404)

    def _life(self) -> Any:
        for stage in self.life:
            if stage is DONE:
                self.ended.wait(30)
            yield event("MODIFIED", stage)

    def wait(
        self, options: ObservationOptions = OPTIONS, age: float = 0.0, **budget: float
    ) -> tuple[PodEnd, list[LogLine], SharedWatch]:
        lines: list[LogLine] = []
        with scripted_api(self.serve) as api:
            pods = api.pods(**budget)
            watch = SharedWatch(pods)

            async def wait() -> PodEnd:
                async with LogSession(pods) as session:
                    return await Vigil(
                        pods=pods,
                        watch=watch,
                        session=session,
                        pod=PENDING,
                        options=options,
                        sink=lambda container, line: lines.append(line),
                        read_result=lambda message: None,
                        age=age,
                    ).run()

            return asyncio.run(wait()), lines, watch


def whole(api: Api, *pieces: bytes) -> Callable[[Request], None]:
    """A log that ends with the container."""

    def answer(request: Request) -> None:
        request.stream(*pieces)
        api.ended.set()

    return answer


def test_the_end_and_the_log() -> None:
    api = Api([])
    api.log.append(whole(api, line(1, "a"), line(2, "b")))
    end, lines, _ = api.wait()
    assert end.succeeded
    assert [(item.text, item.stamp) for item in lines] == [
        ("a", "2026-01-01T00:00:01.000000001Z"),
        ("b", "2026-01-01T00:00:01.000000002Z"),
    ]
    assert len(api.logs) == 1


def test_a_log_that_breaks_is_read_on() -> None:
    api = Api([lambda request: request.stream(line(1, "a"), line(2, "b"), cut=True)])
    api.log.append(whole(api, line(1, "a"), line(2, "b"), line(3, "c")))
    _, lines, _ = api.wait()
    assert [item.text for item in lines] == ["a", "b", "c"]
    assert api.logs[1].query["sinceTime"] == "2026-01-01T00:00:01.000000002Z"


@pytest.mark.parametrize("status", [400, 401, 429, 500, 503])
def test_refusals_of_the_log_are_survived(status: int) -> None:
    api = Api([lambda request: request.refuse(status)])
    api.log.append(whole(api, line(1, "a")))
    _, lines, _ = api.wait()
    assert [item.text for item in lines] == ["a"]


def test_a_log_connection_that_died_silently_costs_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    from tradewind.cluster import vigil

    monkeypatch.setattr(vigil, "LOG_SECONDS", 2.0)
    release = threading.Event()
    api = Api([])

    def hang(request: Request) -> None:
        def pieces() -> Any:
            yield line(1, "a")
            api.ended.set()
            release.wait(30)

        request.stream_all(pieces())

    api.log = [hang, lambda request: request.stream(line(1, "a"), line(2, "b"))]
    try:
        _, lines, _ = api.wait()
    finally:
        release.set()
    assert [item.text for item in lines] == ["a", "b"]
    assert api.logs[1].query["follow"] == "false"


def test_a_pod_that_never_starts_is_late() -> None:
    api = Api([], life=(), now=PENDING)
    options = ObservationOptions("base", schedule_seconds=0.3, start_seconds=0.3)
    end, _, _ = api.wait(options)
    assert end.kind in ("start_timeout", "unschedulable")


def test_a_pod_that_was_waited_for_long_is_looked_at_before_it_is_called_late() -> None:
    api = Api([], life=(), now=RUNNING)
    watching = threading.Timer(1.0, api.ended.set)
    api.life = (DONE,)
    watching.start()
    end, _, _ = api.wait(ObservationOptions("base", plain=True), age=10_000)
    assert end.succeeded


def test_a_server_that_stays_away_ends_the_wait() -> None:
    with scripted_api(lambda request: request.drop()) as api:
        pods = api.pods(budget_seconds=0.5)

        async def wait() -> PodEnd:
            async with LogSession(pods) as session:
                watch = SharedWatch(pods)
                return await Vigil(
                    pods, watch, session, PENDING, OPTIONS, lambda *_: None, lambda message: None
                ).run()

        with pytest.raises(UnreachableError):
            asyncio.run(wait())


def test_who_is_cancelled_leaves_the_watch() -> None:
    before = set(threading.enumerate())
    api = Api([], life=())
    with scripted_api(api.serve) as server:
        pods = server.pods()

        async def wait() -> None:
            async with LogSession(pods) as session:
                watch = SharedWatch(pods)
                vigil = Vigil(pods, watch, session, PENDING, OPTIONS, lambda *_: None, lambda message: None)
                task = asyncio.create_task(vigil.run())
                await asyncio.sleep(0.5)
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

        asyncio.run(wait())
        deadline = time.monotonic() + 20
        while any(t.name == "watch-ml" and t not in before for t in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_shown_stamps_are_in_order_and_each_is_another() -> None:
    stamps = Stamps()
    given = ["2026-01-01T00:00:01.0000001Z", "2026-01-01T00:00:01.0000002Z", "2026-01-01T00:00:01Z", "", "x"]
    shown = [stamps.of(stamp) for stamp in given]
    assert shown == [f"2026-01-01T00:00:01.00000{number}Z" for number in range(5)]


async def always() -> None:
    """There is room for more of a log."""


async def streams_finished(
    api: ScriptedApi, count: int, seconds: float, sink: Callable[[LogLine], None] = lambda line: None
) -> list[bool]:
    """Read logs whose containers end at once; for each, whether it was read to its end."""
    async with LogSession(api.pods()) as session:
        streams = [LogStream(session, f"train-{n}", "base", sink, always) for n in range(count)]
        try:
            return await asyncio.gather(*(stream.finish(seconds) for stream in streams))
        finally:
            for stream in streams:
                stream.abandon()


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_log_that_is_refused_is_not_asked_for_faster_when_the_container_has_ended(status: int) -> None:
    with scripted_api(lambda request: request.refuse(status)) as api:
        assert asyncio.run(streams_finished(api, 1, 2.0)) == [False]
        assert 2 <= len(api.requests) <= 8


def test_a_server_that_asks_to_wait_is_let_alone_for_that_long() -> None:
    times: list[float] = []

    def serve(request: Request) -> None:
        times.append(time.monotonic())
        request.refuse(429, Retry_After="1") if len(times) == 1 else request.stream(line(1, "a"))

    with scripted_api(serve) as api:
        assert asyncio.run(streams_finished(api, 1, 10.0)) == [True]
    assert times[1] - times[0] > 0.9


def test_many_logs_whose_token_has_expired_renew_it_once() -> None:
    arrived = threading.Barrier(8)

    def serve(request: Request) -> None:
        if request.headers["Authorization"] == "Bearer token-1":
            arrived.wait(10)
            request.refuse(401)
        else:
            request.stream(line(1, "a"))

    with scripted_api(serve) as api:
        assert asyncio.run(streams_finished(api, 8, 10.0)) == [True] * 8
        assert api.clients == 2


def test_a_log_whose_lines_nobody_takes_is_not_whole() -> None:
    def sink(taken: LogLine) -> None:
        raise KeyError(taken.text)

    with scripted_api(lambda request: request.stream(line(1, "a"))) as api:
        assert asyncio.run(streams_finished(api, 1, 10.0, sink)) == [False]


def test_who_waits_for_a_server_that_is_away_leaves_the_loops_own_threads_to_others() -> None:
    """As the triggerer's `on_kill`, which has to end a pod within seconds."""
    hung = threading.Event()

    async def wait(api: ScriptedApi) -> float:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        pods = api.pods(budget_seconds=2.0)
        watch = SharedWatch(pods)
        late = ObservationOptions("base", logs=["base"])
        async with LogSession(pods) as session:
            vigils = [
                Vigil(pods, watch, session, waiting, late, lambda *_: None, lambda message: None, age=1000.0)
                for waiting in (pod(1, phase="Pending", uid=f"u{number}") for number in range(4))
            ]
            tasks = [asyncio.create_task(vigil.run()) for vigil in vigils]
            await asyncio.sleep(0.5)
            began = time.monotonic()
            await asyncio.to_thread(lambda: None)
            taken = time.monotonic() - began
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.gather(*tasks)
        hung.set()
        return taken

    with scripted_api(lambda request: (hung.wait(20), request.drop())) as api:  # type: ignore[func-returns-value]
        assert asyncio.run(wait(api)) < 2.0
