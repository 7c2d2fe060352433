"""From a pipeline in a file to a DAG that the stack's Airflow can start."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.exits import UsageError
from tradewind.cli.source import Source
from tradewind.errors import InvalidPipelineError, Problem, TradewindError
from tradewind.local.stack.environment import RUN_BUNDLE, bundle_name
from tradewind.local.stack.home import Home
from tradewind.local.stack.pipelines import RunPipeline, installing

__all__ = ["Deployment", "deployed", "folder_that_loads", "run_pipeline_of", "wait_for_dag"]

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


def run_pipeline_of(source: Source, cluster: str | None) -> RunPipeline:
    """The pipeline of a file as the stack's Airflow is to run it.

    Args:
        cluster: Airflow connection of the cluster for its steps; None: the stack's.

    Raises:
        InvalidPipelineError: a setting of its pods is not data.
        UsageError: the file holds a finished plan.
    """
    from tradewind import ir

    if problems := list(source.run.problems()):
        raise InvalidPipelineError(str(source.path), problems)
    settings = dict(source.run.settings)
    if cluster is not None:
        settings["cluster"] = cluster
    if source.run.params:
        settings["params"] = dict(source.run.params)
    return RunPipeline(source.dag_id, ir.dump(source.pipeline), settings, origin=source.path)


def folder_that_loads(source: Source, folders: Iterable[Path]) -> Path | None:
    """The folder from which the stack loads this very file as a DAG file, if it does."""
    if not source.makes_dag:
        return None
    return next((folder for folder in folders if source.path.is_relative_to(folder)), None)


@contextmanager
def deployed(
    home: Home, api: AirflowApi, pipeline: RunPipeline, folders: Iterable[Path], say: Callable[[str], None]
) -> Iterator[Deployment]:
    """Give a pipeline to Airflow. While this lasts, nobody else replaces it: a run is begun meanwhile.

    Args:
        home: of the running stack.
        folders: from which it loads DAG files.
        say: told when the DAG has another name than the pipeline, and why.
    """
    with installing(home, pipeline.dag_id):
        if reason := _in_use(home, api, pipeline, folders):
            pipeline = pipeline.under_its_own_id()
            say(f"{reason}: this one runs as {pipeline.dag_id}")
        yield Deployment(pipeline.dag_id, pipeline.install(home), RUN_BUNDLE)


def _in_use(home: Home, api: AirflowApi, pipeline: RunPipeline, folders: Iterable[Path]) -> str:
    """Why the DAG of this id has to stay what it is; empty when it need not."""
    dag = api.dag(pipeline.dag_id)
    if dag is None:
        return ""
    if not dag["is_stale"] and dag["bundle_name"] in map(bundle_name, folders):
        return f"The DAG {pipeline.dag_id} is that of {dag['fileloc']}"
    if not pipeline.is_installed(home) and (run := api.active_run(pipeline.dag_id)):
        return f"Another version of {pipeline.dag_id} goes on in {run}"
    return ""


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
