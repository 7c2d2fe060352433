"""A thousand pods that are waited for in one triggerer: requests, lag, CPU and memory.

The triggers run in an event loop of their own process, as in Airflow's triggerer, against an API server that
is a double: what is measured is the waiting, not the pods. Ours show their pods' logs meanwhile; those of
KubernetesPodOperator (at its default, a poll every two seconds) do not. A thousand of those would take a
quarter of an hour to begin, so the two are compared at fewer.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psutil

from bench.parse import child_environment
from bench.table import Row

PODS = 1000
COMPARED = 100
IDLE_SECONDS = 30.0
ENDING_SECONDS = 20.0
LONGEST_SECONDS = 600.0
PADDING = {"tradewind": 40_000, "pod_operator": 1_000}
"""Bytes of arguments in a pod: ours carry the runtime and the task."""


@dataclass(frozen=True)
class Waited:
    """What waiting for all pods came to.

    Attributes:
        begin_seconds: from the first trigger's start until all pods were being waited for.
        requests: while all ran, per minute.
        all_requests: from the first trigger's start to the last event.
        cpu: seconds of the process while all ran, per minute.
        megabytes: that the triggers took.
        lags: seconds from a pod's end to its event.
    """

    begin_seconds: float
    requests: float
    all_requests: int
    cpu: float
    megabytes: float
    lags: list[float]


def rows() -> Iterator[Row]:
    """A thousand of ours, then fewer by both sides."""
    many = _measure("tradewind", PODS)
    what = f"waiting: {PODS} pods,"
    yield Row(f"{what} API requests a minute while they run", many.requests, goal=2.0)
    yield Row(f"{what} API requests in all, logs included", many.all_requests, goal=1.05 * PODS)
    yield Row(f"{what} end → event, median (s)", _quantile(many.lags, 0.5))
    yield Row(f"{what} end → event, the slowest (s)", max(many.lags), goal=1.0)
    yield Row(f"{what} CPU seconds a minute while they run", many.cpu)
    yield Row(f"{what} memory of the triggers (MB)", many.megabytes)
    yield Row(f"{what} begin of all triggers (s)", many.begin_seconds)
    ours, theirs = _measure("tradewind", COMPARED), _measure("pod_operator", COMPARED)
    what = f"waiting: {COMPARED} pods,"
    yield Row(f"{what} API requests a minute while they run", ours.requests, theirs.requests, goal=0.01)
    yield Row(f"{what} end → event, median (s)", _quantile(ours.lags, 0.5), _quantile(theirs.lags, 0.5))
    yield Row(f"{what} end → event, the slowest (s)", max(ours.lags), max(theirs.lags))
    yield Row(f"{what} CPU seconds a minute while they run", ours.cpu, theirs.cpu, goal=0.1)
    yield Row(f"{what} memory of the triggers (MB)", ours.megabytes, theirs.megabytes, goal=1.0)
    yield Row(f"{what} begin of all triggers (s)", ours.begin_seconds, theirs.begin_seconds)


def _quantile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _measure(kind: str, count: int) -> Waited:
    with tempfile.TemporaryDirectory() as home:
        environment = child_environment(home)
        server = _start(environment, "bench.waiting_api", str(count), str(PADDING[kind]))
        address = _line(server)
        child = _start(environment, "bench.waiting_child", kind, str(count), address)
        try:
            assert _line(child) == "ready"
            return _observe(kind, count, address, child)
        finally:
            for process in (child, server):
                process.kill()
                process.wait()


def _observe(kind: str, count: int, address: str, child: subprocess.Popen[str]) -> Waited:
    process = psutil.Process(child.pid)
    memory, began = process.memory_info().rss, time.monotonic()
    enough = ("log", count) if kind == "tradewind" else ("get", 3 * count)
    while _stats(address)["requests"].get(enough[0], 0) < enough[1]:
        if time.monotonic() - began > LONGEST_SECONDS or child.poll() is not None:
            raise SystemExit(f"the triggers of {kind} do not get to wait: {_stats(address)['requests']}")
        time.sleep(0.5)
    begin = time.monotonic() - began
    time.sleep(5)
    before, cpu = sum(_stats(address)["requests"].values()), process.cpu_times()
    time.sleep(IDLE_SECONDS)
    used = process.cpu_times()
    per_minute = 60 / IDLE_SECONDS
    requests = (sum(_stats(address)["requests"].values()) - before) * per_minute
    grown = (process.memory_info().rss - memory) / 1e6
    step = max(1, count // 100)
    for first in range(0, count, step):
        _ask(f"{address}/end?first={first}&count={step}")
        time.sleep(ENDING_SECONDS * step / count)
    fired = json.loads(_line(child))
    stats = _stats(address)
    return Waited(
        begin_seconds=begin,
        requests=requests,
        all_requests=sum(stats["requests"].values()),
        cpu=(used.user + used.system - cpu.user - cpu.system) * per_minute,
        megabytes=grown,
        lags=[fired[name] - ended for name, ended in stats["ended"].items()],
    )


def _start(environment: dict[str, str], module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments], env=environment, stdout=subprocess.PIPE, text=True
    )


def _line(process: subprocess.Popen[str]) -> str:
    """The next line that a process prints, but for what Airflow prints."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(("http://", "ready", '{"pod-')):
            return line.strip()
    raise SystemExit(f"{process.args} ended: {process.wait()}")


def _stats(address: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_ask(f"{address}/stats"))
    return found


def _ask(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        data: bytes = answer.read()
        return data


if __name__ == "__main__":
    for row in rows():
        print(" ".join(filter(None, row.cells())), flush=True)
