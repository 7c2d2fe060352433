"""What `run_end` does: it removes pods that were left behind, writes records that were, and the run's end.

It runs whatever happened. Nothing here may turn a run that succeeded into one that failed, so MLflow and the
cluster get a budget, and what could not be done is said in a warning (and, for MLflow, kept for the next run
of the DAG). A run that failed where Airflow does not see it is told so (`tradewind.operators.outcome`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tradewind.cluster import run_selector
from tradewind.errors import FatalError, TradewindError, UnreachableError
from tradewind.operators.access import ClusterAccess, cluster_access, pipeline_pod_arguments
from tradewind.operators.configuration import configuration
from tradewind.operators.evidence import RunEvidence
from tradewind.operators.mlflow import Tracking
from tradewind.operators.opening import run_links, run_record
from tradewind.operators.outcome import shows_failure, was_cut_short
from tradewind.operators.pending import PENDING_KEY, earlier_pending, pending_run, write_pending
from tradewind.operators.settings import RUN_START
from tradewind.operators.view import RunFacts, TaskView
from tradewind.operators.xcoms import RunXComs
from tradewind.plan import evaluate
from tradewind.plan.view import NoValueError

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.run import RunEndOperator
    from tradewind.tracking import PipelineRunRecord, TrackedRun, Tracker
    from tradewind.tracking.records import Status

__all__ = ["close_run"]

MOST_NAMED = 20
PAUSE_SECONDS = 3.0


def close_run(operator: RunEndOperator, context: Context) -> dict[str, Any]:
    """Close a run; returns the XCom of `run_end`.

    Raises:
        FatalError: the run was ended by hand, or a step failed and Airflow would not see it; see
            `tradewind.operators.outcome`.
        TradewindError: MLflow stayed away and tracking is required.
    """
    xcoms = RunXComs(context["ti"])
    evidence = RunEvidence(operator.plan, xcoms)
    cut_short = was_cut_short(operator.plan, evidence.states, evidence)
    failed = evidence.failures()
    status: Status = "KILLED" if cut_short else "FAILED" if failed or evidence.is_broken() else "FINISHED"
    removal = _begin_removal(operator, context)
    try:
        if operator.pipeline.config.workspace is not None:
            _release_workspace(operator, context, status)
        pending = _track(operator, context, xcoms, evidence, status)
    finally:
        removal.join()
    if cut_short:
        raise FatalError("The run was ended by hand before all of its steps had run.")
    if failed and not shows_failure(evidence.states, operator.last_steps):
        more = [f"and {len(failed) - MOST_NAMED} more"] if len(failed) > MOST_NAMED else []
        raise FatalError("\n  ".join(["The run failed:", *failed[:MOST_NAMED], *more]))
    return {"status": status, "pending": len(pending)}


def _begin_removal(operator: RunEndOperator, context: Context) -> threading.Thread:
    """Begin to remove what pods the run has left, also one that succeeded: a pod whose removal failed, or
    that a retry did not take over. Beside what is written to MLflow, since every run waits for it.
    """
    from tradewind.operators.sweep import remove_pods

    ti: Any = context["ti"]
    selector = run_selector(ti.dag_id, ti.run_id)
    places: list[ClusterAccess] = []
    for place in ({}, *operator.elsewhere):
        try:  # here and not in the thread: it asks Airflow for the connection
            places.append(cluster_access(pipeline_pod_arguments(operator.pipeline, place)))
        except TradewindError as error:
            operator.log.warning("Pods of the run may be left behind: %s", error)

    def remove() -> None:
        for access in places:
            try:
                names = remove_pods(access, selector)
            except TradewindError as error:
                operator.log.warning("Pods of the run may be left behind: %s", error)
                continue
            if names:
                operator.log.info("Removed pods that were left behind: %s", ", ".join(names))

    thread = threading.Thread(target=remove, name="remove-pods", daemon=True)
    thread.start()
    return thread


def _release_workspace(operator: RunEndOperator, context: Context, status: Status) -> None:
    from tradewind.operators.workspace import release_workspace

    ti: Any = context["ti"]
    try:
        release_workspace(
            operator.pipeline, ti.dag_id, ti.run_id, succeeded=status == "FINISHED", log=operator.log
        )
    except TradewindError as error:
        operator.log.warning("The run's workspace may be left behind: %s", error)


def _track(
    operator: RunEndOperator, context: Context, xcoms: RunXComs, evidence: RunEvidence, status: Status
) -> list[dict[str, Any]]:
    ti: Any = context["ti"]
    tracking = Tracking.of(operator.pipeline, operator.log)
    start = xcoms.one(RUN_START)
    if tracking is None or not start or start.get("tracking") is None:
        return []
    begun = run_record(operator.pipeline, context, start["parameters"])
    record = replace(
        begun,
        status=status,
        end_ms=int(time.time() * 1000),
        outputs=_outputs(operator, ti, xcoms) if status == "FINISHED" else {},
    )
    steps = evidence.parked()
    earlier = earlier_pending(ti) if start["tracking"].get("earlier_left") else []
    pending = [*earlier, *([pending_run(begun), *steps] if steps else [])]
    left = _write(tracking, operator, record, pending, start["tracking"])
    ti.xcom_push(key=PENDING_KEY, value=left)
    return left


def _outputs(operator: RunEndOperator, ti: Any, xcoms: RunXComs) -> dict[str, Any]:
    view = TaskView(xcoms, RunFacts.of(ti, xcoms), operator.nest, {}, {})
    found: dict[str, Any] = {}
    for name, binding in operator.plan.outputs.items():
        try:
            value = evaluate(binding, view, {})
        except NoValueError:
            continue  # of a step that a condition kept from running
        except TradewindError as error:
            operator.log.warning("The pipeline's output %r is unknown: %s", name, error)
            continue
        if not _is_artifacts(value):
            found[name] = value
    return found


def _is_artifacts(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(item, dict) and "uri" in item for item in value)


def _write(
    tracking: Tracking,
    operator: RunEndOperator,
    record: PipelineRunRecord,
    pending: list[dict[str, Any]],
    start: Mapping[str, Any],
) -> list[dict[str, Any]]:
    """Write everything, for as long as the budget lasts. Returns what is left."""
    budget = configuration().end_budget_seconds
    deadline = time.monotonic() + budget
    tracker = tracking.access.tracker(min(10.0, budget))
    while True:
        try:
            refused = write_pending(tracker, pending)
            run = _finish(tracker, record, start)
            operator.links = run_links(tracking, run)
        except UnreachableError as error:
            if time.monotonic() + PAUSE_SECONDS < deadline:
                time.sleep(PAUSE_SECONDS)
                continue
            if tracking.mode == "required":
                raise
            operator.log.warning(
                "MLflow stayed away for %s s; the next run of the DAG writes it. %s", budget, error
            )
            return [*(pending or []), pending_run(record)]
        except FatalError as error:
            if tracking.mode == "required":
                raise
            operator.log.warning("MLflow refuses the end of the run: %s", error)
            return []
        for item in refused:
            operator.log.warning(
                "MLflow refuses the record of step %s: %s", item["record"].get("step"), item["refused"]
            )
        return []


def _finish(tracker: Tracker, record: PipelineRunRecord, start: Mapping[str, Any]) -> TrackedRun:
    from tradewind.tracking import TrackedRun

    if not start.get("run_id"):
        return tracker.finish_run(record)
    known = TrackedRun(
        experiment_id=start["experiment_id"],
        run_id=start["run_id"],
        artifact_uri=start.get("artifact_uri") or "",
        group=start.get("group") or "",
    )
    return tracker.finish_run(record, known)
