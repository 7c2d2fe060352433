"""Pipelines that `tradewind run` hands to the stack's Airflow.

Each becomes a compiled pipeline, a file of settings, and a DAG file of its own which only says "load
these". One DAG file per pipeline, because a task process parses the whole file that its DAG comes from; a
new one or a changed one is seen by Airflow within a second or two, since its modification time changes.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.local.stack.home import Home

if TYPE_CHECKING:
    from airflow.sdk import DAG

__all__ = ["forget_pipelines_of", "install_pipeline", "load_pipeline"]

_DAG_FILE = '''"""An Airflow DAG of a compiled pipeline. Written by `tradewind run`; changes are lost."""

from tradewind.local.stack.pipelines import load_pipeline

dag = load_pipeline(__file__)
'''


def install_pipeline(
    home: Home, dag_id: str, compiled: str, settings: Mapping[str, Any], *, origin: Path
) -> Path:
    """Hand a pipeline to the stack's Airflow, running or not.

    Args:
        home: the stack's directory.
        dag_id: id of the DAG; an earlier pipeline of this id is replaced, its runs stay.
        compiled: the pipeline as YAML.
        settings: arguments of `pipeline_dag`, JSON values all of them.
        origin: the file that the pipeline came from.

    Returns:
        The DAG file. It is untouched when it holds the same pipeline already.
    """
    stem = re.sub(r"[^\w.-]", "-", dag_id)
    document = {"dag_id": dag_id, "origin": str(origin), "settings": dict(settings)}
    changed = _write(home.pipelines / f"{stem}.yaml", compiled)
    changed |= _write(home.pipelines / f"{stem}.json", json.dumps(document, indent=2) + "\n")
    dag_file = home.dags / f"{stem}.py"
    if changed or not dag_file.exists():
        _replace(dag_file, _DAG_FILE)
    return dag_file


def load_pipeline(dag_file: str) -> DAG:
    """Make the DAG of an installed pipeline; called by its DAG file.

    Raises:
        InvalidPipelineError: the compiled pipeline cannot be used.
    """
    from tradewind.airflow import pipeline_dag

    path = Path(dag_file).resolve()
    home = Home(path.parents[2])
    document = json.loads((home.pipelines / f"{path.stem}.json").read_text())
    compiled = home.pipelines / f"{path.stem}.yaml"
    return pipeline_dag(compiled, dag_id=document["dag_id"], **document["settings"])


def forget_pipelines_of(home: Home, folder: Path) -> None:
    """Take back what was installed from files in `folder`: Airflow now loads their DAGs itself."""
    for settings in home.pipelines.glob("*.json"):
        origin = Path(json.loads(settings.read_text())["origin"])
        if origin.is_relative_to(folder):
            (home.dags / f"{settings.stem}.py").unlink(missing_ok=True)
            settings.with_suffix(".yaml").unlink(missing_ok=True)
            settings.unlink()


def _write(path: Path, text: str) -> bool:
    """Write a file unless it says the same already; returns whether it was written."""
    if path.exists() and path.read_text() == text:
        return False
    _replace(path, text)
    return True


def _replace(path: Path, text: str) -> None:
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    os.replace(new, path)
