"""Descriptions of runs, in Markdown, as MLflow shows them above a run's details."""

from __future__ import annotations

import re

from tradewind.tracking.links import local_run_link
from tradewind.tracking.records import PipelineRunRecord, StepRecord

__all__ = ["run_note", "step_note"]

# An error may be as long as a log; tags end at 8000 characters, and the closing fence must survive.
_MAX_ERROR = 6000


def run_note(record: PipelineRunRecord) -> str:
    """Link back to Airflow, then the record's own note."""
    link = f"[DAG run in Airflow]({_target(record.airflow_url)})" if record.airflow_url else ""
    return "\n\n".join(part for part in (link, record.note) if part)


def step_note(record: StepRecord) -> str:
    """Link back to Airflow, where a cached result came from, what went wrong."""
    parts = []
    if record.airflow_url:
        parts.append(f"[Task and log in Airflow]({_target(record.airflow_url)})")
    if record.cached_from is not None:
        parts.append(_cached(record.cached_from.get("run", ""), record))
    if record.error:
        error = record.error
        if len(error) > _MAX_ERROR:
            error = "…" + error[-_MAX_ERROR:]
        # A fence longer than any inside keeps the error from being read as Markdown.
        longest = max((len(run) for run in re.findall(r"`+", error)), default=0)
        fence = "`" * max(3, longest + 1)
        parts.append(f"{fence}text\n{error}\n{fence}")
    return "\n\n".join(parts)


def _cached(source: str, record: StepRecord) -> str:
    where = record.cached_from or {}
    words = f"the result of `{source.replace('`', '')}`" if source else "an earlier result"
    links = []
    if where.get("mlflow_run_id"):
        links.append(f"[its run]({local_run_link(where.get('experiment_id', ''), where['mlflow_run_id'])})")
    if where.get("url"):
        links.append(f"[in Airflow]({_target(where['url'])})")
    return f"Cached: {words}" + (f" ({', '.join(links)})" if links else "") + "."


def _target(url: str) -> str:
    return re.sub(r"[\s()<>]", lambda match: f"%{ord(match[0]):02X}", url)
