"""What is wrong with arguments that `pipeline_dag` hands on to Airflow's DAG.

Airflow finds some of it only where the DAG is stored or a task starts, some of it in words that do not name
the argument, and one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime
from typing import Any

from tradewind.errors import Problem
from tradewind.plan.values import text_problem

__all__ = ["argument_problems", "display_name_problem"]

_LONGEST_DISPLAY_NAME = 2000  # what Airflow's columns hold


def argument_problems(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield one problem for each argument, known here, of the wrong type, or with text that cannot be stored.

    Its place is the argument's name.
    """
    for name, value in arguments.items():
        if name in _WANTED and value is not None:
            wanted, fits = _WANTED[name]
            if not fits(value):
                yield Problem(name, f"must be {wanted}, not {repr(value)[:80]}")
                continue
        if name in _STORED:
            texts = [value] if isinstance(value, str) else value or ()
            if problem := next(filter(None, map(text_problem, texts)), None):
                yield Problem(name, problem)


def display_name_problem(name: Any) -> str:
    """Say why Airflow could not store a display name; "" when it can."""
    if not isinstance(name, str):
        return f"a display name is text, not {name!r}"
    if len(name) > _LONGEST_DISPLAY_NAME:
        return f"the display name has {len(name)} characters, more than {_LONGEST_DISPLAY_NAME}"
    problem = text_problem(name)
    return f"the display name {problem}" if problem else ""


def _is_number(value: object) -> bool:
    return type(value) is int and value > 0


def _is_texts(value: object) -> bool:
    return (
        isinstance(value, Collection)
        and not isinstance(value, str | bytes | Mapping)
        and all(isinstance(each, str) for each in value)
    )


def _is_callbacks(value: object) -> bool:
    return callable(value) or (isinstance(value, list | tuple) and all(map(callable, value)))


def _is_moment(value: object) -> bool:
    return isinstance(value, datetime)


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping)


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


_STORED = ("description", "doc_md", "tags")

_CALLBACKS = ("a function, or a list of them", _is_callbacks)
_MOMENT = ("a datetime", _is_moment)
_NUMBER = ("a whole number from 1 up", _is_number)

_WANTED: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "catchup": ("True or False", _is_flag),
    "default_args": ("a mapping of arguments of tasks", _is_mapping),
    "end_date": _MOMENT,
    "max_active_runs": _NUMBER,
    "max_active_tasks": _NUMBER,
    "on_failure_callback": _CALLBACKS,
    "on_success_callback": _CALLBACKS,
    "params": ("a mapping of values by parameter", _is_mapping),
    "start_date": _MOMENT,
    "steps": ("a mapping of arguments by step", _is_mapping),
    "tags": ("a list of texts", _is_texts),
}
