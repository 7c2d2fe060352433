"""The pipelines of this folder, compiled by the KFP SDK and by us."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tradewind import dsl
from tradewind.ir import Pipeline, validate

__all__ = ["DOCUMENTS", "PIPELINES", "PLANS", "compile_file", "translated"]

HERE = Path(__file__).parent
PIPELINES = sorted((HERE / "pipelines").glob("[!_]*.py"))
DOCUMENTS = sorted((HERE / "documents").glob("*.yaml"))
PLANS = HERE / "plans"


@contextmanager
def translated(directory: Path) -> Iterator[Path]:
    """Write the same files for Tradewind into a directory, from which they can import one another."""
    for path in (HERE / "pipelines").iterdir():
        if path.is_file() and path.suffix != ".py":
            (directory / path.name).write_bytes(path.read_bytes())
    for path in (HERE / "pipelines").glob("*.py"):
        text = path.read_text().replace("from kfp import", "from tradewind import")
        (directory / path.name).write_text(text.replace("from kfp.dsl import", "from tradewind.dsl import"))
    sys.path.insert(0, str(directory))
    try:
        yield directory
    finally:
        sys.path.remove(str(directory))


def compile_file(path: Path) -> Pipeline:
    """Compile the last component or pipeline that a file defines."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # old names are there to be tried
        defined = [value for value in vars(_load(path)).values() if isinstance(value, dsl.BaseComponent)]
    compiled = dsl.compile(defined[-1])
    # The DSL refuses in its own words what does not fit together; what it compiles nothing looks at again.
    validate(compiled)
    return compiled


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"translated_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
