"""The command `tradewind`: its arguments, its errors, its exit codes. What a subcommand needs is imported
when it runs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import Any

from tradewind.cli.cache_options import add_cache_command
from tradewind.cli.exits import ExitCode, exit_code_of
from tradewind.cli.sweep_options import add_sweep_command
from tradewind.errors import TradewindError

__all__ = ["main"]

_EXAMPLES = """\
examples:
  tradewind run dags/breast_cancer.py                 train, track and compare models on this machine
  tradewind run pipeline.yaml -p rows=500 -p 'grid=[1, 2]'
  tradewind up                                        Airflow, MLflow and a cluster with their UIs
  tradewind check dags/breast_cancer.py               what would run, or everything that is wrong
  tradewind compile pipeline.py -o pipeline.yaml      for Kubeflow, or for pipeline_dag("pipeline.yaml")
  tradewind cache list                                results that later runs use again
  tradewind sweep                                     what a lost deployment left behind

exit codes:
  0    it worked
  1    the run failed, or a check did
  2    wrong usage, file or parameter; nothing was started
  3    a server cannot be reached, or the stack did not start
  130  interrupted by Ctrl-C; a watched run is cancelled

Everything that runs here is kept in $TRADEWIND_HOME (~/.tradewind).
"""

_RUN = """\
Run a pipeline once and watch it. Uses the stack that `tradewind up` started, or starts one for this run.

examples:
  tradewind run pipeline.py
  tradewind run pipeline.py -p rows=500 -p name=first -p 'grid={"depth": [2, 4]}'
  tradewind run pipeline.py -p text=@letter.txt       the value is what the file holds
  tradewind run pipeline.yaml --experiment trials
  tradewind run pipeline.py --pipeline-root s3://bucket/trials
  tradewind run pipeline.py --no-cache                every step runs, whatever ran before
  tradewind run pipeline.py --cluster ~/.kube/config --mlflow http://mlflow.example.com
"""

_UP = """\
Start Airflow, MLflow and the embedded cluster on this machine and keep them up until Ctrl-C.

examples:
  tradewind up                                        loads the DAG files in ./dags
  tradewind up --dags ~/pipelines --dags examples
  TRADEWIND_HOME=/data/tradewind tradewind up
"""

_CHECK = """\
Check this machine and the running stack: one line each, with the remedy for what fails. With FILE, check a
pipeline: what would run, with how many pods, or everything that keeps it from running, with the lines.

examples:
  tradewind check
  tradewind check pipeline.py
  tradewind check pipeline.yaml --plan                where each value comes from, what waits for what and why
"""

_COMPILE = """\
Compile a pipeline to the YAML of Kubeflow Pipelines.

examples:
  tradewind compile pipeline.py -o pipeline.yaml
  tradewind compile pipeline.py -o -                  to standard output
"""

_ACTIONS = {
    "run": ("tradewind.cli.run", "run_pipeline"),
    "compile": ("tradewind.cli.compile", "compile_pipeline"),
    "up": ("tradewind.cli.up", "keep_up"),
    "check": ("tradewind.cli.check", "check"),
    "cache": ("tradewind.cli.cache", "cache"),
    "sweep": ("tradewind.cli.sweep", "sweep"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    module, function = _ACTIONS[options.command]
    try:
        action: Any = getattr(importlib.import_module(module), function)
        return int(action(options))
    except TradewindError as error:
        print(f"tradewind {options.command}: {error}", file=sys.stderr)
        return exit_code_of(error)
    except KeyboardInterrupt:
        print("Interrupted", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except BrokenPipeError:  # `tradewind ... | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.FAILED


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tradewind",
        description="Run Kubeflow pipelines on Airflow, with one pod per step, tracked in MLflow.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    run = _command(commands, "run", "run a pipeline once and watch it", _RUN)
    _file(run)
    run.add_argument(
        "-p", "--param", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the pipeline"
    )
    run.add_argument("--experiment", help="MLflow experiment (default: the pipeline's name)")
    run.add_argument("--pipeline-root", metavar="URI", help="keep this run's artifacts below this URI")
    run.add_argument("--no-cache", action="store_true", help="use no earlier results: every step runs")
    _servers(run)
    watch = argparse.BooleanOptionalAction
    run.add_argument("--watch", action=watch, default=True, help="show progress until the run has ended")

    up = _command(commands, "up", "start the whole stack on this machine", _UP)
    up.add_argument(
        "--dags", action="append", metavar="FOLDER", help="folder to load DAG files from (default: ./dags)"
    )
    _servers(up)

    check = _command(commands, "check", "check this machine, the stack, or a pipeline file", _CHECK)
    _file(check, optional=True)
    check.add_argument(
        "--plan",
        action="store_true",
        help="show everything about each step: where its inputs come from, conditions, order",
    )
    check.add_argument(
        "--cluster",
        default="",
        metavar="NAME|KUBECONFIG",
        help="as in tradewind run; an Airflow connection where AIRFLOW_HOME is set",
    )

    compiled = _command(commands, "compile", "compile a pipeline to YAML", _COMPILE)
    _file(compiled)
    compiled.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="file to write; -: standard output"
    )
    add_cache_command(commands)
    add_sweep_command(commands)
    return parser


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: that reads files."""

    def __call__(self, parser: argparse.ArgumentParser, *arguments: Any, **named: Any) -> None:
        from importlib.metadata import version

        print(f"tradewind {version('airflow-provider-tradewind')}")
        parser.exit()


def _command(commands: Any, name: str, summary: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    return parser


def _file(parser: argparse.ArgumentParser, *, optional: bool = False) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        nargs="?" if optional else None,
        help="Python file with a pipeline, or a compiled pipeline (YAML)",
    )
    parser.add_argument("--pipeline", default="", metavar="NAME", help="which one, if the file has several")


def _servers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--cluster",
        default="",
        metavar="NAME|KUBECONFIG",
        help="run steps there: a context of your kubeconfig, or a kubeconfig (default: the embedded one)",
    )
    parser.add_argument(
        "--mlflow",
        default="",
        metavar="URL",
        help="MLflow server to use instead of one of its own",
    )


if __name__ == "__main__":
    sys.exit(main())
