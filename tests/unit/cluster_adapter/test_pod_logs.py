"""Every line of a log arrives once and in order, whatever happens to the stream."""

from __future__ import annotations

import threading
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
