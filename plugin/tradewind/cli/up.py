"""`tradewind up`: the whole stack with its UIs, until Ctrl-C."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from tradewind.cli.clusters import choose_cluster, client_of, version_of
from tradewind.cli.exits import ExitCode, UsageError
from tradewind.cli.mlflow_option import mlflow_address, require_mlflow
from tradewind.cli.progress import screen
from tradewind.local.stack import USER, Home, Options, Stack, StackState, read_password, running
from tradewind.local.stack.pipelines import forget_pipelines_of

__all__ = ["keep_up"]

_LOOK_SECONDS = 1.0
_NO_FOLDERS = "none: give a folder with --dags; the examples are in dags/ of a checkout"


def keep_up(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind up`.

    Raises:
        StackError: the stack did not start, or one of its processes ended.
        UsageError: a DAG folder or the cluster does not exist.
        UnreachableError: cluster or MLflow do not answer.
    """
    home = Home.default()
    with screen() as show:
        if (state := running(home)) is not None:
            show.say(f"A stack runs already in {home.root}")
            for line in _addresses(home, state):
                show.say(line)
            return ExitCode.OK
        folders = _folders(options.dags)
        cluster, mlflow = choose_cluster(options.cluster), mlflow_address(options.mlflow)
        if cluster is not None:
            version_of(client_of(cluster.kubeconfig, cluster.context))
        if mlflow:
            require_mlflow(mlflow)
        home.create()
        for folder in folders:
            forget_pipelines_of(home, folder)
        began = time.monotonic()
        chosen = Options(
            dag_folders=folders,
            kubeconfig=cluster.kubeconfig if cluster else None,
            context=cluster.context if cluster else "",
            mlflow=mlflow,
            triggerer=True,
        )
        show.say(f"Starting the stack in {home.root}")
        with Stack(home, chosen, progress=lambda line: show.say(f"  {line}")) as stack:
            show.say(f"Ready after {time.monotonic() - began:.0f} s")
            for line in _addresses(home, stack.state):
                show.say(line)
            show.say("Ctrl-C stops everything; runs and their results stay.")
            try:
                while True:
                    stack.check()
                    time.sleep(_LOOK_SECONDS)
            except KeyboardInterrupt:
                show.say("Stopping")
        show.say("Stopped")
    return ExitCode.OK


def _addresses(home: Home, state: StackState) -> Iterator[str]:
    yield f"  Airflow   {state.addresses.airflow}  (user {USER}, password {read_password(home)})"
    yield f"  MLflow    {state.addresses.mlflow}"
    yield f"  cluster   kubectl --kubeconfig {state.addresses.kubeconfig} get pods"
    yield f"  DAGs      {', '.join(map(str, state.dag_folders)) or _NO_FOLDERS}"
    yield f"  logs      {home.logs}"


def _folders(given: list[str] | None) -> tuple[Path, ...]:
    """The DAG folders of `--dags`; without it `dags` in the working directory, where there is one."""
    if given is None:
        return (Path("dags").absolute(),) if Path("dags").is_dir() else ()
    for folder in given:
        if not Path(folder).expanduser().is_dir():
            raise UsageError(f"--dags {folder}: no such directory", remedy="Give a folder with DAG files.")
    return tuple(Path(folder).expanduser().absolute() for folder in given)
