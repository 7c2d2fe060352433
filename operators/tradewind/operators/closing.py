"""What `run_end` does, in the order of its worth: pods that were left behind, records that were, the run's
end.

It runs whatever happened. Nothing here may turn a run that succeeded into one that failed, so MLflow and the
cluster get a budget, and what could not be done is said in a warning (and, for MLflow, kept for the next run
of the DAG).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from tradewind.cluster import run_selector
from tradewind.errors import FatalError, TradewindError, UnreachableError
from tradewind.operators.configuration import configuration
from tradewind.operators.inputs import Upstream
from tradewind.operators.mlflow import Tracking
from tradewind.operators.opening import run_links, run_record
from tradewind.operators.outcome import was_cut_short
from tradewind.operators.pending import PENDING_KEY, earlier_pending, pending_run, write_pending
from tradewind.operators.settings import RUN_START, STEPS_DONE
from tradewind.operators.step_tracking import TRACKING_KEY
from tradewind.plan import evaluate

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.run import RunEndOperator
    from tradewind.tracking import PipelineRunRecord, TrackedRun, Tracker

__all__ = ["close_run"]

BAD = ("failed", "upstream_failed")
PAUSE_SECONDS = 3.0


def close_run(operator: RunEndOperator, context: Context) -> dict[str, Any]:
    """Close a run; returns the XCom of `run_end`.

    Raises:
        FatalError: the run was ended by hand, see `tradewind.operators.outcome`.
        TradewindError: MLflow stayed away and tracking is required.
    """
    states = _states(operator, context)
    ti: Any = context["ti"]
    cut_short = was_cut_short(states, lambda step: ti.xcom_pull(task_ids=step) is not None)
    status = _status(states, cut_short)
    if status != "FINISHED":
        _remove_pods(operator, context)
    pending = _track(operator, context, states, status)
    if cut_short:
        raise FatalError("The run was ended by hand before all of its steps had run.")
    return {"status": status, "pending": len(pending)}


def _states(operator: RunEndOperator, context: Context) -> dict[str, str]:
    """Return the states of the steps' task instances; mapped ones have an index behind their name."""
    ti: Any = context["ti"]
    found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
    own = {ti.task_id, RUN_START, STEPS_DONE}
    return {name: str(state) for name, state in (found.get(ti.run_id) or {}).items() if name not in own}


def _status(states: Mapping[str, str], cut_short: bool) -> Literal["FINISHED", "FAILED", "KILLED"]:
    if cut_short:
        return "KILLED"
    return "FAILED" if any(state in BAD for state in states.values()) else "FINISHED"


def _remove_pods(operator: RunEndOperator, context: Context) -> None:
    from tradewind.operators.sweep import remove_pods

    ti: Any = context["ti"]
    try:
        names = remove_pods(operator.pipeline, run_selector(ti.dag_id, ti.run_id))
    except TradewindError as error:
        operator.log.warning("Pods of the run may be left behind: %s", error)
        return
    if names:
        operator.log.info("Removed pods that were left behind: %s", ", ".join(names))


def _track(
    operator: RunEndOperator, context: Context, states: Mapping[str, str], status: Any
) -> list[dict[str, Any]]:
    ti: Any = context["ti"]
    tracking = Tracking.of(operator.pipeline, operator.log)
    start = ti.xcom_pull(task_ids=RUN_START, map_indexes=-1)
    if tracking is None or not start or start.get("tracking") is None:
        return []
    begun = run_record(operator.pipeline, context, start["parameters"])
    record = replace(
        begun,
        status=status,
        end_ms=int(time.time() * 1000),
        outputs=_outputs(operator, context) if status == "FINISHED" else {},
    )
    steps = _pending_steps(ti, states)
    earlier = earlier_pending(ti) if start["tracking"].get("earlier_left") else []
    pending = [*earlier, *([pending_run(begun), *steps] if steps else [])]
    left = _write(tracking, operator, record, pending, start["tracking"])
    ti.xcom_push(key=PENDING_KEY, value=left)
    return left


def _pending_steps(ti: Any, states: Mapping[str, str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for task_id, state in states.items():
        if state == "success":
            parked = (ti.xcom_pull(task_ids=task_id) or {}).get("parked")
        elif state == "failed":
            parked = (ti.xcom_pull(task_ids=task_id, key=TRACKING_KEY) or {}).get("pending")
        else:
            continue
        if parked:
            found.append({"kind": "step", "record": parked})
    return found


def _outputs(operator: RunEndOperator, context: Context) -> dict[str, Any]:
    upstream = Upstream(context["ti"])
    found: dict[str, Any] = {}
    for name, binding in operator.outputs.items():
        try:
            value = evaluate(binding, upstream.view(upstream.run(), {}), {})
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
