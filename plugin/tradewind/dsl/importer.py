"""Artifacts that exist already, as a task: it starts no pod, it only makes the artifact known to the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value

from tradewind.dsl.base import BaseComponent
from tradewind.dsl.channel import Channel, unwrap
from tradewind.dsl.interface import Input, Interface, Output
from tradewind.dsl.placeholders import input_parameter
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.trace import current_trace
from tradewind.dsl.types import STRING, ArtifactKind, artifact_kind
from tradewind.dsl.values import assign, json_problem
from tradewind.errors import ConfigurationError
from tradewind.ir.executors import ImporterSpec, plain
from tradewind.runtime.artifacts import Artifact

__all__ = ["ImporterComponent", "importer"]

URI, OUTPUT, METADATA = "uri", "artifact", "metadata"


class ImporterComponent(BaseComponent):
    """The component behind one call of `dsl.importer`.

    Attributes:
        importer: as the IR has it. Never to be changed.
    """

    def __init__(self, interface: Interface, importer: Value) -> None:
        super().__init__(interface)
        self.importer = importer

    @property
    def importer_spec(self) -> ImporterSpec:
        return json_format.ParseDict(plain(self.importer), ImporterSpec())


def importer(
    artifact_uri: str | Channel,
    artifact_class: type[Artifact],
    reimport: bool = False,
    metadata: Mapping[str, Any] | None = None,
    download_to_workspace: bool = False,
) -> PipelineTask:
    """Use an artifact that exists already.

    Args:
        artifact_uri: where it is; may be a pipeline input or an output.
        artifact_class: its type.
        reimport: record it anew even when the same one is known.
        metadata: of the artifact; may hold pipeline inputs and outputs, also within text.
        download_to_workspace: put it into the run's workspace; needs one in the pipeline's configuration.

    Returns:
        A task whose `.output` is the artifact.

    Raises:
        ConfigurationError: called outside of a pipeline.
        InvalidPipelineError: the class cannot be imported.
    """
    trace = current_trace()
    if trace is None:
        raise ConfigurationError(
            "dsl.importer was called outside of a pipeline.",
            remedy="Call it in a @dsl.pipeline function.",
            also=RuntimeError,
        )
    try:
        kind = artifact_kind(artifact_class)
    except (AttributeError, TypeError) as error:
        trace.fail(
            str(error),
            task="importer",
            part="argument 'artifact_class'",
            remedy="pass a class such as dsl.Model",
            also=type(error),
        )
    if not isinstance(metadata, Mapping | None):
        message = f"expects a mapping, got a {type(metadata).__name__}"
        trace.fail(message, task="importer", part="argument 'metadata'", also=AttributeError)
    metadata_inputs = _MetadataInputs()
    rendered = metadata_inputs.render(dict(metadata or {}))
    interface = Interface(
        "importer",
        inputs={URI: Input(URI, STRING)}
        | {name: Input(name, channel.kind) for name, channel in metadata_inputs.channels.items()},
        outputs={OUTPUT: Output(OUTPUT, kind)},
    )
    body: dict[str, Any] = {"artifactUri": {"runtimeParameter": URI}, "typeSchema": _schema(kind)}
    if isinstance(artifact_uri, str) and not trace.tokens_in(artifact_uri):
        body["artifactUri"] = {"constant": artifact_uri}
    if rendered:
        body["metadata"] = rendered
    body |= {
        key: True
        for key, on in (("reimport", reimport), ("downloadToWorkspace", download_to_workspace))
        if on
    }
    value = Value()
    problem = json_problem(rendered)
    assign(value, body if problem is None else {})
    task = ImporterComponent(interface, value)(uri=artifact_uri, **metadata_inputs.channels)
    if problem:
        trace.complain(problem, task=task.name, part="argument 'metadata'")
    if isinstance(artifact_uri, str) and not artifact_uri:
        trace.complain("is empty", task=task.name, part="argument 'artifact_uri'", remedy="name an artifact")
    task.uses_workspace = download_to_workspace
    return task


def _schema(kind: ArtifactKind) -> dict[str, str]:
    return {"schemaTitle": kind.title, "schemaVersion": kind.version}


class _MetadataInputs:
    """Values in an importer's metadata that are known at run time only: each becomes one input."""

    def __init__(self) -> None:
        self.channels: dict[str, Channel] = {}
        self._names: dict[str, str] = {}

    def render(self, value: Any) -> Any:
        """Metadata with placeholders instead of channels."""
        value = unwrap(value)
        if isinstance(value, Channel):
            return self._placeholder(value)
        if isinstance(value, dict):
            return {self.render(key): self.render(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.render(item) for item in value]
        trace = current_trace()
        if isinstance(value, str) and trace is not None:
            for token, channel in trace.tokens_in(value).items():
                if channel is not None:
                    value = value.replace(token, self._placeholder(channel))
        return value

    def _placeholder(self, channel: Channel) -> str:
        name = self._names.get(channel.full_name)
        if name is None:
            name = METADATA if not self.channels else f"{METADATA}-{len(self.channels) + 1}"
            self._names[channel.full_name] = name
            self.channels[name] = channel
        return input_parameter(name)
