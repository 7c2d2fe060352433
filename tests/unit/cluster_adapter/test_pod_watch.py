"""A watch goes on whatever happens to the connection, and neither misses nor invents a change."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.scripted_api import Request, event, pod, scripted_api
from tradewind.cluster import pods as requests
from tradewind.cluster import refusals
from tradewind.cluster import watch as watches
from tradewind.cluster.pods import Pods
from tradewind.cluster.shared_watch import News, SharedWatch, Sight
from tradewind.errors import ConfigurationError, FatalError, RetryableError, UnreachableError


def sights(pods: Pods, pod: dict[str, Any]) -> Iterator[Sight]:
    """What a subscriber of a watch gets, until its pod is gone."""
    news: queue.SimpleQueue[News] = queue.SimpleQueue()
    watch = SharedWatch(pods)
    subscription = watch.attend(pod, news.put)
    try:
        yield Sight(pod)
        while True:
            item = news.get(timeout=30)
            if isinstance(item, Exception):
                raise item
            yield item
            if item.gone:
                return
    finally:
        watch.leave(subscription)


def seen(all_sights: list[Sight]) -> list[str]:
    return [
        ("gone " if sight.gone else "") + sight.pod["metadata"]["resourceVersion"] for sight in all_sights
    ]


def watch(script: list[Any], *, until: int, **options: float) -> tuple[list[Sight], list[Request]]:
    """Watch from version 1; the n-th watch request gets the n-th answer, the last one repeats."""
    watches: list[Request] = []

    def serve(request: Request) -> None:
        if request.kind == "watch":
            watches.append(request)
            script[min(len(watches), len(script)) - 1](request)
        else:
            request.answer(pod(7))

    found: list[Sight] = []
    with scripted_api(serve) as api:
        for sight in sights(api.pods(**options), pod(1)):
            found.append(sight)
            if len(found) == until or sight.gone:
                break
    return found, watches


def test_a_watch_goes_on_from_the_last_version_after_its_end() -> None:
    found, watches = watch(
        [
            lambda r: r.stream(event("MODIFIED", pod(2)), event("BOOKMARK", pod(3))),
            lambda r: r.stream(event("MODIFIED", pod(4))),
        ],
        until=3,
    )
    assert seen(found) == ["1", "2", "4"]
    assert [request.query["resourceVersion"] for request in watches][:2] == ["1", "3"]
    assert watches[0].query["fieldSelector"] == "metadata.name=train-1"


def test_a_broken_stream_loses_nothing_and_doubles_nothing() -> None:
    line = event("MODIFIED", pod(3))
    found, watches = watch(
        [
            lambda r: r.stream(event("MODIFIED", pod(2)), line[:20], cut=True),
            lambda r: r.stream(line[:5], line[5:]),
        ],
        until=3,
    )
    assert seen(found) == ["1", "2", "3"]
    assert watches[1].query["resourceVersion"] == "2"


@pytest.mark.parametrize(
    "fault",
    [
        lambda r: r.drop(),
        lambda r: r.refuse(500),
        lambda r: r.refuse(503),
        lambda r: r.refuse(429, Retry_After="0"),
        lambda r: r.stream(b"not json\n"),
        lambda r: r.stream(event("ERROR", {"kind": "Status", "code": 500, "message": "etcd"})),
    ],
    ids=["dropped", "500", "503", "429", "garbage", "error event"],
)
def test_faults_are_survived(fault: Any) -> None:
    found, _ = watch([fault, fault, lambda r: r.stream(event("MODIFIED", pod(2)))], until=2)
    assert seen(found) == ["1", "2"]


@pytest.mark.parametrize(
    "gone",
    [
        lambda r: r.refuse(410, "too old"),
        lambda r: r.stream(event("ERROR", {"kind": "Status", "code": 410, "message": "too old"})),
    ],
    ids=["status", "event"],
)
def test_a_version_that_is_too_old_is_read_anew(gone: Any) -> None:
    found, watches = watch([gone, lambda r: r.stream(event("DELETED", pod(8)))], until=9)
    assert seen(found) == ["1", "7", "gone 8"]
    assert watches[1].query["resourceVersion"] == "7"


def test_a_pod_that_went_away_meanwhile_is_gone() -> None:
    def serve(request: Request) -> None:
        request.refuse(410 if request.kind == "watch" else 404)

    with scripted_api(serve) as api:
        assert seen(list(sights(api.pods(), pod(1)))) == ["1", "gone 1"]


def test_another_pod_of_the_same_name_is_not_this_one() -> None:
    def serve(request: Request) -> None:
        request.refuse(410) if request.kind == "watch" else request.answer(pod(9, uid="u2"))

    with scripted_api(serve) as api:
        assert seen(list(sights(api.pods(), pod(1)))) == ["1", "gone 1"]


def test_an_api_server_that_stays_away_is_an_error_worth_a_retry() -> None:
    with scripted_api(lambda r: r.drop()) as api, pytest.raises(UnreachableError):
        list(sights(api.pods(budget_seconds=0.5), pod(1)))


@pytest.fixture
def half_a_second_of_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watches, "WATCH_SECONDS", 0.0)
    monkeypatch.setattr(requests, "WATCH_SILENCE_SECONDS", 0.5)


@pytest.mark.usefixtures("half_a_second_of_silence")
def test_a_server_that_takes_requests_and_never_answers_is_away() -> None:
    release = threading.Event()
    began = time.monotonic()
    with scripted_api(lambda r: (release.wait(30), r.drop())) as api:  # type: ignore[func-returns-value]
        with pytest.raises(UnreachableError):
            list(sights(api.pods(budget_seconds=1.0), pod(1)))
        release.set()
    assert time.monotonic() - began < 10


@pytest.mark.usefixtures("half_a_second_of_silence")
def test_a_watch_in_which_nothing_happens_is_not_lost() -> None:
    release = threading.Event()

    def silence(request: Request) -> None:
        request.stream_all(iter(lambda: release.wait(30) and b"", b""))

    last = lambda r: r.stream(event("DELETED", pod(2)))  # noqa: E731
    found, watched = watch([silence, silence, silence, last], until=2, budget_seconds=0.5)
    release.set()
    assert seen(found) == ["1", "gone 2"]
    assert len(watched) >= 4


def test_a_watch_that_nobody_needs_any_more_when_it_is_opened_is_closed() -> None:
    asked, left, release = threading.Event(), threading.Event(), threading.Event()

    def serve(request: Request) -> None:
        asked.set()
        left.wait(30)
        request.stream_all(iter(lambda: release.wait(30) and b"", b""))

    before = set(threading.enumerate())
    with scripted_api(serve) as api:
        watch = SharedWatch(api.pods())
        subscription = watch.attend(pod(1), print)
        assert asked.wait(10)
        watch.leave(subscription)
        left.set()
        deadline = time.monotonic() + 10
        while any(t.name == "watch-ml" and t not in before for t in threading.enumerate()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        release.set()


def test_a_missing_permission_is_said_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "DOUBT_SECONDS", 0.5)
    with (
        scripted_api(lambda r: r.refuse(403, "cannot watch pods")) as api,
        pytest.raises(ConfigurationError, match="cannot watch pods") as caught,
    ):
        list(sights(api.pods(), pod(1)))
    assert "watch" in caught.value.remedy


def test_a_server_that_has_just_started_and_knows_no_roles_yet_is_not_believed() -> None:
    answers = [
        lambda r: r.drop(),
        lambda r: r.refuse(403, "pods is forbidden: User x cannot watch"),
        lambda r: r.refuse(401),
        lambda r: r.stream(event("DELETED", pod(2))),
    ]
    with scripted_api(lambda r: answers.pop(0)(r)) as api:
        assert seen(list(sights(api.pods(), pod(1)))) == ["1", "gone 2"]
    answers = [
        lambda r: r.refuse(403, "pods is forbidden: User x cannot create"),
        lambda r: r.answer(pod(1)),
    ]
    with scripted_api(lambda r: answers.pop(0)(r)) as api:
        assert api.pods().create({"metadata": {"name": "train-1"}})["metadata"]["uid"] == "u1"


def test_expired_credentials_are_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "DOUBT_SECONDS", 0.5)

    def serve(request: Request) -> None:
        if request.headers["Authorization"] == "Bearer token-1":
            request.refuse(401)
        else:
            request.stream(event("DELETED", pod(2)))

    with scripted_api(serve) as api:
        assert seen(list(sights(api.pods(), pod(1)))) == ["1", "gone 2"]
        assert api.clients == 2
    with scripted_api(lambda r: r.refuse(401)) as api, pytest.raises(ConfigurationError):
        list(sights(api.pods(), pod(1)))


class Token:
    """A server that lets in whoever has this token, and a pod that is there."""

    def __init__(self) -> None:
        self.valid = "1"
        self.refused_at: float | None = None

    def serve(self, request: Request) -> None:
        if request.headers["Authorization"] == f"Bearer token-{self.valid}" or self.valid == "any":
            request.answer(pod(1))
            return
        self.refused_at = self.refused_at or time.monotonic()
        request.refuse(401)


def test_a_token_that_is_renewed_too_late_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "DOUBT_SECONDS", 0.2)
    token = Token()
    with scripted_api(token.serve) as api:
        pods = api.pods()
        assert pods.get("train-1")
        token.valid = "none yet"
        threading.Timer(1.5, setattr, (token, "valid", "any")).start()
        assert pods.get("train-1")
        assert api.clients > 1


def test_a_token_that_was_good_and_stays_refused_is_worth_a_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refusals, "LONG_DOUBT_SECONDS", 0.5)
    token = Token()
    with scripted_api(token.serve) as api:
        pods = api.pods()
        assert pods.get("train-1")
        token.valid = "none"
        with pytest.raises(RetryableError, match="who we are") as caught:
            pods.get("train-1")
        assert "Renew the token" in caught.value.remedy


def test_a_token_that_was_never_good_is_said_soon_and_for_good() -> None:
    token = Token()
    token.valid = "none"
    began = time.monotonic()
    with scripted_api(token.serve) as api, pytest.raises(ConfigurationError, match="who we are"):
        api.pods().get("train-1")
    assert time.monotonic() - began < 10


# --- other requests ---------------------------------------------------------------------------------------


def test_a_request_is_repeated_until_it_succeeds() -> None:
    answers = [lambda r: r.drop(), lambda r: r.refuse(503), lambda r: r.answer(pod(1))]
    with scripted_api(lambda r: answers.pop(0)(r)) as api:
        assert api.pods().create({"metadata": {"name": "train-1"}})["metadata"]["uid"] == "u1"


@pytest.mark.parametrize(
    ("status", "message", "error", "words"),
    [
        (403, "exceeded quota: compute", Exception, "quota"),
        (403, "pods is forbidden: User x cannot create", ConfigurationError, "cannot create"),
        (403, 'admission webhook "p" denied the request', FatalError, "does not admit"),
        (422, 'Pod "x" is invalid: spec.containers[0].image', FatalError, "spec.containers"),
    ],
)
def test_a_refusal_says_what_is_wrong(
    status: int, message: str, error: type[Exception], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "DOUBT_SECONDS", 0.5)
    with (
        scripted_api(lambda r: r.refuse(status, message)) as api,
        pytest.raises(error, match=words) as caught,
    ):
        api.pods().create({"metadata": {"name": "train-1"}})
    assert caught.value.remedy  # type: ignore[attr-defined]
    if error is not ConfigurationError:
        assert len(api.requests) == 1


def test_deleting_what_is_not_there_is_no_error() -> None:
    with scripted_api(lambda r: r.refuse(404)) as api:
        assert api.pods().delete("train-1") is False
        assert api.pods().get("train-1") is None
