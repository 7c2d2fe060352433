"""`tradewind up`: the whole stack with its UIs, until Ctrl-C."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

from tradewind.cli.clusters import choose_cluster
from tradewind.cli.exits import ExitCode, UsageError
from tradewind.cli.progress import screen
from tradewind.local.stack import USER, Home, Options, Stack, StackState, read_password, running
from tradewind.local.stack.pipelines import forget_pipelines_of

__all__ = ["keep_up"]

_LOOK_SECONDS = 1.0


def keep_up(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind up`.

    Raises:
        StackError: the stack did not start, or one of its processes ended.
        UsageError: a DAG folder or the cluster does not exist.
    """
    home = Home.default()
    with screen() as show:
        if (state := running(home)) is not None:
            show.say(f"A stack runs already in {home.root}")
            for line in _addresses(home, state):
                show.say(line)
            return ExitCode.OK
        folders = _folders(options.dags)
        home.create()
        for folder in folders:
            forget_pipelines_of(home, folder)
        began = time.monotonic()
        cluster = choose_cluster(options.cluster)
        chosen = Options(
            dag_folders=folders,
            kubeconfig=cluster.kubeconfig if cluster else None,
            context=cluster.context if cluster else "",
            mlflow=options.mlflow,
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
    yield f"  DAGs      {', '.join(str(folder) for folder in state.dag_folders) or '-'}"
    yield f"  logs      {home.logs}"


def _folders(given: list[str] | None) -> tuple[Path, ...]:
    """The DAG folders of `--dags`; without it `dags` in the working directory, where there is one."""
    if given is None:
        return (Path("dags").absolute(),) if Path("dags").is_dir() else ()
    for folder in given:
        if not Path(folder).expanduser().is_dir():
            raise UsageError(f"--dags {folder}: no such directory", remedy="Give a folder with DAG files.")
    return tuple(Path(folder).expanduser().absolute() for folder in given)
