"""What `tradewind run` takes over from a DAG file's `pipeline_dag(...)`.

The run's DAG is made in another process, from a file: data can go there, functions cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tradewind.errors import Problem
from tradewind.local.stack.settings_text import settings_text

__all__ = ["RunArguments", "run_arguments"]

_OF_THE_SCHEDULE = {"schedule", "start_date", "end_date", "catchup", "is_paused_upon_creation"}
_OF_THE_STACK = {"cluster", "namespace"}
_OF_PODS = ("pod", "steps")


@dataclass(frozen=True, slots=True)
class RunArguments:
    """The arguments of a `pipeline_dag` as a run by hand has them.

    Attributes:
        settings: to be given to `pipeline_dag` again.
        params: default values of this DAG's own.
        left_out: what is neither of the two and may be missed, in few words each.
    """

    settings: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def problems(self) -> Iterator[Problem]:
        """What of the pods cannot be taken over: without it they would not be those of the file."""
        for name in _OF_PODS:
            if name in self.settings and (reason := _no_data(self.settings[name])):
                remedy = "write it as plain data, or let `tradewind up` load the file"
                message = f"cannot be taken over into a run: {reason}"
                yield Problem(f"pipeline_dag, argument {name!r}", message, remedy)


def run_arguments(given: Mapping[str, Any]) -> RunArguments:
    """Sort the arguments of a `pipeline_dag`."""
    left_out: list[str] = []
    settings: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or name in ("dag_id", "params") or name in _OF_THE_SCHEDULE:
            continue
        if name in _OF_THE_STACK:
            left_out.append(f"{name} (the stack has its own)")
        elif _is_function(value):
            left_out.append(f"{name} (a function)")
        else:
            kept = _without_functions(value, name, left_out)
            if name not in _OF_PODS and (reason := _no_data(kept)):
                left_out.append(f"{name} ({reason})")
            else:
                settings[name] = kept
    params = {}
    for name, value in (given.get("params") or {}).items():
        # Templates need the context of a schedule, which a run by hand lacks.
        if isinstance(value, str) and ("{{" in value or "{%" in value):
            left_out.append(f"params[{name!r}] (a template)")
        else:
            params[name] = value
    return RunArguments(settings, params, tuple(left_out))


def _without_functions(value: Any, place: str, left_out: list[str]) -> Any:
    """Callbacks may stand anywhere: among default arguments, among those of a step, in lists."""
    if isinstance(value, Mapping):
        kept = {}
        for key, item in value.items():
            where = f"{place}[{key!r}]"
            if _is_function(item):
                left_out.append(f"{where} (a function)")
            else:
                kept[key] = _without_functions(item, where, left_out)
        return kept
    return value


def _is_function(value: Any) -> bool:
    several = isinstance(value, list | tuple) and bool(value)
    return callable(value) or (several and all(callable(item) for item in value))


def _no_data(value: Any) -> str:
    """Why a value cannot be written into a file; empty when it can."""
    try:
        settings_text(value)
    except (TypeError, ValueError) as error:
        return str(error)
    return ""
