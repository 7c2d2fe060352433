"""From a pipeline in a file to a DAG that the stack's Airflow can start."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.exits import UsageError
from tradewind.cli.source import Source
from tradewind.errors import InvalidPipelineError, Problem, TradewindError
from tradewind.local.stack.environment import RUN_BUNDLE
from tradewind.local.stack.home import Home
from tradewind.local.stack.pipelines import install_pipeline

__all__ = ["Deployment", "deploy", "is_loaded_from", "wait_for_dag"]

WAIT_SECONDS = 90.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """A DAG that Airflow has, or is about to load.

    Attributes:
        dag_id: its id.
        file: the file that it is loaded from; Airflow must have read it after its last change.
        bundle: the DAG bundle of that file.
    """

    dag_id: str
    file: Path
    bundle: str


def deploy(home: Home, source: Source, overrides: Mapping[str, Any]) -> Deployment:
    """Hand a pipeline to the stack's Airflow, running or not.

    Args:
        home: the stack's directory.
        source: the pipeline and its settings.
        overrides: arguments of `pipeline_dag` that win over the file's.
    """
    from tradewind import ir

    settings = {**source.settings, **overrides}
    if source.params:
        settings["params"] = dict(source.params)
    file = install_pipeline(home, source.dag_id, ir.dump(source.pipeline), settings, origin=source.path)
    return Deployment(source.dag_id, file, RUN_BUNDLE)


def is_loaded_from(source: Source, folders: tuple[Path, ...]) -> Path | None:
    """The folder from which the stack loads this very file as a DAG file, if it does."""
    return next((folder for folder in folders if source.path.is_relative_to(folder)), None)


def wait_for_dag(api: AirflowApi, deployment: Deployment, check: Callable[[], None]) -> None:
    """Return when Airflow has loaded the deployment as it is now.

    Args:
        check: called now and then; raises when waiting has become pointless.

    Raises:
        InvalidPipelineError: Airflow cannot load it; has its reason.
        UsageError: the DAG is paused, or another file has one of this id.
        TradewindError: Airflow did not look at it in time.
    """
    changed = deployment.file.stat().st_mtime
    deadline = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < deadline:
        dag = api.dag(deployment.dag_id)
        if dag is not None and _read_since(dag, deployment, changed):
            _unpause(api, dag)
            return
        if reason := _import_error(api, deployment):
            lines = [line for line in reason.splitlines() if line.strip()]
            raise InvalidPipelineError(
                str(deployment.file), [Problem("DAG file", line) for line in lines[-5:]]
            )
        check()
        time.sleep(0.2)
    if dag is not None and not dag["is_stale"] and dag["bundle_name"] != deployment.bundle:
        remedy = "Give one of the two another name, or stop the stack that loads the other."
        raise UsageError(
            f"Airflow has a DAG {deployment.dag_id!r} from another file: {dag['fileloc']}", remedy=remedy
        )
    raise TradewindError(
        f"Airflow did not load {deployment.file} within {WAIT_SECONDS:.0f} s",
        remedy="See dag-processor.log in the stack's logs.",
    )


def _import_error(api: AirflowApi, deployment: Deployment) -> str:
    """Why Airflow could not load the file; empty when it could, or has not tried."""
    for entry in api.import_errors():
        if entry["bundle_name"] == deployment.bundle and deployment.file.match(f"*/{entry['filename']}"):
            return str(entry["stack_trace"])
    return ""


def _read_since(dag: Mapping[str, Any], deployment: Deployment, changed: float) -> bool:
    """Whether Airflow began to read the file after it was changed last."""
    if dag["is_stale"] or dag["bundle_name"] != deployment.bundle or not dag["last_parsed_time"]:
        return False
    ended = datetime.fromisoformat(dag["last_parsed_time"]).timestamp()
    return ended - (dag.get("last_parse_duration") or 0.0) >= changed


def _unpause(api: AirflowApi, dag: Mapping[str, Any]) -> None:
    if not dag["is_paused"]:
        return
    if dag["bundle_name"] != RUN_BUNDLE:
        raise UsageError(
            f"the DAG {dag['dag_id']!r} is paused in Airflow, so that its runs wait",
            remedy="Unpause it in Airflow's UI.",
        )
    api.unpause(dag["dag_id"])
