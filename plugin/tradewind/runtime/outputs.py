"""Takes in what a step has made: parameters with their types, artifacts kept at their URIs.

Python components and commands end up here alike. What an executor output says (KFP's `output_metadata.json`)
wins over files, as in KFP; a declared parameter that nobody wrote is an error, an artifact without content is
only worth a warning.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any, Callable

from tradewind.runtime.failures import OutputError
from tradewind.runtime.values import conform, json_ready, parse_text
from tradewind.runtime.workspace import IN_WORKSPACE, listed_artifacts

if TYPE_CHECKING:
    from tradewind.runtime.staging import Staging

__all__ = ["read_executor_output", "take_artifacts", "take_parameters"]

# Types whose content is their metadata.
WITHOUT_CONTENT = ("system.Metrics", "system.ClassificationMetrics", "system.SlicedClassificationMetrics")


def read_executor_output(path: str) -> dict[str, Any]:
    """Return what a command wrote to the executor output file, {} when it wrote none.

    Raises:
        OutputError: it is not JSON.
    """
    if not path or not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        try:
            output = json.load(file)
        except ValueError as error:
            raise OutputError(f"The executor output file {path} is not JSON: {error}") from error
    if not isinstance(output, dict):
        raise OutputError(f"The executor output file {path} holds no JSON object")
    return output


def take_parameters(task: dict[str, Any], output: dict[str, Any]) -> dict[str, Any]:
    """Return the values of all declared output parameters.

    Raises:
        OutputError: one is missing or of the wrong type.
    """
    declared = task["executor_input"].get("outputs", {}).get("parameters", {})
    given = output.get("parameterValues") or {}
    types = task.get("output_types") or {}
    taken = {}
    for name, parameter in declared.items():
        kind = types.get(name, "")
        try:
            if name in given:
                taken[name] = conform(kind, given[name])
            else:
                taken[name] = parse_text(kind, _read(name, parameter.get("outputFile", "")))
        except (ValueError, TypeError) as error:
            raise OutputError(f"Output parameter {name!r}: {error}") from error
    return taken


def take_artifacts(
    task: dict[str, Any], output: dict[str, Any], staging: Staging, log: Callable[[str], object]
) -> dict[str, list[dict[str, Any]]]:
    """Keep all output artifacts and return their references by output name.

    Raises:
        OutputError: metadata that is not JSON, or the store refused.
        UnavailableError: the store did not answer in time.
    """
    executor_input = task["executor_input"]
    given = output.get("artifacts") or {}
    inputs = listed_artifacts(executor_input.get("inputs", {}))
    known = {artifact.get("uri"): artifact for _, artifact in inputs}
    root = os.path.dirname(executor_input.get("outputs", {}).get("outputFile", ""))
    taken: dict[str, list[dict[str, Any]]] = {}
    for name, declared in listed_artifacts(executor_input.get("outputs", {})):
        changes: dict[str, Any] = next(iter((given.get(name) or {}).get("artifacts", ())), {})
        try:
            metadata = json_ready({**(declared.get("metadata") or {}), **(changes.get("metadata") or {})})
        except (TypeError, ValueError) as error:
            raise OutputError(f"Metadata of output artifact {name!r}: {error}") from error
        content = _content(task, name, declared, changes, known, root, staging)
        if "customPath" not in content:
            metadata.pop(IN_WORKSPACE, None)  # copied from an input: this content lies somewhere else
        kind = declared.get("type", {})
        forgotten = not content.pop("external", False) and content["format"] is None
        if forgotten and kind.get("schemaTitle") not in WITHOUT_CONTENT:
            log(f"warning: nothing was written to output artifact {name!r}")
        reference = {"name": changes.get("name") or declared.get("name") or name, "type": kind}
        taken.setdefault(name, []).append({**reference, "metadata": metadata, **content})
    return taken


def _content(
    task: dict[str, Any],
    name: str,
    declared: dict[str, Any],
    changes: dict[str, Any],
    known: dict[Any, dict[str, Any]],
    root: str,
    staging: Staging,
) -> dict[str, Any]:
    from tradewind.runtime.stores import is_external

    place = declared.get("uri", "")
    uri = changes.get("uri") or place
    own = root_uri(task)
    path = changes.get("custom_path") or changes.get("customPath")
    if path == declared.get("customPath"):
        path = None
    if uri == place:
        path = path or declared.get("customPath") or ""
    elif uri in known and not path:
        # An input that is passed on: it lies where it lay.
        there = known[uri]
        content = {key: there.get(key) for key in ("digest", "size", "format")}
        if (there.get("metadata") or {}).get(IN_WORKSPACE) is True:
            content["customPath"] = there.get("customPath")
        return {"uri": uri, **content, "external": True}
    elif own and uri.startswith(own + "/"):
        path = path or os.path.join(root, uri[len(own) + 1 :])
    elif is_external(uri):
        # Kept elsewhere by the component itself, unless it says that a local path is to go there.
        if not path:
            return {"uri": uri, "digest": None, "size": None, "format": None, "external": True}
    else:
        path, uri = path or uri, place
    return staging.keep(name, uri, path, tree=bool(declared.get("tree")) and uri == place)


def root_uri(task: dict[str, Any]) -> str:
    """Return the URI below which the step keeps what it makes, without a slash at the end."""
    uri = str(task.get("result_uri") or "")
    return uri.rpartition("/.tradewind/")[0] or uri.rpartition("/")[0]


def _read(name: str, path: str) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            return file.read()
    except FileNotFoundError:
        raise OutputError(
            f"Output parameter {name!r} is missing: the component neither returned it nor wrote {path}"
        ) from None
    except UnicodeDecodeError as error:
        raise OutputError(f"Output parameter {name!r}: {path} is not UTF-8 text ({error})") from error
