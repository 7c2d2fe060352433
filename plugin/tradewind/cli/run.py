"""`tradewind run`: one run of a pipeline, on the running stack or on one that lives as long as the run."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.clusters import ClusterChoice, choose_cluster
from tradewind.cli.deployment import Deployment, deploy, is_loaded_from, wait_for_dag
from tradewind.cli.exits import ExitCode, UsageError
from tradewind.cli.following import Outcome, cancel, follow
from tradewind.cli.parameters import read_parameters
from tradewind.cli.progress import Screen, screen
from tradewind.cli.source import Source, read_source
from tradewind.cli.summary import failure_report, run_report
from tradewind.local.stack import USER, Home, Options, Stack, StackError, StackState, read_password, running
from tradewind.local.stack.environment import bundle_name
from tradewind.operators.run_options import CACHING, PIPELINE_ROOT

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
    from tradewind import plan

    source = read_source(options.file, pipeline=options.pipeline)
    built = plan.build(source.pipeline)
    values = read_parameters(options.param, built.parameters, source=options.file, given=source.params)
    cluster = choose_cluster(options.cluster)
    home = Home.default()
    if not options.watch and running(home) is None:
        raise UsageError(
            "--no-watch needs a stack that goes on after this command", remedy="Start one with: tradewind up"
        )
    with ExitStack() as stack, screen() as show:
        session, deployment = _prepare(stack, home, source, cluster, options, show)
        api = AirflowApi(session.state.addresses.airflow, USER, read_password(home))
        _connect(api, cluster)
        wait_for_dag(api, deployment, session.check)
        asked: dict[str, Any] = {CACHING: False} if options.no_cache else {}
        if options.pipeline_root:
            asked[PIPELINE_ROOT] = options.pipeline_root
        run_id = api.trigger(deployment.dag_id, values | asked)
        show.say(f"Run {run_id} of {deployment.dag_id}: {len(built.steps)} steps")
        if not options.watch:
            show.say(f"See {_run_url(session.state, deployment, run_id)}")
            return ExitCode.OK
        outcome = _watch(api, deployment, run_id, list(built.steps), show, session)
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


def _prepare(
    stack: ExitStack,
    home: Home,
    source: Source,
    cluster: ClusterChoice | None,
    options: argparse.Namespace,
    show: Screen,
) -> tuple[_Session, Deployment]:
    overrides: dict[str, Any] = {}
    if options.experiment:
        overrides["experiment"] = options.experiment
    if cluster is not None:
        overrides["cluster"] = cluster.connection_id
    state = running(home)
    if state is None:
        home.create()
        deployment = deploy(home, source, overrides)
        show.say("Starting Airflow, MLflow and the embedded cluster for this run (tradewind up keeps them)")
        chosen = Options(mlflow=options.mlflow)
        if cluster is not None:
            chosen = Options(kubeconfig=cluster.kubeconfig, context=cluster.context, mlflow=options.mlflow)
        started = stack.enter_context(Stack(home, chosen, progress=lambda line: show.say(f"  {line}")))
        return _Session(started.state, started.check, temporary=True), deployment
    state = _ready(home, state)
    if options.mlflow and options.mlflow != state.addresses.mlflow:
        raise UsageError(
            f"the running stack uses MLflow at {state.addresses.mlflow}",
            remedy="Leave --mlflow out, or stop the stack first.",
        )
    folder = None if overrides else is_loaded_from(source, state.dag_folders)
    if folder is not None:
        deployment = Deployment(source.dag_id, source.path, bundle_name(folder))
    else:
        deployment = deploy(home, source, overrides)
    return _Session(state, lambda: _still_running(home)), deployment


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


def _connect(api: AirflowApi, cluster: ClusterChoice | None) -> None:
    if cluster is not None:
        api.set_connection(cluster.connection_id, "kubernetes", cluster.extra)


def _run_url(state: StackState, deployment: Deployment, run_id: str) -> str:
    return f"{state.addresses.airflow}/dags/{deployment.dag_id}/runs/{run_id}"
