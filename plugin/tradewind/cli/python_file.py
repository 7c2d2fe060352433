"""A Python file run for the pipelines in it.

It is run as Python would run it, with one difference: `tradewind.airflow.pipeline_dag` only takes notes. So a
DAG file works unchanged, and without Airflow being imported or configured in the user's shell.
"""

from __future__ import annotations

import importlib.util
import linecache
import os
import re
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Self

from tradewind.cli.exits import UsageError
from tradewind.errors import InvalidPipelineError, Problem, TradewindError

if TYPE_CHECKING:
    from tradewind.ir import Pipeline
    from tradewind.plan.model import Plan

__all__ = ["Candidate", "legal_dag_id", "pipelines_in"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One pipeline of a Python file.

    Attributes:
        subject: what `pipeline_dag` was given, a path made absolute; or a component of the DSL.
        arguments: the further ones of `pipeline_dag`; None: no DAG is made of it.
    """

    subject: object
    arguments: Mapping[str, Any] | None = None

    @property
    def name(self) -> str:
        if not isinstance(self.subject, str | Path):
            return str(getattr(self.subject, "name", None) or getattr(self.subject, "source", ""))
        try:
            return _name(self.load())
        except InvalidPipelineError:
            return self.subject.stem if isinstance(self.subject, Path) else "<text>"

    @property
    def dag_id(self) -> str:
        return str((self.arguments or {}).get("dag_id") or legal_dag_id(self.name))

    def load(self) -> Pipeline | Plan:
        """Return the pipeline, or the plan that somebody has made of it already.

        Raises:
            InvalidPipelineError: with everything that is wrong with it.
        """
        from tradewind import dsl, ir
        from tradewind.plan.model import Plan

        if isinstance(self.subject, ir.Pipeline | Plan):
            return self.subject
        if isinstance(self.subject, Path):
            return ir.load(self.subject)
        if isinstance(self.subject, str):
            return ir.loads(self.subject)
        if isinstance(self.subject, dsl.BaseComponent):
            return dsl.compile(self.subject)
        message = f"{type(self.subject).__name__} is nothing that a DAG can be made of"
        remedy = "give a function under @dsl.pipeline or @dsl.component, or the path of a compiled pipeline"
        raise InvalidPipelineError("pipeline_dag", [Problem("pipeline", message, remedy)])


def pipelines_in(path: Path) -> list[Candidate]:
    """Return what the file makes DAGs of, or else its pipelines, or else its components.

    Raises:
        UsageError: the file cannot be run.
        TradewindError: that its own code raises.
    """
    noted: list[Candidate] = []
    with _noting(noted, path):
        module = _run(path)
    return noted or _defined_in(module)


def legal_dag_id(name: str) -> str:
    """The id that `pipeline_dag` gives the DAG of a pipeline with this name."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-")[:250] or "pipeline"


def _name(pipeline: Pipeline | Plan) -> str:
    from tradewind.plan.model import Plan

    return pipeline.name if isinstance(pipeline, Plan) else str(pipeline.spec.pipeline_info.name)


def _defined_in(module: ModuleType) -> list[Candidate]:
    """What the file imports does not count."""
    from tradewind import dsl

    values = {id(value): value for value in vars(module).values() if isinstance(value, dsl.BaseComponent)}
    own = [value for value in values.values() if _is_own(value, module)]
    pipelines = [value for value in own if isinstance(value, dsl.GraphComponent)]
    return [Candidate(value) for value in pipelines or own]


def _is_own(component: object, module: ModuleType) -> bool:
    function = getattr(component, "pipeline_func", None) or getattr(component, "python_func", None)
    return function is None or function.__module__ == module.__name__


# --- running the file ---


class _UnmadeDag:
    """Stands for the DAG that `pipeline_dag` returns: the rest of a DAG file may do with it what it likes."""

    def __getattr__(self, name: str) -> Self:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *arguments: Any, **named: Any) -> Self:
        return self

    def __getitem__(self, key: Any) -> Self:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def __rshift__(self, other: Any) -> Any:
        return other

    __lshift__ = __rrshift__ = __rlshift__ = __rshift__


@contextmanager
def _noting(noted: list[Candidate], path: Path) -> Iterator[None]:
    """While this lasts, `pipeline_dag` takes notes, and the file's own folder can be imported from."""
    import tradewind.airflow as package

    def pipeline_dag(pipeline: object, **arguments: Any) -> _UnmadeDag:
        noted.append(Candidate(_located(pipeline, path), arguments))
        return _UnmadeDag()

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


def _located(pipeline: object, path: Path) -> object:
    """A path starts at the folder of the DAG file; text of a pipeline stays text."""
    if isinstance(pipeline, str) and ("\n" in pipeline or pipeline.lstrip()[:1] == "{"):
        return pipeline
    if isinstance(pipeline, str | os.PathLike):
        return path.parent / Path(pipeline).expanduser()
    return pipeline


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
        said = " ".join((error.msg if isinstance(error, SyntaxError) else str(error)).split())
        remedy = f"Correct the file until Python can import it: python {path}"
        raise UsageError(f"{_place(error, path)}: {type(error).__name__}: {said}", remedy=remedy) from error
    except SystemExit as error:
        message = f"{_place(error, path)}: the file ends the process ({error}) when it is imported"
        raise UsageError(message, remedy="Put that under `if __name__ == '__main__':`.") from error
    return module


def _place(error: BaseException, path: Path) -> str:
    """File and line of the user's code where it happened."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or path}, line {error.lineno}" if error.lineno else str(path)
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)
    ]
    return f"{path}, line {lines[-1]}" if lines else str(path)
