"""From whatever the author of a DAG file calls a pipeline to its plan.

Four kinds are taken: what the DSL's decorators make, a compiled file (or its text), a loaded `ir.Pipeline`,
and a finished `Plan`. Only the part that is needed is imported: a DAG file with a YAML pipeline never loads
the DSL.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from tradewind.errors import InvalidPipelineError, Problem
from tradewind.plan.model import Plan

if TYPE_CHECKING:
    from tradewind.ir import Pipeline

__all__ = ["calling_file", "plan_of", "source_name"]

_PACKAGE = str(Path(__file__).parent) + os.sep


def calling_file() -> Path | None:
    """Return the file of the code that called into this package; None when it has none (a REPL)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    name = frame.f_globals.get("__file__") if frame is not None else None
    return Path(name).resolve() if isinstance(name, str) else None


def source_name(pipeline: object, caller: Path | None) -> str:
    """Return what to call the pipeline in messages: its file, or the DAG file and the object's name."""
    if isinstance(pipeline, str | os.PathLike):
        return "<text>" if _is_text(pipeline) else str(_path(pipeline, caller))
    name = getattr(pipeline, "name", None) or getattr(pipeline, "source", None) or type(pipeline).__name__
    return f"{caller.name}, pipeline {name!r}" if caller is not None else f"pipeline {name!r}"


def plan_of(pipeline: object, caller: Path | None) -> Plan:
    """Return the pipeline's plan.

    Args:
        pipeline: see `pipeline_dag`.
        caller: the DAG file; relative paths start at its folder, at the working directory where there is
            none.

    Raises:
        InvalidPipelineError: with everything that is wrong with the pipeline.
    """
    if isinstance(pipeline, Plan):
        return pipeline
    from tradewind.plan import build

    return build(_loaded(pipeline, caller))


def _loaded(pipeline: object, caller: Path | None) -> Pipeline:
    from tradewind import ir

    if isinstance(pipeline, ir.Pipeline):
        return pipeline
    if isinstance(pipeline, str) and _is_text(pipeline):
        return ir.loads(pipeline)
    if isinstance(pipeline, str | os.PathLike):
        return ir.load(_path(pipeline, caller))
    # An object of the DSL can only come from a process that has imported the DSL.
    dsl = sys.modules.get("tradewind.dsl")
    if dsl is not None and isinstance(pipeline, dsl.BaseComponent):
        compiled: Pipeline = dsl.compile(pipeline)
        return compiled
    message = f"{type(pipeline).__name__} is nothing that a DAG can be made of"
    remedy = "give a function under @dsl.pipeline or @dsl.component, or the path of a compiled pipeline"
    raise InvalidPipelineError(source_name(pipeline, caller), [Problem("pipeline", message, remedy)])


def _is_text(pipeline: object) -> bool:
    return isinstance(pipeline, str) and ("\n" in pipeline or pipeline.lstrip()[:1] == "{")


def _path(pipeline: str | os.PathLike[str], caller: Path | None) -> Path:
    return (caller.parent if caller is not None else Path.cwd()) / Path(pipeline).expanduser()
