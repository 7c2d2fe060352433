"""What `run_start` does: parameters, then the parent run in MLflow."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from tradewind.errors import TradewindError
from tradewind.operators.iteration_limit import check_iterations
from tradewind.operators.links import ARTIFACTS_URL, MLFLOW_URL
from tradewind.operators.mlflow import Tracking
from tradewind.operators.parameters import resolve_parameters
from tradewind.operators.pending import earlier_pending, write_pending
from tradewind.operators.run_options import RunOptions, settings_of_run
from tradewind.operators.settings import RunSettings
from tradewind.plan.iterations import least_iterations

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.run import RunStartOperator
    from tradewind.tracking import PipelineRunRecord, TrackedRun

__all__ = ["open_run", "run_links", "run_record"]

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://tradewind.dev/runs")


def open_run(operator: RunStartOperator, context: Context) -> dict[str, Any]:
    """Resolve the run's parameters and make its MLflow run; returns the XCom of `run_start`.

    Raises:
        FatalError: a parameter is missing, has the wrong type or gives a loop too many iterations.
        TradewindError: MLflow is away and tracking is required.
    """
    ti: Any = context["ti"]
    pipeline = operator.pipeline
    RunOptions.of(context["dag_run"])  # a wrong one fails the run here, before any step
    parameters = resolve_parameters(
        operator.parameters,
        dict(context["params"]),
        operator.templated_params,
        context,
        operator.get_template_env(),
    )
    check_iterations(least_iterations(operator.loops, parameters))
    key = f"{ti.dag_id}/{ti.run_id}"
    job_id = uuid.uuid5(NAMESPACE, key)
    limits = _limits(operator, context)
    try:
        tracking = _track(operator, context, parameters)
    except TradewindError:
        _give_back(operator, limits, ti)
        raise
    return {
        "parameters": parameters,
        "run": {
            "key": key,
            "job_id": str(job_id),
            "job_name": f"{pipeline.pipeline}-{job_id.hex[:8]}",
            **limits,
        },
        "tracking": tracking,
    }


def _limits(operator: RunStartOperator, context: Context) -> dict[str, Any]:
    """What the pipeline's config gives the run: the name of its workspace, when it has to end."""
    found: dict[str, Any] = {}
    config = operator.pipeline.config
    if config.active_deadline:
        dag_run: Any = context["dag_run"]
        found["deadline"] = (
            int((dag_run.start_date or dag_run.run_after).timestamp()) + config.active_deadline
        )
    if config.workspace is not None:
        from tradewind.operators.workspace import open_workspace

        ti: Any = context["ti"]
        found["workspace"] = open_workspace(operator.pipeline, ti.dag_id, ti.run_id, operator.log)
    return found


def _give_back(operator: RunStartOperator, limits: dict[str, Any], ti: Any) -> None:
    """The run does not begin, so there will be no `run_end` to remove its workspace."""
    if "workspace" not in limits:
        return
    from tradewind.operators.workspace import release_workspace

    try:
        release_workspace(operator.pipeline, ti.dag_id, ti.run_id, succeeded=False, log=operator.log)
    except TradewindError as error:
        operator.log.warning("The workspace %s is left behind: %s", limits["workspace"], error)


def _track(operator: RunStartOperator, context: Context, parameters: dict[str, Any]) -> dict[str, Any] | None:
    tracking = Tracking.of(operator.pipeline, operator.log)
    if tracking is None:
        return None
    record = run_record(operator.pipeline, context, parameters)
    run = tracking.attempt("the begin of the run", lambda tracker: tracker.write_run(record))
    if run is not None:
        operator.links = run_links(tracking, run)
    return {
        "experiment": record.experiment,
        "experiment_id": run.experiment_id if run else None,
        "run_id": run.run_id if run else None,
        "artifact_uri": run.artifact_uri if run else None,
        "group": run.group if run else None,
        "pending": None if run else record.to_dict(),
        "earlier_left": not _wrote_earlier(operator, context, tracking, away=run is None),
    }


def _wrote_earlier(operator: RunStartOperator, context: Context, tracking: Tracking, *, away: bool) -> bool:
    """Write what an earlier run could not; False: it is for the end of this one to do."""
    left = earlier_pending(context["ti"])
    if not left:
        return True
    if away:
        return False
    rest = tracking.attempt("what an earlier run had left", lambda tracker: write_pending(tracker, left))
    for item in rest or []:
        operator.log.warning("MLflow refuses a record of an earlier run: %s", item["refused"])
    return rest is not None


def run_record(pipeline: RunSettings, context: Context, parameters: dict[str, Any]) -> PipelineRunRecord:
    """Return the record of a pipeline run that has just begun."""
    from tradewind.tracking import PipelineRunRecord

    ti: Any = context["ti"]
    dag_run: Any = context["dag_run"]
    pipeline = settings_of_run(pipeline, dag_run)
    begun = dag_run.start_date or dag_run.run_after
    return PipelineRunRecord(
        dag_id=ti.dag_id,
        run_id=ti.run_id,
        experiment=pipeline.experiment_name,
        name=ti.run_id,
        pipeline=pipeline.pipeline,
        start_ms=int(begun.timestamp() * 1000),
        params=parameters,
        airflow_url=ti.log_url.partition("/tasks/")[0],
    )


def run_links(tracking: Tracking, run: TrackedRun) -> dict[str, str]:
    """Return the addresses of an MLflow run's pages, by XCom key."""
    from tradewind.tracking import ui_run_artifacts_url, ui_run_url

    place = (tracking.access.ui_uri, run.experiment_id, run.run_id)
    return {MLFLOW_URL: ui_run_url(*place), ARTIFACTS_URL: ui_run_artifacts_url(*place)}
