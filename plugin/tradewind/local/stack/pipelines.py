"""Pipelines that `tradewind run` hands to the stack's Airflow.

Each becomes a compiled pipeline, a file of settings, and a DAG file of its own which only says "load
these". One DAG file per pipeline, because a task process parses the whole file that its DAG comes from; a
new one or a changed one is seen by Airflow within a second or two, since its modification time changes.

For the same reason the files of a DAG must not change under a run that goes on. Whoever wants to run
something else under a name that is in use takes another name (`under_its_own_id`).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from tradewind.local.stack.home import Home
from tradewind.local.stack.settings_text import settings_of, settings_text

if TYPE_CHECKING:
    from airflow.sdk import DAG

__all__ = ["RunPipeline", "forget_pipelines_of", "installing", "load_pipeline"]

_DAG_FILE = '''"""An Airflow DAG of a compiled pipeline. Written by `tradewind run`; changes are lost."""

from tradewind.local.stack.pipelines import load_pipeline

dag = load_pipeline(__file__)
'''
_LONGEST_ID = 240
_LONGEST_STEM = 200


@dataclass(frozen=True, slots=True)
class RunPipeline:
    """A pipeline for the stack's Airflow.

    Attributes:
        dag_id: id of its DAG.
        compiled: the pipeline as YAML.
        settings: arguments of `pipeline_dag`, data all of them.
        origin: the file that it came from; None: that does not matter.
    """

    dag_id: str
    compiled: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    origin: Path | None = None

    def under_its_own_id(self) -> Self:
        """Return it with an id that no other content can have."""
        content = hashlib.sha256((self.compiled + settings_text(self.settings)).encode()).hexdigest()
        return replace(self, dag_id=f"{self.dag_id[:_LONGEST_ID]}-{content[:8]}", origin=None)

    def is_installed(self, home: Home) -> bool:
        """Whether Airflow has it already, be it from another file."""
        files = _Files.of(home, self.dag_id)
        if not files.settings.exists() or files.compiled.read_text() != self.compiled:
            return False
        settings = settings_of(files.settings.read_text())["settings"]
        return bool(settings == settings_of(settings_text(self.settings)))

    def install(self, home: Home) -> Path:
        """Hand it to Airflow, running or not; an earlier pipeline of this id is replaced, its runs stay.

        Returns:
            The DAG file. It is untouched when it holds the same pipeline already.
        """
        files = _Files.of(home, self.dag_id)
        origin = str(self.origin) if self.origin is not None else None
        document = {"dag_id": self.dag_id, "origin": origin, "settings": dict(self.settings)}
        changed = _write(files.compiled, self.compiled)
        changed |= _write(files.settings, settings_text(document))
        if changed or not files.dag.exists():
            _replace(files.dag, _DAG_FILE)
        return files.dag


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of one installed pipeline."""

    home: Home
    stem: str

    @classmethod
    def of(cls, home: Home, dag_id: str) -> Self:
        stem = re.sub(r"[^\w.-]", "-", dag_id)
        if len(stem.encode()) > _LONGEST_STEM:
            stem = f"{stem[:50]}-{hashlib.sha256(dag_id.encode()).hexdigest()[:16]}"
        return cls(home, stem)

    @property
    def compiled(self) -> Path:
        return self.home.pipelines / f"{self.stem}.yaml"

    @property
    def settings(self) -> Path:
        return self.home.pipelines / f"{self.stem}.json"

    @property
    def lock(self) -> Path:
        return self.home.pipelines / f".{self.stem}.lock"

    @property
    def dag(self) -> Path:
        return self.home.dags / f"{self.stem}.py"


@contextmanager
def installing(home: Home, dag_id: str) -> Iterator[None]:
    """Be the only one who replaces the pipeline of this id, from the look at its runs to the begin of one."""
    with _Files.of(home, dag_id).lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def load_pipeline(dag_file: str) -> DAG:
    """Make the DAG of an installed pipeline; called by its DAG file.

    Raises:
        InvalidPipelineError: the compiled pipeline cannot be used.
    """
    from tradewind.airflow import pipeline_dag

    path = Path(dag_file).resolve()
    files = _Files(Home(path.parents[2]), path.stem)
    document = settings_of(files.settings.read_text())
    return pipeline_dag(files.compiled, dag_id=document["dag_id"], **document["settings"])


def forget_pipelines_of(home: Home, folder: Path) -> None:
    """Take back what was installed from files in `folder`: Airflow now loads their DAGs itself."""
    for settings in home.pipelines.glob("*.json"):
        document = json.loads(settings.read_text())
        if document["origin"] is not None and Path(document["origin"]).is_relative_to(folder):
            files = _Files(home, settings.stem)
            files.dag.unlink(missing_ok=True)
            files.compiled.unlink(missing_ok=True)
            files.settings.unlink()


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
