"""What a record amounts to in MLflow: names, tags and metrics of its run. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.tracking import names
from tradewind.tracking.lineage import references
from tradewind.tracking.notes import run_note, step_note
from tradewind.tracking.records import PipelineRunRecord, StepRecord, TrackedRun
from tradewind.tracking.runs import KIND_TAG

__all__ = ["end_tags", "numbers", "run_tags", "step_metrics", "step_name", "step_tags"]

# Decided at a run's birth, whatever a record's own tags say.
_OURS = ("tradewind.", "mlflow.parentRunId", "mlflow.note.content", "mlflow.source.")
_IN_MLFLOW = ("mlflow-artifacts:", "runs:", "models:")
_METRICS_TYPES = ("system.Metrics", "system.ClassificationMetrics")


def run_tags(record: PipelineRunRecord) -> dict[str, str]:
    """Tags that a pipeline run is born with."""
    tags = {
        **record.tags,
        KIND_TAG: "pipeline",
        "tradewind.dag_id": record.dag_id,
        "tradewind.run_id": record.run_id,
        "tradewind.pipeline": record.pipeline,
        "mlflow.source.name": record.dag_id,
        "mlflow.source.type": "JOB",
        "mlflow.note.content": run_note(record),
    }
    return {key: value for key, value in tags.items() if value}


def step_name(record: StepRecord) -> str:
    """Name of a step try's run: `train`, `train [2.0]`, `train (try 2)`."""
    name = record.display_name or record.step
    if record.iteration:
        name += f" [{record.iteration}]"
    if record.try_number > 1:
        name += f" (try {record.try_number})"
    return name


def step_tags(record: StepRecord, parent: TrackedRun) -> dict[str, str]:
    """Tags that a step try's run is born with."""
    tags = {
        **record.tags,
        KIND_TAG: "step",
        "tradewind.dag_id": record.dag_id,
        "tradewind.run_id": record.run_id,
        "tradewind.task_id": record.step,
        "tradewind.map_index": str(record.map_index),
        "tradewind.try_number": str(record.try_number),
        "mlflow.parentRunId": parent.run_id,
        "mlflow.source.name": record.dag_id,
        "mlflow.source.type": "JOB",
        "mlflow.note.content": step_note(record),
    }
    return {key: value for key, value in tags.items() if value}


def step_metrics(record: StepRecord) -> dict[str, float]:
    """All metrics of a step: number outputs, scalars of its Metrics artifacts, `record.metrics`.

    Scalars keep their names; when a step has several Metrics artifacts, the artifact's name stands
    before them: `train_metrics/accuracy`. On equal names the later of the three wins.
    """
    metrics, _ = numbers(record.outputs)
    found = [pair for title in _METRICS_TYPES for pair in references(record.artifacts, title)]
    scalars = [
        (
            name,
            {
                key: number
                for key, value in (reference.get("metadata") or {}).items()
                if (number := names.number(value)) is not None
            },
        )
        for name, reference in found
    ]
    scalars = [(name, values) for name, values in scalars if values]
    for name, values in scalars:
        prefix = f"{name}/" if len(scalars) > 1 else ""
        metrics.update({prefix + key: value for key, value in values.items()})
    metrics.update(record.metrics)
    return metrics


def numbers(outputs: Mapping[str, Any]) -> tuple[dict[str, float], dict[str, str]]:
    """Output parameters as metrics and, where they are no numbers, as tags."""
    metrics: dict[str, float] = {}
    tags: dict[str, str] = {}
    for name, value in outputs.items():
        number = None if isinstance(value, bool) else names.number(value)
        if number is None:
            tags[f"tradewind.output.{name}"] = names.text(value)
        else:
            metrics[name] = number
    return metrics, tags


def _elsewhere(record: StepRecord) -> dict[str, str]:
    """URIs of artifacts that MLflow does not keep: on its pages of artifacts they cannot be found."""
    return {
        f"tradewind.artifact.{name}" + (f"/{index}" if len(listed) > 1 else ""): str(reference["uri"])
        for name, listed in record.artifacts.items()
        for index, reference in enumerate(listed)
        if reference.get("uri") and not str(reference["uri"]).startswith(_IN_MLFLOW)
    }


def end_tags(record: StepRecord) -> dict[str, str]:
    """Tags that a step try gets at its end: outputs, artifacts elsewhere, error, a cached result's origin."""
    _, tags = numbers(record.outputs)
    tags |= _elsewhere(record)
    if record.error:
        tags["tradewind.error"] = record.error
        tags["mlflow.note.content"] = step_note(record)
    if record.cached_from is not None:
        tags["tradewind.cached"] = "true"
        tags["mlflow.note.content"] = step_note(record)
        source = record.cached_from.get("mlflow_run_id")
        if source:
            tags["tradewind.cached_from"] = source
    more = {key: value for key, value in record.tags.items() if not key.startswith(_OURS)}
    return {**more, **tags}
