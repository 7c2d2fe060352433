"""FILE on the command line: a Python file or a compiled pipeline, and what is in it.

A Python file is run as Python would run it, with one difference: `tradewind.airflow.pipeline_dag` only
takes notes. So a DAG file works unchanged in `tradewind run`, with the settings that it gives its DAG,
and without Airflow being imported or configured in the user's shell.
"""

from __future__ import annotations

import importlib.util
import json
import linecache
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from tradewind.cli.exits import UsageError
from tradewind.errors import InvalidPipelineError, Problem, TradewindError

if TYPE_CHECKING:
    from tradewind.ir import Pipeline

__all__ = ["Source", "read_source"]

# What a run takes over from a DAG file. Cluster and namespace are those of the stack.
_FOR_RUNS = ("experiment", "tracking", "caching", "pod", "steps", "artifact_store")


@dataclass(frozen=True, slots=True)
class Source:
    """A pipeline and where it came from.

    Attributes:
        path: the file, absolute.
        pipeline: compiled.
        dag_id: id of its DAG.
        settings: further arguments of `pipeline_dag` that the file gives.
        params: default values of this DAG's own (`pipeline_dag(params=...)`).
    """

    path: Path
    pipeline: Pipeline
    dag_id: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)


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
    return _read_python(path, pipeline) if path.suffix == ".py" else _read_compiled(path)


def _read_compiled(path: Path) -> Source:
    from tradewind import ir

    pipeline = ir.load(path)
    return Source(path, pipeline, pipeline.spec.pipeline_info.name)


# --- Python files -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Candidate:
    """One pipeline of a Python file; `settings` is None when no DAG is made of it."""

    subject: object
    name: str
    settings: Mapping[str, Any] | None = None

    @property
    def dag_id(self) -> str:
        return str((self.settings or {}).get("dag_id") or self.name)


def _read_python(path: Path, wanted: str) -> Source:
    noted: list[_Candidate] = []
    with _noting(noted, path):
        module = _run(path)
    candidates = noted or _pipelines_of(module)
    if wanted:
        candidates = [entry for entry in candidates if wanted in (entry.name, entry.dag_id)] or _refuse(
            path, f"has no pipeline {wanted!r}", candidates
        )
    if not candidates:
        remedy = "Decorate a function with @dsl.pipeline (from tradewind import dsl)."
        raise UsageError(f"{path}: there is no pipeline in this file", remedy=remedy)
    if len(candidates) > 1:
        _refuse(path, "has several pipelines", candidates)
    return _source(path, candidates[0])


def _refuse(path: Path, what: str, candidates: list[_Candidate]) -> list[_Candidate]:
    names = ", ".join(sorted({entry.dag_id for entry in candidates})) or "none"
    raise UsageError(f"{path} {what}; it holds: {names}", remedy="Choose one with --pipeline NAME.")


def _source(path: Path, chosen: _Candidate) -> Source:
    given = chosen.settings or {}
    params = given.get("params") or {}
    settings = {name: given[name] for name in _FOR_RUNS if given.get(name) is not None}
    problems = []
    remedy = "write it as plain data, or let `tradewind up` load the file"
    for name, value in settings.items():
        try:
            json.dumps(value)
        except TypeError as error:
            message = f"cannot be taken over into a run: {error}"
            problems.append(Problem(f"pipeline_dag, argument {name!r}", message, remedy))
    if problems:
        raise InvalidPipelineError(str(path), problems)
    # Templates need the context of a schedule, which a run by hand lacks.
    plain = {name: value for name, value in params.items() if not _is_template(value)}
    return Source(path, _compiled(chosen.subject, path), chosen.dag_id, settings, plain)


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _compiled(subject: object, path: Path) -> Pipeline:
    from tradewind import dsl, ir

    if isinstance(subject, ir.Pipeline):
        return subject
    if isinstance(subject, str | Path):
        return ir.load(path.parent / subject)
    return dsl.compile(subject)  # type: ignore[arg-type]


def _pipelines_of(module: ModuleType) -> list[_Candidate]:
    """Pipelines that the file defines, or else its components; what it imports does not count."""
    from tradewind import dsl

    values = {id(value): value for value in vars(module).values() if isinstance(value, dsl.BaseComponent)}
    own = [value for value in values.values() if _defined_in(value, module)]
    pipelines = [value for value in own if isinstance(value, dsl.GraphComponent)]
    return [_Candidate(value, value.name) for value in pipelines or own]


def _defined_in(component: object, module: ModuleType) -> bool:
    function = getattr(component, "pipeline_func", None) or getattr(component, "python_func", None)
    return function is None or function.__module__ == module.__name__


def _name_of(subject: object) -> str:
    if isinstance(subject, str | Path):
        return Path(subject).stem
    return str(getattr(subject, "name", None) or getattr(subject, "source", ""))


@contextmanager
def _noting(noted: list[_Candidate], path: Path) -> Iterator[None]:
    """While this lasts, `pipeline_dag` takes notes, and the file's own folder can be imported from."""
    import tradewind.airflow as package

    def pipeline_dag(pipeline: object, **settings: Any) -> None:
        noted.append(_Candidate(pipeline, _name_of(pipeline), settings))

    before = vars(package).get("pipeline_dag")
    package.pipeline_dag = pipeline_dag  # type: ignore[assignment]
    sys.path.insert(0, str(path.parent))
    try:
        yield
    finally:
        sys.path.remove(str(path.parent))
        if before is None:
            del package.pipeline_dag
        else:
            package.pipeline_dag = before


def _run(path: Path) -> ModuleType:
    name = f"_tradewind_file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # the DSL reads the components' source through it
    linecache.checkcache(str(path))
    try:
        spec.loader.exec_module(module)
    except TradewindError:
        raise
    except ModuleNotFoundError as error:
        if error.name == "kfp":
            remedy = "Write `from tradewind import dsl`, or compile it with the kfp SDK and give the YAML."
        else:
            remedy = f"Install {error.name} here, or import it inside of the component that needs it."
        raise UsageError(f"{_place(error, path)}: {error}", remedy=remedy) from error
    except Exception as error:  # the file is the user's: anything may come out of it
        raise UsageError(f"{_place(error, path)}: {type(error).__name__}: {error}") from error
    except SystemExit as error:
        raise UsageError(f"{path} ends the process ({error}) when it is imported") from error
    return module


def _place(error: BaseException, path: Path) -> str:
    """File and line of the user's code where it happened."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}, line {error.lineno}"
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f"{path}, line {lines[-1]}" if lines else str(path)
