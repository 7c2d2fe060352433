"""FILE on the command line: a Python file or a compiled pipeline, and what is in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tradewind.cli.exits import UsageError
from tradewind.cli.python_file import Candidate, legal_dag_id, pipelines_in
from tradewind.cli.run_settings import RunArguments, run_arguments

if TYPE_CHECKING:
    from tradewind.ir import Pipeline
    from tradewind.plan.model import Plan

__all__ = ["Source", "choose", "read_source"]


@dataclass(frozen=True, slots=True)
class Source:
    """A pipeline and where it came from.

    Attributes:
        path: the file, absolute.
        content: the compiled pipeline, or a plan that the file has made of one.
        dag_id: id of its DAG.
        makes_dag: whether the file itself makes a DAG of it.
        run: of the arguments for that, what a run by hand takes over.
    """

    path: Path
    content: Pipeline | Plan
    dag_id: str
    makes_dag: bool = False
    run: RunArguments = field(default_factory=RunArguments)

    @property
    def pipeline(self) -> Pipeline:
        """The compiled pipeline.

        Raises:
            UsageError: the file gives a finished plan, of which there is no way back.
        """
        from tradewind.plan.model import Plan

        if isinstance(self.content, Plan):
            remedy = "Give pipeline_dag the pipeline itself, or let `tradewind up` load the file."
            raise UsageError(f"{self.path}: makes its DAG of a finished Plan", remedy=remedy)
        return self.content

    def plan(self) -> Plan:
        """Return what would run.

        Raises:
            InvalidPipelineError: with everything that cannot be run.
        """
        from tradewind.plan import build
        from tradewind.plan.model import Plan

        return self.content if isinstance(self.content, Plan) else build(self.content)


def read_source(file: str, *, pipeline: str = "") -> Source:
    """Read the pipeline in a file.

    Args:
        file: path of a Python file or of a compiled pipeline (`.yaml`, `.yml`, `.json`).
        pipeline: name of the pipeline or id of the DAG, where the file has several.

    Raises:
        UsageError: there is no such file, no pipeline in it, or more than one.
        InvalidPipelineError: with everything that is wrong with the pipeline.
    """
    path = Path(file).expanduser().absolute()
    if not path.exists():
        raise UsageError(f"{file}: no such file", remedy="Give a pipeline in Python or a compiled one.")
    if path.is_dir():
        raise UsageError(f"{file} is a directory", remedy="Give the file in it that holds the pipeline.")
    if path.suffix == ".py":
        chosen = choose(path, pipeline)
        given = chosen.arguments
        return Source(path, chosen.load(), chosen.dag_id, given is not None, run_arguments(given or {}))
    from tradewind import ir

    compiled = ir.load(path)
    return Source(path, compiled, legal_dag_id(compiled.spec.pipeline_info.name))


def choose(path: Path, wanted: str) -> Candidate:
    """Return the one pipeline of a Python file, or the one that is wanted.

    Raises:
        UsageError: it cannot be run, there is no such pipeline in it, or more than one.
    """
    candidates = pipelines_in(path)
    if wanted:
        candidates = [entry for entry in candidates if wanted in (entry.name, entry.dag_id)] or _refuse(
            path, f"has no pipeline {wanted!r}", candidates
        )
    if not candidates:
        remedy = "Decorate a function with @dsl.pipeline (from tradewind import dsl)."
        raise UsageError(f"{path}: there is no pipeline in this file", remedy=remedy)
    if len(candidates) > 1:
        _refuse(path, "has several pipelines", candidates)
    return candidates[0]


def _refuse(path: Path, what: str, candidates: list[Candidate]) -> list[Candidate]:
    names = ", ".join(sorted({entry.dag_id for entry in candidates})) or "none"
    raise UsageError(f"{path} {what}; it holds: {names}", remedy="Choose one with --pipeline NAME.")
