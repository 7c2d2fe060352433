"""The narrow way from triggers to the task logs: nobody waits in the event loop, and what does not get
through is left to a worker, which begins where the trigger stopped.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tradewind.cluster.log_lines import LogCursor, LogLine
from tradewind.operators import trigger_log
from tradewind.operators.trigger_log import TriggerLog, channel

COUNT = 2000


def stamp(number: int) -> str:
    return f"2026-01-01T00:00:01.{number:09}Z"


def lines(count: int) -> list[LogLine]:
    """Lines of which three bear one stamp each."""
    return [LogLine(f"line {number}", stamp(number // 3), number % 3 + 1) for number in range(count)]


class Reader:
    """The process that writes the logs: takes in four kilobytes now and then."""

    def __init__(self, pause: float) -> None:
        self.ours, theirs = socket.socketpair()
        self.stream = theirs.makefile("w")
        self.pause = pause
        self.data = b""
        self._socket = theirs
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while data := self.ours.recv(4096):
            self.data += data
            time.sleep(self.pause)

    def lines(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.data.splitlines() if line.endswith(b"}")]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    """A log that goes to another process, as in Airflow's triggerer."""
    reader = Reader(0.02)
    handler = logging.StreamHandler(reader.stream)
    logging.getLogger().addHandler(handler)

    def write(text: str, **more: Any) -> None:
        reader.stream.write(json.dumps({"event": text, **more, "padding": "x" * 200}) + "\n")
        reader.stream.flush()

    monkeypatch.setattr(trigger_log, "_log", type("Log", (), {"info": staticmethod(write)}))
    yield reader
    logging.getLogger().removeHandler(handler)
    reader.stream.close()


async def longest_block(seconds: float) -> float:
    """The longest time for which the event loop did not come round."""
    longest, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - began)
    return longest


def test_a_flood_blocks_nobody_and_its_rest_is_left_to_the_worker(slow: Reader) -> None:
    async def run() -> tuple[Any, float]:
        log = TriggerLog(channel(), None)
        for line in lines(COUNT):
            log.take("base", line)
        blocked = await longest_block(1.0)
        left = await log.settle((), 0.2)
        await log.arrived(30)
        return left, blocked

    left, blocked = asyncio.run(run())
    shown = slow.lines()
    assert blocked < 1.0
    assert 0 < len(shown) < COUNT
    cursor = LogCursor(*left["base"])
    cursor.restart()
    again = [line.stamp.encode() + b" " + line.text.encode() for line in lines(COUNT)]
    since = str(cursor.since).encode()
    begin = next(index for index, raw in enumerate(again) if raw.startswith(since))
    rest = [accepted.text for raw in again[begin:] if (accepted := cursor.accept(raw)) is not None]
    assert shown + rest == [line.text for line in lines(COUNT)], "a line is lost or comes twice"


def test_a_log_that_gets_through_leaves_nothing(slow: Reader) -> None:
    slow.pause = 0.0

    async def run() -> Any:
        log = TriggerLog(channel(), None)
        for line in lines(300):
            log.take("base", line)
            await asyncio.sleep(0)
        left = await log.settle((), 30)
        await log.arrived(30)
        return left

    assert asyncio.run(run()) == {}
    assert slow.lines() == [line.text for line in lines(300)]


def test_what_was_not_read_or_is_too_long_is_left(slow: Reader) -> None:
    async def run() -> Any:
        log = TriggerLog(channel(), "base")
        log.take("base", LogLine("a", stamp(1)))
        log.take("base", LogLine("x" * 100_000, stamp(2)))
        log.take("base", LogLine("b", stamp(3)))
        log.take("side", LogLine("c", stamp(4)))
        await asyncio.sleep(0.2)
        left = await log.settle(["init"], 5)
        await log.arrived(30)
        return left

    assert asyncio.run(run()) == {"base": (stamp(1), 1), "init": None}
    assert slow.lines() == ["a", "[side] c"]


def test_shown_lines_bear_their_own_stamps(slow: Reader) -> None:
    async def run() -> None:
        log = TriggerLog(channel(), None)
        for line in lines(3):
            log.take("base", line)
        await log.settle((), 5)
        await log.arrived(30)

    asyncio.run(run())
    shown = [json.loads(line)["timestamp"] for line in slow.data.splitlines()]
    assert shown == [f"2026-01-01T00:00:01.00000{number}Z" for number in range(3)]
