"""Runs that stand as RUNNING in MLflow, in all experiments.

The end of a DAG run closes what is open below it. Where that end never came, because its Airflow was lost or
MLflow stayed away for good, runs stay open, and only somebody who knows what still runs can tell which.
"""

from __future__ import annotations

from typing import Any

from tradewind.tracking.rest import MlflowRest
from tradewind.tracking.runs import GROUP_TAG, FoundRun, Runs

__all__ = ["dag_run_of", "open_runs"]

_PAGE = 100


def open_runs(rest: MlflowRest) -> list[FoundRun]:
    """Return all of our runs that are RUNNING, step tries before the pipeline runs that they belong to.

    Raises:
        UnreachableError, RejectedError, ConfigurationError: MLflow does not answer, or refuses.
    """
    runs = Runs(rest)
    found: list[FoundRun] = []
    query: dict[str, Any] = {"max_results": _PAGE, "view_type": "ACTIVE_ONLY"}
    while True:
        answer = rest.post("experiments/search", query)
        ids = [str(experiment["experiment_id"]) for experiment in answer.get("experiments", [])]
        if ids:
            found += runs.search(ids, f"attributes.status = 'RUNNING' AND tags.`{GROUP_TAG}` != ''")
        if not answer.get("next_page_token"):
            return sorted(found, key=lambda run: "mlflow.parentRunId" not in run.tags)
        query["page_token"] = answer["next_page_token"]


def dag_run_of(run: FoundRun) -> tuple[str, str] | None:
    """Return the DAG id and run id that a run was made for."""
    dag_id, run_id = run.tags.get("tradewind.dag_id"), run.tags.get("tradewind.run_id")
    return (dag_id, run_id) if dag_id and run_id else None
