"""How a run goes, step by step: what changed since the last look, and what it looks like on the screen.

A terminal gets a table that is drawn anew; a pipe gets one plain line per change, which a log of a CI job
keeps.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

__all__ = ["PlainScreen", "Screen", "StepView", "duration", "instance_name", "screen", "step_views"]

_MARKS = {
    "success": ("✓", "green"),
    "failed": ("✗", "red"),
    "upstream_failed": ("–", "red"),
    "running": ("●", "cyan"),
    "up_for_retry": ("↻", "yellow"),
    "skipped": ("○", "dim"),
}
_WAITING = ("·", "dim")
_WORDS = {"success": "done", "upstream_failed": "not run", "up_for_retry": "will retry", "": "waiting"}


@dataclass(frozen=True, slots=True)
class StepView:
    """One step of a run as people see it.

    Attributes:
        name: the step's id, with the map index where it is one of many.
        state: Airflow's word; empty while it waits.
        seconds: since its start, or until its end; None before.
        cached: its result was taken from an earlier run.
        tries: number of the current try.
    """

    name: str
    state: str
    seconds: float | None = None
    cached: bool = False
    tries: int = 1

    @property
    def ended(self) -> bool:
        return self.state in ("success", "failed", "upstream_failed", "skipped", "removed")

    @property
    def words(self) -> str:
        word = "cached" if self.cached else _WORDS.get(self.state, self.state)
        return f"{word} (try {self.tries})" if self.tries > 1 else word


def step_views(
    instances: Iterable[Mapping[str, Any]], steps: Sequence[str], cached: Iterable[str] = ()
) -> list[StepView]:
    """The steps of a run, in the pipeline's order.

    Args:
        instances: task instances as Airflow's API gives them.
        steps: step ids; other tasks are the plumbing of a run and are left out.
        cached: names of steps whose result was taken from an earlier run.
    """
    order = {step: number for number, step in enumerate(steps)}
    cached = set(cached)
    shown = [instance for instance in instances if instance["task_id"] in order]
    shown.sort(key=lambda instance: (order[instance["task_id"]], instance["map_index"]))
    return [_view(instance, cached) for instance in shown]


def instance_name(instance: Mapping[str, Any]) -> str:
    """Return what a task instance is called: its task's id, with the map index where it is one of many."""
    index = instance["map_index"]
    return str(instance["task_id"]) + (f"[{index}]" if index >= 0 else "")


def _view(instance: Mapping[str, Any], cached: set[str]) -> StepView:
    name = instance_name(instance)
    return StepView(
        name=name,
        state=_state(instance["state"]),
        seconds=_seconds(instance["start_date"], instance["end_date"]),
        cached=name in cached,
        tries=max(1, instance["try_number"]),
    )


def _state(state: str | None) -> str:
    return "" if state in (None, "scheduled", "queued", "restarting", "deferred") else str(state)


def _seconds(start: str | None, end: str | None) -> float | None:
    if not start:
        return None
    ended = datetime.fromisoformat(end) if end else datetime.now(UTC)
    return max(0.0, (ended - datetime.fromisoformat(start)).total_seconds())


def duration(seconds: float | None) -> str:
    """Seconds for people: `0.8 s`, `12 s`, `3 min 05 s`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"


class Screen(Protocol):
    """Where progress is shown; a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def say(self, line: str) -> None:
        """Show one line that stays."""

    def steps(self, views: Sequence[StepView]) -> None:
        """Show how the steps stand now."""


class PlainScreen:
    """One line per change, without colour."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._shown: dict[str, str] = {}
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.flush()

    def say(self, line: str) -> None:
        print(line, file=self._stream, flush=True)

    def steps(self, views: Sequence[StepView]) -> None:
        for view in views:
            if view.state and self._shown.get(view.name) != view.words:
                self._shown[view.name] = view.words
                took = f" in {duration(view.seconds)}" if view.ended and view.seconds is not None else ""
                self.say(f"{time.monotonic() - self._began:6.1f} s  {view.name}: {view.words}{took}")


class _TerminalScreen:
    """A table that lives at the bottom of the terminal."""

    def __init__(self, stream: TextIO) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=stream, highlight=False)
        self._live = Live(console=self._console, refresh_per_second=8, transient=True)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def say(self, line: str) -> None:
        self._console.print(line, markup=False, soft_wrap=True)

    def steps(self, views: Sequence[StepView]) -> None:
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        for view in views:
            mark, style = _MARKS.get(view.state, _WAITING)
            took = Text(duration(view.seconds), style="dim", justify="right")
            table.add_row(Text(mark, style=style), Text(view.name), Text(view.words, style=style), took)
        self._live.update(table)


def screen(stream: TextIO = sys.stdout) -> Screen:
    """The screen that fits the stream: a live one for a terminal where `rich` is installed."""
    if not stream.isatty():
        return PlainScreen(stream)
    try:
        return _TerminalScreen(stream)
    except ImportError:
        return PlainScreen(stream)
