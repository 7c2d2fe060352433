"""The arguments of `tradewind cache`, apart from its work: the command's help must not load anything."""

from __future__ import annotations

import argparse
from typing import Any

__all__ = ["add_cache_command"]

_CACHE = """\
Look at the results that later runs use instead of running a step again, and forget them.

Looked at is the cache of the running stack; without one, of the Airflow that this shell is configured for
(AIRFLOW_HOME); without that, of the stack that was here last.

examples:
  tradewind cache list                                newest first
  tradewind cache list --component train --json
  tradewind cache show 3f2a                           all about one result; the start of a key is enough
  tradewind cache clear --component train             asks before it forgets
  tradewind cache clear --older-than 30d --yes
  tradewind cache clear --all --dry-run               what would be forgotten
  tradewind cache list --store s3://bucket/pipelines  of pipelines with an artifact store of their own
"""


def add_cache_command(commands: Any) -> None:
    """Add the command to the subparsers of the whole command."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = commands.add_parser(
        "cache", help="look at the step cache, forget results", description=_CACHE, formatter_class=raw
    )
    where = argparse.ArgumentParser(add_help=False)
    where.add_argument("--store", default="", metavar="URI", help="artifact store to look into")
    where.add_argument("--mlflow", default="", metavar="URL", help="MLflow server to ask")
    chosen = argparse.ArgumentParser(add_help=False)
    chosen.add_argument("--component", default="", metavar="NAME", help="results of this component")
    chosen.add_argument("--older-than", default="", metavar="AGE", help="older than this: 12h, 30d, seconds")

    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    listed = actions.add_parser("list", parents=[where, chosen], help="one line per result, newest first")
    listed.add_argument("--json", action="store_true", help="for programs")
    shown = actions.add_parser("show", parents=[where], help="all about one result")
    shown.add_argument("key", metavar="KEY", help="key of a result, or the start of one")
    cleared = actions.add_parser("clear", parents=[where, chosen], help="forget results; artifacts stay")
    cleared.add_argument("keys", nargs="*", metavar="KEY", help="keys of results, or starts of them")
    cleared.add_argument("--all", action="store_true", help="all results")
    cleared.add_argument("--dry-run", action="store_true", help="only say what would be forgotten")
    cleared.add_argument("--yes", action="store_true", help="don't ask")
