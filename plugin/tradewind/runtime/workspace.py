"""The step's own directory, and where the paths of a task lie in it.

The operator writes paths below `/tmp/tradewind`, which is where a pod has them. Where containers are
processes of one host and share its `/tmp`, `TRADEWIND_WORKDIR` names a directory of the step's own, and the
task's paths are moved there. Only paths that the task itself declares are moved: a value that merely looks
like one is data.
"""

from __future__ import annotations

import copy
import os
from typing import Any, Iterator

__all__ = [
    "DEFAULT_WORKDIR",
    "IN_WORKSPACE",
    "declared_paths",
    "leave_root",
    "listed_artifacts",
    "relocate",
    "workdir",
]

DEFAULT_WORKDIR = "/tmp/tradewind"
IN_WORKSPACE = "_kfp_workspace"
"""In an artifact's metadata, as KFP has it: its content lies in the volume that the run's steps share."""


def workdir() -> str:
    """Return the writable directory of this step."""
    return os.environ.get("TRADEWIND_WORKDIR") or DEFAULT_WORKDIR


def leave_root() -> None:
    """Go where a file can be made, from the root directory of a container that may not write to it.

    Images without a working directory start there, and code that writes `model.pkl` means "here". An image's
    own working directory is left alone: its code reads what lies beside it.
    """
    if os.getcwd() == os.sep and not os.access(os.sep, os.W_OK):
        import tempfile

        os.chdir(tempfile.gettempdir())


def declared_paths(executor_input: dict[str, Any]) -> list[str]:
    """Return every path that an executor input declares, longest first."""
    found = {holder[key] for holder, key in _places(executor_input)}
    return sorted(found, key=lambda path: (-len(path), path))


def listed_artifacts(side: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name and artifact for every artifact of one side of an executor input."""
    for name, listed in side.get("artifacts", {}).items():
        for artifact in listed.get("artifacts", ()):
            yield name, artifact


def relocate(task: dict[str, Any], root: str) -> dict[str, Any]:
    """Return the task with its declared paths moved from the default directory to `root`.

    In a command they may stand anywhere in an argument, in parameter values only as the whole value.
    """
    if root == DEFAULT_WORKDIR:
        return task
    moved = copy.deepcopy(task)
    executor_input = moved.setdefault("executor_input", {})
    paths = {path: _moved(path, root) for path in declared_paths(executor_input)}
    for holder, key in list(_places(executor_input)):
        holder[key] = paths[holder[key]]
    values = executor_input.get("inputs", {}).get("parameterValues", {})
    for name, value in values.items():
        if isinstance(value, str) and value in paths:
            values[name] = paths[value]
    command = []
    for argument in moved.get("command") or ():
        for old, new in paths.items():
            argument = argument.replace(old, new)
        command.append(argument)
    moved["command"] = command
    return moved


def _moved(path: str, root: str) -> str:
    if path == DEFAULT_WORKDIR or path.startswith(DEFAULT_WORKDIR + "/"):
        return root.rstrip("/") + path[len(DEFAULT_WORKDIR) :]
    return path


def _places(executor_input: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    outputs = executor_input.get("outputs", {})
    holders = [(outputs, "outputFile")]
    holders += [(parameter, "outputFile") for parameter in outputs.get("parameters", {}).values()]
    for side in (executor_input.get("inputs", {}), outputs):
        for listed in side.get("artifacts", {}).values():
            holders += [(artifact, "customPath") for artifact in listed.get("artifacts", ())]
    for holder, key in holders:
        if holder.get(key):
            yield holder, key
