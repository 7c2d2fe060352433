"""The source text of a Python component, as it travels to the pod.

A lightweight component is a function without its module: its text, preceded by the imports that its
annotations need, helper functions that the user names, and possibly a packed directory. The text is part of
the compiled
pipeline, so the same function must give the same text each time: a DAG whose text changes is a new DAG to
Airflow.
"""

from __future__ import annotations

import ast
import base64
import gzip
import inspect
import io
import itertools
import tarfile
import typing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from tradewind.runtime import notebook as notebook_runner
from tradewind.runtime.annotations import is_artifact_class
from tradewind.runtime.artifacts import SYSTEM_TYPES

__all__ = ["component_source", "function_source"]

# The names that KFP promises to component code. `kfp` in the pod is the SDK on Kubeflow, and our runtime
# elsewhere.
PREAMBLE = ("import kfp", "from kfp import dsl", "from kfp.dsl import *", "from typing import *")

# KFP's executor looks for these two names when an argument is annotated with dsl.EmbeddedInput.
_EXTRACTION = """\
import base64 as _base64, io as _io, os as _os, sys as _sys, tarfile as _tarfile, tempfile as _tempfile

_embedded = _tempfile.TemporaryDirectory()
__KFP_EMBEDDED_ASSET_DIR = _embedded.name
_packed = _io.BytesIO(_base64.b64decode(__KFP_EMBEDDED_ARCHIVE_B64))
with _tarfile.open(fileobj=_packed, mode="r:gz") as _archive:
    _archive.extractall(__KFP_EMBEDDED_ASSET_DIR)
_sys.path.insert(0, __KFP_EMBEDDED_ASSET_DIR)
"""
# Backends that bring their own way to run notebooks replace `dsl.run_notebook`, and know by the name of the
# path that there is one.
_NOTEBOOK = """\
__KFP_NOTEBOOK_REL_PATH = {path!r}
_notebook_runner = {{"__name__": "notebook_runner"}}
exec({code!r}, _notebook_runner)
dsl.run_notebook = lambda **parameters: _notebook_runner["run_notebook"](
    _os.path.join(__KFP_EMBEDDED_ASSET_DIR, __KFP_NOTEBOOK_REL_PATH), parameters
)
"""
_EXTRACTED_FILE = "__KFP_EMBEDDED_ASSET_FILE = _os.path.join(__KFP_EMBEDDED_ASSET_DIR, {name!r})\n"


def component_source(
    func: Callable[..., Any],
    additional_funcs: Sequence[Callable[..., Any]] = (),
    embedded_artifact_path: str | None = None,
    notebook: str | None = None,
) -> str:
    """The module text that defines `func` in the pod.

    Args:
        func: the component's function.
        additional_funcs: functions that `func` calls.
        embedded_artifact_path: a file or directory to be packed into the text.
        notebook: path of a notebook in it, which `dsl.run_notebook` runs.

    Raises:
        ValueError: no source can be had, an artifact class is annotated under an alias, nothing lies at the
            path.
    """
    text = function_source(func)
    imports = [*PREAMBLE, *_artifact_imports(func, text)]
    blocks = ["\n".join(imports)]
    blocks += [function_source(helper) for helper in additional_funcs]
    if embedded_artifact_path:
        blocks.append(_embedded(Path(embedded_artifact_path)))
    if notebook:
        blocks.append(_NOTEBOOK.format(path=notebook, code=inspect.getsource(notebook_runner)))
    return "\n" + "\n\n".join(block.strip("\n") for block in [*blocks, text]) + "\n"


def function_source(func: Callable[..., Any]) -> str:
    """The text of a function without its decorators, moved to the left margin.

    Raises:
        ValueError: it is no plain function, or was not read from a file.
    """
    try:
        lines = inspect.getsource(func).split("\n")
    except (OSError, TypeError) as error:
        raise ValueError(
            f"the source of {getattr(func, '__name__', func)!r} cannot be read ({error})"
        ) from error
    indent = lines[0][: len(lines[0]) - len(lines[0].lstrip())]
    # Text at the left margin inside of a multi-line string is left as it is.
    lines = [line.removeprefix(indent) for line in lines]
    lines = list(itertools.dropwhile(lambda line: not line.startswith(("def ", "async def ")), lines))
    if not lines:
        raise ValueError(f"{getattr(func, '__name__', func)!r} is not defined with 'def'")
    return "\n".join(lines)


def _artifact_imports(func: Callable[..., Any], text: str) -> list[str]:
    """Imports for the custom artifact classes of a signature, since annotations are evaluated in the pod."""
    custom = list(dict.fromkeys(_custom_classes(func)))
    if not custom:
        return []
    roots = _annotated_classes(func, text)
    return list(dict.fromkeys(_import_of(cls, roots.get(cls, "")) for cls in custom))


def _annotated_classes(func: Callable[..., Any], text: str) -> dict[type, str]:
    """The first name in the annotation of each class: `pkg` of `dsl.Input[pkg.Embedding]`."""
    definition = ast.parse(text).body[0]
    assert isinstance(definition, ast.FunctionDef | ast.AsyncFunctionDef)
    arguments = definition.args
    annotated = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    annotations = [argument.annotation for argument in annotated] + [definition.returns]
    names = {**func.__globals__, **inspect.getclosurevars(func).nonlocals}
    roots: dict[type, str] = {}
    for node in itertools.chain.from_iterable(ast.walk(each) for each in annotations if each):
        if isinstance(node, ast.Name | ast.Attribute):
            parts = ast.unparse(node).split(".")
            value: Any = names.get(parts[0])
            for part in parts[1:]:
                value = getattr(value, part, None)
            if is_artifact_class(value):
                roots[value] = parts[0]
    return roots


def _custom_classes(func: Callable[..., Any]) -> Iterator[type]:
    signature = inspect.signature(func, eval_str=True)
    annotations = [argument.annotation for argument in signature.parameters.values()]
    returned = signature.return_annotation
    annotations += returned.__annotations__.values() if hasattr(returned, "_fields") else [returned]
    while annotations:
        annotation = annotations.pop(0)
        annotations[:0] = typing.get_args(annotation)
        if is_artifact_class(annotation) and SYSTEM_TYPES.get(annotation.schema_title) is not annotation:
            yield annotation


def _import_of(cls: type, root: str) -> str:
    path = [*cls.__module__.split("."), *cls.__qualname__.split(".")]
    if root not in path:
        raise ValueError(
            f"artifact class {'.'.join(path)} is annotated under an alias; use the name it was defined with"
        )
    position = path.index(root)
    return f"from {'.'.join(path[:position])} import {root}" if position else f"import {root}"


def _embedded(path: Path) -> str:
    if not path.exists():
        raise ValueError(f"embedded_artifact_path does not exist: {path}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(path, arcname="." if path.is_dir() else path.name, filter=_without_history)
    text = base64.b64encode(gzip.compress(packed.getvalue(), mtime=0)).decode()
    code = f"__KFP_EMBEDDED_ARCHIVE_B64 = {text!r}\n{_EXTRACTION}"
    return code if path.is_dir() else code + _EXTRACTED_FILE.format(name=path.name)


def _without_history(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Times, owners and caches differ between checkouts of the same files; the compiled pipeline must not."""
    if Path(member.name).name == "__pycache__":
        return None
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    member.mtime = member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
