"""KFP's constant placeholders: what a run and a task are called."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from tradewind.operators.storage import artifact_root
from tradewind.operators.workspace import MOUNT_PATH

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.settings import RunSettings
    from tradewind.operators.view import RunFacts

__all__ = ["constant_placeholders"]


def constant_placeholders(
    context: Context, run: RunFacts, pipeline: RunSettings, *, task: str = "", uuid: str = ""
) -> dict[str, str]:
    """Return the values of `tradewind.plan.placeholders.CONSTANTS`.

    Args:
        task: name of the task in its pipeline.
        uuid: the same in every try of the task, and in no other task.
    """
    dag_run: Any = context["dag_run"]
    created = dag_run.run_after or dag_run.start_date
    workspace = {"workspace_path": MOUNT_PATH} if run.workspace else {}
    return {
        "pipeline_job_name": run.job_name,
        "pipeline_job_resource_name": run.job_name,
        "pipeline_job_uuid": run.job_id,
        "pipeline_task_name": task,
        "pipeline_task_uuid": uuid,
        **workspace,
        "pipeline_root": artifact_root(pipeline, run.tracking),
        "pipeline_job_create_time_utc": _utc(created),
        "pipeline_job_schedule_time_utc": _utc(dag_run.logical_date or created),
    }


def _utc(moment: Any) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment.timestamp())) if moment else ""
