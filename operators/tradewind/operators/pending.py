"""Records that MLflow could not take when they were new, and how they get there in the end.

A pending record is `{"kind": "run" | "step", "record": {...}}`, in the order in which they have to be
written: a step finds its parent by the run that was written before it. Writing one is an upsert, so one that
was in fact written before an answer got lost does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from tradewind.errors import FatalError
from tradewind.operators.settings import RUN_END

if TYPE_CHECKING:
    from tradewind.tracking import PipelineRunRecord, StepRecord, TrackedRun, Tracker

__all__ = ["PENDING_KEY", "earlier_pending", "pending_run", "pending_step", "write_pending"]

PENDING_KEY = "pending"
"""Key of `run_end`'s XCom with the records that are still to be written."""


def pending_run(record: PipelineRunRecord) -> dict[str, Any]:
    """Return the pending form of a run's record."""
    return {"kind": "run", "record": record.to_dict()}


def pending_step(record: StepRecord) -> dict[str, Any]:
    """Return the pending form of a step's record."""
    return {"kind": "step", "record": record.to_dict()}


def earlier_pending(ti: Any) -> list[dict[str, Any]]:
    """Return what the run before this one left to be written.

    Args:
        ti: the running task instance.
    """
    # With map_indexes: without, the lists of all earlier runs come, as a list.
    left = ti.xcom_pull(task_ids=RUN_END, key=PENDING_KEY, include_prior_dates=True, map_indexes=-1)
    return [item for item in left if isinstance(item, dict)] if isinstance(left, list) else []


def write_pending(tracker: Tracker, pending: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write pending records; every run's own record stands before those of its steps.

    Returns:
        Records that MLflow refuses for good, with the reason under `refused`.

    Raises:
        UnreachableError: MLflow is away; all may be written again.
    """
    from tradewind.tracking import PipelineRunRecord, StepRecord

    runs: dict[tuple[str, str], TrackedRun] = {}
    refused: list[dict[str, Any]] = []
    for item in pending:
        try:
            if item["kind"] == "run":
                record = PipelineRunRecord.from_dict(item["record"])
                write = tracker.write_run if record.status == "RUNNING" else tracker.finish_run
                runs[record.dag_id, record.run_id] = write(record)
            else:
                step = StepRecord.from_dict(item["record"])
                tracker.write_step(step, runs[step.dag_id, step.run_id])
        except (FatalError, KeyError) as error:
            refused.append({**item, "refused": str(error)})
    return refused
