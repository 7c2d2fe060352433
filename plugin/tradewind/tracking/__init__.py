"""Tracks pipeline runs and steps in MLflow, over REST and without MLflow's client.

`MlflowRest` is the connection, a record says what is to be written, `Tracker` writes it. Anything that could
not be written because MLflow was away is written later from the same record.
"""

from tradewind.tracking.links import (
    planned_uri,
    pod_environment,
    ui_compare_url,
    ui_experiment_url,
    ui_run_artifacts_url,
    ui_run_url,
)
from tradewind.tracking.records import PipelineRunRecord, StepRecord, TrackedRun
from tradewind.tracking.rest import MlflowRest, RejectedError
from tradewind.tracking.tracker import Tracker

__all__ = [
    "MlflowRest",
    "PipelineRunRecord",
    "RejectedError",
    "StepRecord",
    "TrackedRun",
    "Tracker",
    "planned_uri",
    "pod_environment",
    "ui_compare_url",
    "ui_experiment_url",
    "ui_run_artifacts_url",
    "ui_run_url",
]
