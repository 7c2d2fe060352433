"""`tradewind cache`: what the step cache holds, and forgetting it.

An entry is a file in the artifact store (`tradewind.artifacts.cache`); nothing else knows of it, so nothing
can get out of step. How often an entry was used is not counted: that would make every hit write.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from tradewind.artifacts import CacheEntry, CacheIndex
from tradewind.cli.exits import ExitCode, UsageError
from tradewind.cli.mlflow_option import mlflow_address
from tradewind.cli.summary import age, columns
from tradewind.local.stack import Home, running
from tradewind.operators.durations import seconds_of

__all__ = ["cache"]

_ROOT = "mlflow-artifacts:/tradewind"
_SHORT = 12
_HEADINGS = ("KEY", "COMPONENT", "AGE", "SIZE", "MADE BY")


def cache(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind cache`.

    Raises:
        TradewindError: the store cannot be used, or the command asks for what is not there.
    """
    index = _index(options)
    action = {"list": _list, "show": _show, "clear": _clear}[options.action]
    return action(index, options)


def _index(options: argparse.Namespace) -> CacheIndex:
    environ = dict(os.environ)
    if options.mlflow:
        environ["MLFLOW_TRACKING_URI"] = mlflow_address(options.mlflow)
    if options.store or options.mlflow:
        return CacheIndex(options.store or _ROOT, environ)
    home = Home.default()
    state = running(home)
    if state is not None:
        return CacheIndex(_ROOT, environ | {"MLFLOW_TRACKING_URI": state.addresses.mlflow})
    if "AIRFLOW_HOME" in os.environ:
        return _configured()
    kept = home.mlflow / "artifacts"
    if not kept.is_dir():
        raise UsageError(
            f"there is no cache: no stack runs, and none ran in {home.root}",
            remedy="Set TRADEWIND_HOME or AIRFLOW_HOME, or name the place with --store or --mlflow.",
        )
    return CacheIndex((kept / "tradewind").as_uri(), environ)


def _configured() -> CacheIndex:
    from tradewind.operators.settings import RunSettings
    from tradewind.operators.storage import cache_root, store_environment

    root = cache_root(RunSettings(pipeline=""))
    if root is None:
        raise UsageError(
            "the Airflow of this shell has no artifact store, so there is no cache",
            remedy="Set [tradewind] mlflow_tracking_uri or artifact_store, or give --store.",
        )
    return CacheIndex(root, store_environment(root))


# --- list and show ----------------------------------------------------------------------------------------


def _list(index: CacheIndex, options: argparse.Namespace) -> ExitCode:
    found = list(_chosen(index, options))
    if options.json:
        print(json.dumps([_data(entry) for entry in found], indent=2))
    elif not found:
        print("No results are cached")
    else:
        _print_table(found)
    return ExitCode.OK


def _show(index: CacheIndex, options: argparse.Namespace) -> ExitCode:
    (entry,) = _by_key(list(index.entries()), [options.key])
    value, source = entry.value, entry.value.get("source") or {}
    stored = datetime.fromtimestamp(entry.stored, UTC)
    rows = [
        ("key", entry.key),
        ("component", value.get("component") or ""),
        ("stored", f"{stored:%Y-%m-%d %H:%M:%S} UTC, {age(time.time() - entry.stored)} ago"),
        ("image", " ".join(part for part in (value.get("image"), value.get("image_digest")) if part)),
        ("made by", _origin(source)),
        ("in Airflow", source.get("url") or ""),
        ("MLflow run", source.get("mlflow_run_id") or ""),
        *((f"output {name}", json.dumps(output)) for name, output in value["parameters"].items()),
        *(
            (f"artifact {name}", f"{reference['uri']} ({_bytes(reference.get('size'))})")
            for name, listed in value["artifacts"].items()
            for reference in listed
        ),
    ]
    for line in columns([row for row in rows if row[1]]):
        print(line)
    if not index.is_whole(entry):
        print("Its artifacts are no longer there: the result is not used.")
    return ExitCode.OK


def _print_table(entries: Sequence[CacheEntry]) -> None:
    rows = [
        (
            entry.key[:_SHORT],
            entry.value.get("component") or "?",
            age(time.time() - entry.stored),
            _bytes(entry.size),
            _origin(entry.value.get("source") or {}),
        )
        for entry in entries
    ]
    for line in columns([_HEADINGS, *rows]):
        print(line)


def _data(entry: CacheEntry) -> dict[str, Any]:
    value = entry.value
    return {
        "key": entry.key,
        "component": value.get("component"),
        "stored": entry.stored,
        "size": entry.size,
        "source": value.get("source") or {},
        "image": value.get("image"),
        "image_digest": value.get("image_digest"),
        "parameters": value["parameters"],
        "artifacts": value["artifacts"],
    }


# --- clear ------------------------------------------------------------------------------------------------


def _clear(index: CacheIndex, options: argparse.Namespace) -> ExitCode:
    ways = [options.keys, options.component or options.older_than, options.all]
    if sum(bool(way) for way in ways) != 1:
        raise UsageError(
            "say what to forget, in one way",
            remedy="Give keys, or --component and --older-than, or --all.",
        )
    doomed = list(_chosen(index, options))
    if options.keys:
        doomed = _by_key(doomed, options.keys)
    if not doomed:
        print("There is nothing to forget")
        return ExitCode.OK
    _print_table(doomed)
    if options.dry_run:
        print(f"{_results(doomed)} would be forgotten")
        return ExitCode.OK
    if not options.yes and not _agreed(f"Forget {_results(doomed)}? [y/N] "):
        print("Nothing was forgotten")
        return ExitCode.OK
    index.remove(entry.key for entry in doomed)
    print(f"{_results(doomed)} forgotten; the artifacts stay where they are")
    return ExitCode.OK


def _agreed(question: str) -> bool:
    if not sys.stdin.isatty():
        raise UsageError("nobody is there to ask", remedy="Add --yes to forget them, --dry-run to look.")
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _chosen(index: CacheIndex, options: argparse.Namespace) -> Iterator[CacheEntry]:
    least = seconds_of(options.older_than, "--older-than") if options.older_than else 0.0
    now = time.time()
    newest_first = sorted(index.entries(), key=lambda entry: (-entry.stored, entry.key))
    for entry in newest_first:
        right = not options.component or entry.value.get("component") == options.component
        if right and now - entry.stored >= least:
            yield entry


def _by_key(entries: Sequence[CacheEntry], starts: Sequence[str]) -> list[CacheEntry]:
    found: dict[str, CacheEntry] = {}
    for start in starts:
        matching = [entry for entry in entries if entry.key.startswith(start)]
        if len(matching) != 1:
            what = "no result has" if not matching else f"{len(matching)} results have"
            raise UsageError(
                f"{what} a key that starts with {start!r}", remedy="See tradewind cache list --json."
            )
        found[matching[0].key] = matching[0]
    return list(found.values())


# --- words ------------------------------------------------------------------------------------------------


def _results(entries: Sequence[CacheEntry]) -> str:
    return "1 result" if len(entries) == 1 else f"{len(entries)} results"


def _origin(source: dict[str, Any]) -> str:
    return " / ".join(source[part] for part in ("dag_id", "run", "step") if source.get(part))


def _bytes(size: int | None) -> str:
    amount = float(size or 0)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
