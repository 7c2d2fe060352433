"""The author's own code takes part in showing a log, and cannot spoil it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.operators.pod_log import PodLog


def nothing(*_: Any, **__: Any) -> None:
    """A callback that does nothing."""


def raising(*_: Any, **__: Any) -> str:
    """Code of an author's that has not met such a line before."""
    raise ValueError("no number in this line")


def shown(
    caplog: pytest.LogCaptureFixture,
    *,
    formatter: Callable[[str, str], str] | None = None,
    progress: Callable[[str], Any] | None = None,
    call_back: Callable[..., Any] = nothing,
) -> tuple[list[str], list[str]]:
    """Show three lines; returns what was logged, and the warnings."""
    operator: Any = SimpleNamespace(
        log=logging.getLogger("step"),
        log_formatter=formatter,
        _progress_callback=progress,
        container_name_log_prefix_enabled=True,
        container_logs="base",
    )
    with caplog.at_level(logging.INFO, logger="step"):
        log = PodLog(operator, (), call_back)
        for line in ("a", "b", "c"):
            log.show("base", line)
    by_level: dict[int, list[str]] = {logging.INFO: [], logging.WARNING: []}
    for record in caplog.records:
        by_level[record.levelno].append(record.getMessage())
    return by_level[logging.INFO], by_level[logging.WARNING]


def test_a_formatter_makes_the_lines(caplog: pytest.LogCaptureFixture) -> None:
    lines, warnings = shown(caplog, formatter=lambda container, line: f"{container}: {line}")
    assert lines == ["base: a", "base: b", "base: c"]
    assert warnings == []


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"formatter": raising}, "log_formatter"),
        ({"progress": raising}, "progress_callback"),
        ({"call_back": raising}, "progress_callback"),
    ],
    ids=["formatter", "progress_callback", "callbacks"],
)
def test_what_raises_costs_no_line_and_one_warning(
    caplog: pytest.LogCaptureFixture, given: dict[str, Any], named: str
) -> None:
    lines, warnings = shown(caplog, **given)
    assert lines == ["a", "b", "c"]
    assert len(warnings) == 1
    assert named in warnings[0]
    assert "no number in this line" in caplog.text


def test_a_formatter_that_fails_for_one_line_makes_the_others(caplog: pytest.LogCaptureFixture) -> None:
    lines, warnings = shown(caplog, formatter=lambda _, line: {"a": "A", "c": "C"}[line])
    assert lines == ["A", "b", "C"]
    assert len(warnings) == 1
