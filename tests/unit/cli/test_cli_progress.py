"""What a terminal is shown, and what a pipe."""

from __future__ import annotations

import io
import os
import pty
import select
import time

import pytest

from tradewind.cli.progress import StepView, screen

VIEWS = (
    [StepView("train", "running", 1.0), StepView("report", "")],
    [StepView("train", "success", 2.0), StepView("report", "failed", 0.5)],
)


def test_a_terminal_gets_colours_and_a_table_that_is_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    master, slave = pty.openpty()
    with os.fdopen(master, "rb", buffering=0) as terminal, os.fdopen(slave, "w") as stream:
        with screen(stream) as show:
            show.steps(VIEWS[0])
            until(terminal, "\x1b[36m●")
            show.steps(VIEWS[1])
            drawn_anew = until(terminal, "\x1b[31m✗")
            show.say("The end")
        stream.flush()
        until(terminal, "The end")
    assert "\x1b[2K" in drawn_anew
    assert "\x1b[32m✓" in drawn_anew


def until(terminal: io.FileIO, text: str) -> str:
    """What a terminal is shown until there is this text in it."""
    shown = b""
    deadline = time.monotonic() + 20
    while text.encode() not in shown:
        assert select.select([terminal], [], [], max(0.0, deadline - time.monotonic()))[0], shown
        shown += terminal.read(10_000)
    return shown.decode()


def test_a_pipe_gets_one_plain_line_per_change() -> None:
    stream = io.StringIO()
    with screen(stream) as show:
        for views in (*VIEWS, VIEWS[1]):
            show.steps(views)
        show.say("The end")
    lines = [line.rpartition(" s  ")[2] for line in stream.getvalue().splitlines()]
    assert lines == ["train: running", "train: done in 2.0 s", "report: failed in 0.5 s", "The end"]
    assert "\x1b" not in stream.getvalue()
