"""`tradewind run`: one run of a pipeline, on the running stack or on one that lives as long as the run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.clusters import ClusterChoice, choose_cluster, client_of, version_of
from tradewind.cli.deployment import Deployment, deployed, folder_that_loads, run_pipeline_of, wait_for_dag
from tradewind.cli.exits import ExitCode, UsageError
from tradewind.cli.following import Outcome, cancel, follow
from tradewind.cli.mlflow_option import mlflow_address, require_mlflow
from tradewind.cli.parameters import read_parameters
from tradewind.cli.progress import Screen, screen
from tradewind.cli.source import Source, read_source
from tradewind.cli.summary import failure_report, run_report
from tradewind.local.stack import USER, Home, Options, Stack, StackError, StackState, read_password, running
from tradewind.local.stack.environment import bundle_name
from tradewind.local.stack.pipelines import RunPipeline
from tradewind.operators.run_options import CACHING, EXPERIMENT, PIPELINE_ROOT, is_artifact_root

__all__ = ["run_pipeline"]

_START_SECONDS = 180.0


@dataclass(frozen=True, slots=True)
class _Session:
    """The stack that a run uses, and how to see that it still lives."""

    state: StackState
    check: Callable[[], None]
    temporary: bool = False


def run_pipeline(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind run`.

    Raises:
        TradewindError: the input cannot be used, or the stack cannot; nothing runs then.
    """
    asked = _asked(options)
    source = read_source(options.file, pipeline=options.pipeline)
    plan = source.plan()
    values = read_parameters(options.param, plan.parameters, source=options.file, given=source.run.params)
    cluster, mlflow = choose_cluster(options.cluster), mlflow_address(options.mlflow)
    home = Home.default()
    state = running(home)
    if not options.watch and state is None:
        raise UsageError(
            "--no-watch needs a stack that goes on after this command", remedy="Start one with: tradewind up"
        )
    folder = folder_that_loads(source, state.dag_folders) if state is not None and cluster is None else None
    connection_id = cluster.connection_id if cluster is not None else None
    pipeline = run_pipeline_of(source, connection_id) if folder is None else None
    if cluster is not None:
        version_of(client_of(cluster.kubeconfig, cluster.context))
    with ExitStack() as stack, screen() as show:
        session = _session(stack, home, state, cluster, mlflow, show)
        api = AirflowApi(session.state.addresses.airflow, USER, read_password(home))
        if cluster is not None:
            api.set_connection(cluster.connection_id, "kubernetes", cluster.extra)
        if pipeline is not None and source.run.left_out:
            show.say(f"Not taken over from {source.path.name}: {', '.join(source.run.left_out)}")
        with _dag(home, api, source, pipeline, folder, session, show) as deployment:
            wait_for_dag(api, deployment, session.check)
            run_id = api.trigger(deployment.dag_id, values | asked)
        count = len(plan.steps)
        show.say(f"Run {run_id} of {deployment.dag_id}: {count} step{'s' if count != 1 else ''}")
        if not options.watch:
            show.say(f"See {_run_url(session.state, deployment, run_id)}")
            return ExitCode.OK
        outcome = _watch(api, deployment, run_id, list(plan.steps), show, session)
        if outcome is None:
            return ExitCode.INTERRUPTED
        show.steps([])
        if not outcome.ok:
            for line in failure_report(api, deployment.dag_id, run_id, outcome):
                show.say(line)
        for line in run_report(api, session.state, deployment.dag_id, run_id, outcome):
            show.say(line)
        if session.temporary:
            show.say("Open the UIs of Airflow and MLflow: tradewind up (in a checkout: make up)")
        else:
            show.say(f"Airflow: {_run_url(session.state, deployment, run_id)}")
    return ExitCode.OK if outcome.ok else ExitCode.FAILED


def _asked(options: argparse.Namespace) -> dict[str, Any]:
    """What this run is told about Tradewind itself, for its configuration."""
    asked: dict[str, Any] = {CACHING: False} if options.no_cache else {}
    if options.pipeline_root is not None:
        if not is_artifact_root(options.pipeline_root):
            remedy = "Give one such as s3://bucket/folder, or mlflow."
            raise UsageError(f"--pipeline-root {options.pipeline_root!r} is no URI", remedy=remedy)
        asked[PIPELINE_ROOT] = options.pipeline_root
    if options.experiment is not None:
        if not options.experiment.strip():
            raise UsageError(
                "--experiment is empty", remedy="Give a name, or leave it out for the pipeline's own."
            )
        asked[EXPERIMENT] = options.experiment
    return asked


def _session(
    stack: ExitStack,
    home: Home,
    state: StackState | None,
    cluster: ClusterChoice | None,
    mlflow: str,
    show: Screen,
) -> _Session:
    if state is None:
        if mlflow:
            require_mlflow(mlflow)
        home.create()
        show.say("Starting Airflow, MLflow and the embedded cluster for this run (tradewind up keeps them)")
        chosen = Options(mlflow=mlflow)
        if cluster is not None:
            chosen = replace(chosen, kubeconfig=cluster.kubeconfig, context=cluster.context)
        started = stack.enter_context(Stack(home, chosen, progress=lambda line: show.say(f"  {line}")))
        return _Session(started.state, started.check, temporary=True)
    state = _ready(home, state)
    if mlflow and mlflow != state.addresses.mlflow:
        raise UsageError(
            f"the running stack uses MLflow at {state.addresses.mlflow}",
            remedy="Leave --mlflow out, or stop the stack first.",
        )
    return _Session(state, lambda: _still_running(home))


def _dag(
    home: Home,
    api: AirflowApi,
    source: Source,
    pipeline: RunPipeline | None,
    folder: Path | None,
    session: _Session,
    show: Screen,
) -> AbstractContextManager[Deployment]:
    """The DAG of which a run is to begin: the file's own where the stack loads it, or one made of it."""
    if pipeline is None:
        assert folder is not None
        return nullcontext(Deployment(source.dag_id, source.path, bundle_name(folder)))
    return deployed(home, api, pipeline, session.state.dag_folders, show.say)


def _ready(home: Home, state: StackState | None) -> StackState:
    """The state of a stack that somebody else runs, once it has started."""
    deadline = time.monotonic() + _START_SECONDS
    while state is not None and not state.ready and time.monotonic() < deadline:
        time.sleep(0.2)
        state = running(home)
    if state is None or not state.ready:
        raise StackError(
            "the stack that was starting did not get ready", remedy=f"See the logs in {home.logs}."
        )
    return state


def _still_running(home: Home) -> None:
    if running(home) is None:
        raise StackError(
            "the stack was stopped during the run",
            remedy="Start it again with tradewind up: the run goes on.",
        )


def _watch(
    api: AirflowApi,
    deployment: Deployment,
    run_id: str,
    steps: list[str],
    show: Screen,
    session: _Session,
) -> Outcome | None:
    """Follow the run; None when it was interrupted, and then it is cancelled."""
    try:
        return follow(api, deployment.dag_id, run_id, steps, show, session.check)
    except KeyboardInterrupt:
        show.say("Cancelling the run (Ctrl-C again leaves it as it is)")
        ended = cancel(api, deployment.dag_id, run_id)
        show.say("The run is cancelled" if ended else "The run is marked failed; some steps are still ending")
        return None


def _run_url(state: StackState, deployment: Deployment, run_id: str) -> str:
    return f"{state.addresses.airflow}/dags/{deployment.dag_id}/runs/{run_id}"
