"""A compiled file becomes a `Pipeline`, or one error that lists everything wrong with it.

Three stages, each of which reports all that it finds before the next one starts: text to objects
(`document`), objects to messages (`schema`), and what the messages mean together (`validation`). Only unknown
fields keep nobody from reading on: they are reported with what is wrong in the rest. Files that are something
else altogether, though made by KFP too (an Argo workflow of version 1, a Vertex AI job, a component of
version 1), are told apart here, because a list of unknown fields would help nobody.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import json_format
from google.protobuf.message import Message

from tradewind.errors import InvalidPipelineError, Problem
from tradewind.ir import document, schema
from tradewind.ir.lost_items import restore_items, restore_settings
from tradewind.ir.pipeline import Pipeline, PipelineSpec, PlatformSpec
from tradewind.ir.validation import at_most, validate

__all__ = ["load", "loads"]

_Message = TypeVar("_Message", bound=Message)

_COMPILE = "compile it with KFP's SDK version 2, or with `tradewind compile`"


def load(pipeline: str | os.PathLike[str], *, source: str | None = None, checked: bool = True) -> Pipeline:
    """Load a compiled pipeline.

    Args:
        pipeline: path of a file, or the text itself: a string that holds a line break or starts with `{` is
            text.
        source: name for messages; default: the path.
        checked: False: whether its parts fit together is not looked at (`tradewind.ir.validate` does that).

    Raises:
        InvalidPipelineError: with everything that is wrong. No other error for any content of the file.
    """
    if isinstance(pipeline, str) and ("\n" in pipeline or pipeline.lstrip()[:1] == "{"):
        return loads(pipeline, source=source or "<text>", checked=checked)
    name = source or os.fspath(pipeline)
    return loads(_read_file(Path(pipeline), name), source=name, checked=checked)


def loads(text: str, *, source: str = "<text>", checked: bool = True) -> Pipeline:
    """Load a compiled pipeline from its text. Arguments and errors are those of `load`."""
    try:
        documents, problems = document.read(text)
    except document.Unreadable as error:
        raise InvalidPipelineError(source, error.problems) from error
    first, second = _split(documents, source)
    misfits = schema.check(PipelineSpec.DESCRIPTOR, first)
    if second is not None:
        misfits = chain(misfits, schema.check(PlatformSpec.DESCRIPTOR, second, "$platform"))
    found = at_most(chain(problems, misfits))
    if found and not (checked and all(map(schema.is_unknown_field, found))):
        raise InvalidPipelineError(source, found)
    spec = _parse(first, PipelineSpec(), source)
    platform = _parse(second, PlatformSpec(), source) if second is not None else None
    pipeline = Pipeline(spec, platform, source, checked=checked)
    if platform is not None:
        restore_settings(spec, platform)
    if not checked:
        restore_items(spec)
        return pipeline
    deployment = first.get("deploymentSpec", first.get("deployment_spec")) or {}
    try:
        _validate(pipeline, deployment)
    except InvalidPipelineError as error:
        raise InvalidPipelineError(source, at_most(chain(found, error.problems))) from None
    if found:
        raise InvalidPipelineError(source, found)
    return pipeline


def _validate(pipeline: Pipeline, deployment: Mapping[str, Any]) -> None:
    try:
        validate(pipeline, deployment, fits_schema=True)
    except InvalidPipelineError:
        if not restore_items(pipeline.spec):
            raise
        validate(pipeline, deployment, fits_schema=True)


def _read_file(path: Path, name: str) -> str:
    def refuse(message: str, remedy: str) -> InvalidPipelineError:
        return InvalidPipelineError(name, [Problem("$", message, remedy)])

    try:
        with path.open("rb") as file:
            raw = file.read(document.MAX_BYTES + 1)
    except FileNotFoundError:
        raise refuse(
            "no such file", "check the path; relative ones start at the folder of the caller"
        ) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise refuse(f"cannot be read: {reason}", "give the path of a readable file") from error
    if len(raw) > document.MAX_BYTES:
        raise refuse(f"larger than {document.MAX_BYTES // 2**20} MiB", "is it a compiled pipeline?")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refuse(f"not UTF-8 text (byte {error.start})", "is it a compiled pipeline?") from None


def _split(documents: list[Any], source: str) -> tuple[dict[str, Any], dict[str, Any] | None]:
    while len(documents) > 1 and documents[-1] is None:  # a `---` at the end of the file
        documents.pop()
    if not documents or documents[0] is None:
        raise InvalidPipelineError(source, [Problem("$", "the file is empty", _COMPILE)])
    first = documents[0]
    stranger = (
        _stranger(first)
        if isinstance(first, dict)
        else (f"is {schema.kind_of(first)}, no pipeline", _COMPILE)
    )
    if stranger is not None:
        raise InvalidPipelineError(source, [Problem("$", *stranger)])
    if len(documents) > 2:
        message = (
            f"holds {len(documents)} documents: a pipeline has one, or two with its platform's configuration"
        )
        raise InvalidPipelineError(source, [Problem("$", message, "give one file to each pipeline")])
    return first, documents[1] if len(documents) == 2 else None


def _stranger(content: Mapping[str, Any]) -> tuple[str, str] | None:
    """What the file is, if it is no pipeline, and what to do."""
    kind, version = content.get("kind"), content.get("apiVersion")
    if isinstance(version, str) and version.startswith("argoproj.io/"):
        return f"is an Argo {kind}, as version 1 of KFP's SDK compiles to", _COMPILE
    if isinstance(version, str) and version.startswith("pipelines.kubeflow.org/"):
        return (
            f"is a Kubernetes manifest of kind {kind} around a pipeline",
            "compile it without kubernetes_manifest_format",
        )
    if isinstance(kind, str) and version is not None:
        return f"is a Kubernetes object of kind {kind}, no pipeline", _COMPILE
    if "pipelineSpec" in content or "pipeline_spec" in content:
        return (
            "is a PipelineJob (Vertex AI), a pipeline with the settings of one run",
            "give only what is in `pipelineSpec`",
        )
    if "implementation" in content and "root" not in content:
        return (
            "is a component of KFP's version 1, no pipeline",
            "load it with components.load_component_from_file in a pipeline",
        )
    if not {"root", "pipelineInfo", "pipeline_info", "components", "deploymentSpec"} & content.keys():
        known = ", ".join(repr(key) for key in list(content)[:5])
        return f"is no pipeline: it has {known or 'nothing'} at the top, and no 'root'", _COMPILE
    return None


def _parse(content: dict[str, Any], message: _Message, source: str) -> _Message:
    try:
        return json_format.ParseDict(content, message, ignore_unknown_fields=True)  # `schema` has named them
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as error:
        # `schema` found nothing, protobuf does: say it in protobuf's words rather than not at all.
        raise InvalidPipelineError(source, [Problem("$", f"does not fit KFP's schema: {error}")]) from error
