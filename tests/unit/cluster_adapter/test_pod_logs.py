"""Every line of a log arrives once and in order, whatever happens to the stream."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.scripted_api import Request, scripted_api
from tradewind.cluster.logs import LogFollower


def line(nanosecond: int, text: bytes, second: int = 1) -> bytes:
    return b"2026-01-01T00:00:%02d.%09dZ %s\n" % (second, nanosecond, text)


def follow(script: list[Any], *, end_after: int = 1) -> tuple[list[str], list[Request]]:
    """Follow a log whose n-th request gets the n-th answer; the container ends with that many requests."""
    ended = threading.Event()
    lines: list[str] = []
    requests: list[Request] = []

    def serve(request: Request) -> None:
        requests.append(request)
        script[min(len(requests), len(script)) - 1](request)
        if len(requests) >= end_after:
            ended.set()

    with scripted_api(serve) as api:
        follower = LogFollower(api.pods(), "train-1", "base", lines.append)
        follower.start()
        assert ended.wait(10)
        assert follower.finish(10)
    assert list(follower.tail) == lines[-20:]
    return lines, requests


def test_one_request_is_enough() -> None:
    lines, requests = follow([lambda r: r.stream(line(1, b"a"), line(2, b"b")[:9], line(2, b"b")[9:])])
    assert lines == ["a", "b"]
    assert len(requests) == 1
    assert requests[0].query["follow"] == "true"


def test_a_broken_stream_is_read_on() -> None:
    lines, requests = follow(
        [
            lambda r: r.stream(line(1, b"a"), line(2, b"b"), line(2, b"c"), cut=True),
            lambda r: r.stream(line(1, b"a"), line(2, b"b"), line(2, b"c"), line(2, b"d"), line(3, b"e")),
        ],
        end_after=2,
    )
    assert lines == ["a", "b", "c", "d", "e"]
    assert requests[1].query["sinceTime"].startswith("2026-01-01T00:00:01")


def test_a_stream_that_ends_before_the_container_is_read_on() -> None:
    lines, _ = follow(
        [lambda r: r.stream(line(1, b"a")), lambda r: r.stream(line(1, b"a"), line(2, b"b"))], end_after=2
    )
    assert lines == ["a", "b"]


def test_equal_lines_are_not_taken_for_doubles() -> None:
    lines, _ = follow(
        [
            lambda r: r.stream(line(1, b"x"), line(1, b"x"), cut=True),
            lambda r: r.stream(line(1, b"x"), line(1, b"x"), line(1, b"x")),
        ],
        end_after=2,
    )
    assert lines == ["x", "x", "x"]


def test_time_stamps_of_different_lengths_are_in_order() -> None:
    stamps = [b"2026-01-01T00:00:01Z a\n", b"2026-01-01T00:00:01.5Z b\n", b"2026-01-01T00:00:01.51Z c\n"]
    lines, _ = follow([lambda r: r.stream(*stamps, cut=True), lambda r: r.stream(*stamps)], end_after=2)
    assert lines == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (b"10%\r50%\r100%", "100%"),
        (b"done\r", "done"),
        (b"", ""),
        (b"\xff\xfe ok", "\\xff\\xfe ok"),
        ("naïve 🚀".encode(), "naïve 🚀"),
        (b"100% of {x} %s", "100% of {x} %s"),
    ],
)
def test_lines_are_shown_as_a_terminal_would(text: bytes, shown: str) -> None:
    assert follow([lambda r: r.stream(line(1, text))])[0] == [shown]


def test_a_line_of_three_megabytes_arrives_in_parts() -> None:
    lines, _ = follow([lambda r: r.stream(line(1, b"x" * 3_000_000), line(2, b"end"))])
    assert "".join(lines[:-1]) == "x" * 3_000_000
    assert lines[-1] == "end"


def test_a_last_line_without_an_end_arrives() -> None:
    assert follow([lambda r: r.stream(line(1, b"a"), line(2, b"b").rstrip())])[0] == ["a", "b"]


def test_a_container_that_is_not_there_yet_is_waited_for() -> None:
    waiting = lambda r: r.refuse(400, "container is waiting to start")  # noqa: E731
    assert follow([waiting, lambda r: r.stream(line(1, b"a"))], end_after=2)[0] == ["a"]


def test_a_log_that_is_gone_ends_the_follower() -> None:
    assert follow([lambda r: r.refuse(404)])[0] == []


def test_a_stream_that_does_not_end_is_given_up() -> None:
    release = threading.Event()

    def serve(request: Request) -> None:
        request.stream(line(1, b"a"))
        release.wait(10)

    lines: list[str] = []
    arrived = threading.Event()
    with scripted_api(serve) as api:
        follower = LogFollower(
            api.pods(),
            "train-1",
            "base",
            lambda text: (lines.append(text), arrived.set()),  # type: ignore[func-returns-value]
        )
        follower.start()
        assert arrived.wait(10)
        follower.finish(0.2)
        release.set()
    assert lines == ["a"]


# --- lines whose times are not in order --------------------------------------------------------------------

INTERLEAVED = [line(2, b"out"), line(1, b"err"), line(4, b"out"), line(3, b"err"), line(4, b"again")]
SET_BACK = [
    line(5, b"a", second=9),
    line(1, b"b", second=4),
    line(2, b"c", second=4),
    line(5, b"d", second=9),
]


def since(lines: list[bytes]) -> Callable[[Request], None]:
    """What a kubelet sends of a log: lines from the second on that is asked for, wherever they are."""

    def serve(request: Request) -> None:
        first = request.query.get("sinceTime", "")[:19].encode()
        request.stream(*(item for item in lines if item[:19] >= first))

    return serve


def texts(lines: list[bytes]) -> list[str]:
    return [item.partition(b" ")[2].decode().rstrip() for item in lines]


@pytest.mark.parametrize("lines", [INTERLEAVED, SET_BACK], ids=["interleaved", "set back"])
def test_lines_that_are_older_than_the_one_before_are_shown(lines: list[bytes]) -> None:
    assert follow([since(lines)])[0] == texts(lines)


# Not (SET_BACK, 1): a server that is asked for what came after the first line sends nothing older.
@pytest.mark.parametrize(
    ("lines", "passed_on"),
    [*((INTERLEAVED, count) for count in range(1, 6)), *((SET_BACK, count) for count in range(2, 5))],
)
def test_they_are_shown_once_when_the_stream_breaks_among_them(lines: list[bytes], passed_on: int) -> None:
    broken = lambda r: r.stream(*lines[:passed_on], cut=True)  # noqa: E731
    assert follow([broken, since(lines)], end_after=2)[0] == texts(lines)


def test_where_the_last_line_is_gone_reading_goes_on_with_the_next_one() -> None:
    lines, _ = follow(
        [
            lambda r: r.stream(line(1, b"a"), line(3, b"b"), cut=True),
            lambda r: r.stream(line(2, b"x"), line(4, b"c"), line(3, b"d")),
        ],
        end_after=2,
    )
    assert lines == ["a", "b", "c", "d"]


def test_a_kubelets_own_words_are_shown_and_are_no_time_to_ask_from() -> None:
    lines, requests = follow(
        [
            lambda r: r.stream(line(1, b"a"), b"failed to watch the file\n", cut=True),
            lambda r: r.stream(line(1, b"a"), line(2, b"b")),
        ],
        end_after=2,
    )
    assert lines == ["a", "failed to watch the file", "b"]
    assert requests[1].query["sinceTime"].startswith("2026-01-01T00:00:01")


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 401, 429, 500])
def test_a_log_that_is_refused_is_not_asked_for_faster_when_the_container_has_ended(status: int) -> None:
    with scripted_api(lambda r: r.refuse(status)) as api:
        follower = LogFollower(api.pods(), "train-1", "base", lambda text: None)
        follower.start()
        assert not follower.finish(2.0)
        assert 2 <= len(api.requests) <= 8


def test_a_server_that_asks_to_wait_is_let_alone_for_that_long() -> None:
    times: list[float] = []

    def serve(request: Request) -> None:
        times.append(time.monotonic())
        request.refuse(429, Retry_After="1") if len(times) == 1 else request.stream(line(1, b"a"))

    lines: list[str] = []
    with scripted_api(serve) as api:
        follower = LogFollower(api.pods(), "train-1", "base", lines.append)
        follower.start()
        assert follower.finish(10)
    assert lines == ["a"]
    assert times[1] - times[0] > 0.9


def test_many_logs_whose_token_has_expired_renew_it_once() -> None:
    arrived = threading.Barrier(8)

    def serve(request: Request) -> None:
        if request.headers["Authorization"] == "Bearer token-1":
            arrived.wait(10)
            request.refuse(401)
        else:
            request.stream(line(1, b"a"))

    with scripted_api(serve) as api:
        pods = api.pods()
        followers = [LogFollower(pods, f"train-{number}", "base", print) for number in range(8)]
        for follower in followers:
            follower.start()
        assert all(follower.finish(10) for follower in followers)
        assert api.clients == 2


def test_a_wrong_token_is_not_renewed_without_end() -> None:
    with scripted_api(lambda r: r.refuse(401)) as api:
        pods = api.pods()
        followers = [LogFollower(pods, f"train-{number}", "base", print) for number in range(8)]
        for follower in followers:
            follower.start()
        time.sleep(1.5)
        for follower in followers:
            follower.abandon()
        assert api.clients <= 4


def test_a_log_is_given_up_between_two_requests() -> None:
    refused = threading.Event()
    answers = [lambda r: r.stream(line(1, b"a"))]

    def serve(request: Request) -> None:
        if answers:
            answers.pop()(request)
        else:
            request.refuse(503)
            refused.set()

    with scripted_api(serve) as api:
        follower = LogFollower(api.pods(), "train-1", "base", lambda text: None)
        follower.start()
        assert refused.wait(10)
        assert not follower.finish(1.0)


@pytest.mark.parametrize("error", [ValueError, KeyError])
def test_a_log_whose_lines_nobody_takes_is_not_whole(error: type[Exception]) -> None:
    def sink(text: str) -> None:
        raise error(text)

    with scripted_api(lambda r: r.stream(line(1, b"a"), line(2, b"b"))) as api:
        follower = LogFollower(api.pods(), "train-1", "base", sink)
        follower.start()
        assert not follower.finish(10)
        assert len(api.requests) == 1
