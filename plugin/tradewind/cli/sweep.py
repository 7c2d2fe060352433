"""`tradewind sweep`: what DAG runs have left behind, listed and removed.

Nothing is removed by mistake that somebody waits for: what belongs to a run that goes on is left out, what is
young may belong to a run that begins, and what no Airflow knows (it may be another deployment's) goes only
when that is said.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.cli.clusters import choose_cluster, core_api_of
from tradewind.cli.exits import ExitCode, UsageError
from tradewind.cli.mlflow_option import mlflow_address
from tradewind.cli.run_states import RunState, RunStates, run_states
from tradewind.cli.summary import age, columns
from tradewind.errors import TradewindError, UnreachableError
from tradewind.local.stack import Home, StackState, running
from tradewind.operators.durations import seconds_of
from tradewind.operators.leftovers import Leftover, claims_of_runs, open_mlflow_runs, pods_of_runs

if TYPE_CHECKING:
    from tradewind.operators.access import ClusterAccess
    from tradewind.tracking import MlflowRest

__all__ = ["sweep"]

_BUDGET_SECONDS = 15.0
_HEADINGS = ("KIND", "NAME", "STATE", "AGE", "DAG RUN", "WHY")
_WHY: dict[RunState, str] = {"ended": "its run has ended", "unknown": "no Airflow knows its run"}


@dataclass(frozen=True, slots=True)
class _Judged:
    """Something that no live run waits for."""

    item: Leftover
    run: RunState

    @property
    def why(self) -> str:
        return "; ".join(word for word in (_WHY[self.run], self.item.kept) if word)


def sweep(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind sweep`.

    Raises:
        UsageError: there is nowhere to look.
        TradewindError: the cluster or MLflow does not answer, or refuses.
    """
    least = 0.0 if options.older_than == "0" else seconds_of(options.older_than, "--older-than")
    address = mlflow_address(options.mlflow)
    home = Home.default()
    state = running(home)
    accesses = _clusters(options, state)
    mlflow = _mlflow(address, state)
    if not accesses and mlflow is None:
        raise UsageError(
            "there is nowhere to look: no stack runs, and AIRFLOW_HOME is not set",
            remedy="Name a cluster with --cluster, an MLflow server with --mlflow.",
        )
    before = time.time() - least
    items = [item for item in _items(accesses, mlflow) if item.created <= before]
    found = _judged([item for item in items if options.kept or not item.kept], run_states(home, state))
    if options.json:
        print(json.dumps([_data(each) for each in found], indent=2))
    elif not found:
        print("Nothing is left behind")
    else:
        rows = [_row(each) for each in found]
        print("\n".join(columns([_HEADINGS, *rows])))
    return _removed(found, options) if options.delete else ExitCode.OK


# --- where to look ----------------------------------------------------------------------------------------


def _clusters(options: argparse.Namespace, state: StackState | None) -> list[ClusterAccess]:
    from tradewind.operators.access import ClusterAccess, cluster_access, pipeline_pod_arguments
    from tradewind.operators.settings import RunSettings

    configured = state is None and "AIRFLOW_HOME" in os.environ
    if configured and not Path(options.cluster).expanduser().is_file():
        settings = RunSettings(pipeline="", cluster=options.cluster or None)
        access = cluster_access(pipeline_pod_arguments(settings))
        return [ClusterAccess(access.client, name) for name in options.namespace or [access.namespace]]
    choice = choose_cluster(options.cluster)
    if choice is not None:
        kubeconfig, context = choice.kubeconfig, choice.context
    elif state is not None:
        kubeconfig, context = state.addresses.kubeconfig, state.addresses.context
    else:
        return []
    api, namespace = core_api_of(kubeconfig, context)
    return [ClusterAccess(lambda: api, name) for name in options.namespace or [namespace]]


def _mlflow(address: str, state: StackState | None) -> MlflowRest | None:
    from tradewind.operators.configuration import configuration
    from tradewind.operators.mlflow import MlflowAccess
    from tradewind.tracking import MlflowRest

    uri = address or (state.addresses.mlflow if state is not None else "")
    if uri:
        return MlflowRest(
            uri,
            token=os.environ.get("MLFLOW_TRACKING_TOKEN"),
            username=os.environ.get("MLFLOW_TRACKING_USERNAME"),
            password=os.environ.get("MLFLOW_TRACKING_PASSWORD"),
            budget_seconds=_BUDGET_SECONDS,
        )
    access = MlflowAccess.configured(configuration()) if "AIRFLOW_HOME" in os.environ else None
    return access.tracker(_BUDGET_SECONDS).rest if access is not None else None


def _items(accesses: Sequence[ClusterAccess], mlflow: MlflowRest | None) -> Iterator[Leftover]:
    from tradewind.cluster.claims import Claims
    from tradewind.cluster.pods import Pods

    for access in accesses:
        yield from pods_of_runs(Pods(access.client, access.namespace, budget_seconds=_BUDGET_SECONDS))
        yield from claims_of_runs(Claims(access.client, access.namespace, budget_seconds=_BUDGET_SECONDS))
    if mlflow is not None:
        yield from open_mlflow_runs(mlflow)


# --- what nobody waits for --------------------------------------------------------------------------------


def _judged(items: Sequence[Leftover], airflow: RunStates | None) -> list[_Judged]:
    known: dict[tuple[str, str] | None, RunState] = {None: "unknown"}
    for run in {item.dag_run for item in items} - {None}:
        assert run is not None
        known[run] = "unknown"
        try:
            known[run] = airflow.of(*run) if airflow is not None else "unknown"
        except UnreachableError as error:
            print(f"tradewind sweep: {error.message}; all runs count as unknown", file=sys.stderr)
            airflow = None
    return [_Judged(item, known[item.dag_run]) for item in items if known[item.dag_run] != "live"]


def _removed(found: Sequence[_Judged], options: argparse.Namespace) -> ExitCode:
    doomed = [each for each in found if each.run == "ended" or options.unknown]
    failed = 0
    for each in doomed:
        try:
            each.item.remove()
        except TradewindError as error:
            failed += 1
            print(f"tradewind sweep: {each.item.kind} {each.item.name}: {error}", file=sys.stderr)
    say = sys.stderr if options.json else sys.stdout
    if found:
        print(f"{len(doomed) - failed} of {len(found)} removed", file=say)
    if len(doomed) < len(found):
        print(f"{len(found) - len(doomed)} belong to runs that no Airflow knows: add --unknown", file=say)
    return ExitCode.FAILED if failed else ExitCode.OK


def _row(each: _Judged) -> tuple[str, ...]:
    item = each.item
    run = " / ".join(item.dag_run or ())
    return (item.kind, item.name, item.state, age(time.time() - item.created), run, each.why)


def _data(each: _Judged) -> dict[str, Any]:
    item = each.item
    dag_id, run_id = item.dag_run or (None, None)
    return {
        "kind": item.kind,
        "name": item.name,
        "state": item.state,
        "age_seconds": round(time.time() - item.created),
        "dag_id": dag_id,
        "run_id": run_id,
        "run": each.run,
        "why": each.why,
    }
