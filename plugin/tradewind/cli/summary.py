"""What is said when a run has ended: its steps, its numbers, where its artifacts are, and why it failed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.following import Outcome
from tradewind.cli.progress import duration
from tradewind.errors import TradewindError
from tradewind.local.stack.state import StackState

__all__ = ["age", "columns", "failure_report", "run_report"]

_LOG_LINES = 12
_VALUE_WIDTH = 60
# What Airflow says about itself in a task's log.
_AIRFLOW_LOGGERS = ("task", "airflow.")


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Rows of text as lines with aligned columns."""
    widths = [max(len(row[number]) for row in rows) for number in range(len(rows[0]))] if rows else []
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def age(seconds: float) -> str:
    """An age in its largest unit: `3d`, `12h`, `40m`, `5s`."""
    seconds = max(0.0, seconds)
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds / length:.0f}{unit}"
    return f"{seconds:.0f}s"


def run_report(
    api: AirflowApi, state: StackState, dag_id: str, run_id: str, outcome: Outcome
) -> Iterator[str]:
    """The lines that end a run: steps, parameters, metrics, artifacts, links."""
    took = f" in {duration(outcome.seconds)}" if outcome.seconds is not None else ""
    yield ""
    yield f"Run {run_id} {'succeeded' if outcome.ok else 'failed'}{took}"
    yield from _section("Steps", [(view.name, view.words, duration(view.seconds)) for view in outcome.steps])
    started: Mapping[str, Any] = api.xcom(dag_id, run_id, "run_start") or {}
    parameters = started.get("parameters") or {}
    yield from _section("Parameters", [(name, _short(value)) for name, value in parameters.items()])
    tracking = started.get("tracking") or {}
    yield from _tracked(state.addresses.mlflow, tracking)
    yield from _section("Artifacts", list(_artifacts(outcome.results)))


def _section(title: str, rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield title
        for line in columns(rows):
            yield f"  {line}"


def _tracked(base: str, tracking: Mapping[str, Any]) -> Iterator[str]:
    """Metrics of the run as MLflow has them, and the pages to open."""
    from tradewind.tracking import MlflowRest, ui_experiment_url, ui_run_url

    run_id, experiment_id = tracking.get("run_id"), tracking.get("experiment_id")
    if not run_id or not experiment_id:
        return
    rest = MlflowRest(base)
    try:
        data = rest.get("runs/get", {"run_id": run_id})["run"]["data"]
    except TradewindError as error:
        yield f"MLflow cannot be asked for the metrics: {error.message}"
        return
    finally:
        rest.close()
    metrics = sorted((entry["key"], entry["value"]) for entry in data.get("metrics", ()))
    yield from _section("Metrics", [(key, f"{value:.6g}") for key, value in metrics])
    yield ""
    yield f"MLflow run: {ui_run_url(base, experiment_id, run_id)}"
    yield f"All runs of experiment {tracking.get('experiment')}: {ui_experiment_url(base, experiment_id)}"


def _artifacts(results: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    for step, result in results.items():
        for name, references in (result.get("artifacts") or {}).items():
            for reference in references:
                kind = str(reference["type"].get("schemaTitle", "")).removeprefix("system.")
                yield f"{step}.{name}", kind, str(reference["uri"])


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    text = " ".join(text.split())
    return text if len(text) <= _VALUE_WIDTH else f"{text[: _VALUE_WIDTH - 3]}... ({len(text)} characters)"


def failure_report(api: AirflowApi, dag_id: str, run_id: str, outcome: Outcome) -> Iterator[str]:
    """Why the run failed: for each failed task the end of its log."""
    for instance in outcome.failed:
        index = f"[{instance['map_index']}]" if instance["map_index"] >= 0 else ""
        yield ""
        yield f"{instance['task_id']}{index} failed (try {instance['try_number']}):"
        for line in _last(api.log(dag_id, run_id, instance)):
            yield f"  {line}"
    if outcome.failed:
        yield ""
        yield "Mend the cause and run again: steps that succeeded are taken from the cache."


def _last(entries: Iterable[Mapping[str, Any]]) -> list[str]:
    """What a log says to somebody who looks for the cause: the error, or else its last lines."""
    said: list[str] = []
    error: list[str] = []
    for entry in entries:
        text = str(entry.get("event", ""))
        if details := entry.get("error_detail"):
            error = str(details[0]["exc_value"]).splitlines()
        elif not text.startswith("::") and not str(entry.get("logger", "")).startswith(_AIRFLOW_LOGGERS):
            said += text.splitlines()
    return [line.rstrip() for line in error or said[-_LOG_LINES:]] or ["(its log is empty)"]
