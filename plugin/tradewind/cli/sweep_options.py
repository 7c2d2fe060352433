"""The arguments of `tradewind sweep`, apart from its work: the command's help must not load anything."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_sweep_command"]

_SWEEP = """\
List what DAG runs have left behind, and remove it: pods, volume claims of workspaces, and runs that stand as
RUNNING in MLflow. A deployment that lives clears up after itself; this is for one that was lost.

Whether a run still goes on is asked of the running stack's Airflow; without a stack, of the Airflow that this
shell is configured for (AIRFLOW_HOME, with access to its database). What belongs to a run that goes on is not
listed. Without an answer all runs count as unknown.

examples:
  tradewind sweep                                     what is left behind for more than an hour
  tradewind sweep --older-than 1d --delete            removes what runs that have ended left behind
  tradewind sweep --namespace team-a --namespace team-b
  tradewind sweep --cluster prod --mlflow http://mlflow.example.com --older-than 2d --unknown --delete
                                                      the Airflow is gone: goes by labels and age alone
"""


def add_sweep_command(commands: Any) -> None:
    """Add the command to the subparsers of the whole command."""
    parser = commands.add_parser(
        "sweep",
        help="list and remove what a lost deployment left behind",
        description=_SWEEP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--cluster",
        default="",
        metavar="NAME|KUBECONFIG",
        help="as in tradewind run; an Airflow connection where AIRFLOW_HOME is set",
    )
    parser.add_argument(
        "--namespace",
        action="append",
        default=[],
        metavar="NAME",
        help="where to look; may be repeated (default: where steps run unless a pipeline says otherwise)",
    )
    parser.add_argument("--mlflow", default="", metavar="URL", help="MLflow server to look into")
    parser.add_argument(
        "--older-than",
        default="1h",
        metavar="AGE",
        help="made this long ago: 12h, 30d, 0 (default: 1h)",
    )
    parser.add_argument("--delete", action="store_true", help="remove what is listed; ends runs in MLflow")
    parser.add_argument(
        "--unknown",
        action="store_true",
        help="remove also what belongs to runs that no Airflow knows: a lost deployment's, or another's",
    )
    parser.add_argument(
        "--kept", action="store_true", help="also what is kept on purpose: pods, workspaces, volumes"
    )
    parser.add_argument("--json", action="store_true", help="for programs")
