"""Where a task's inputs come from, as the IR says it."""

from __future__ import annotations

from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import TaskInputsSpec

from tradewind.dsl.channel import Channel, injected_name, with_tokens
from tradewind.dsl.loops import FieldChannel, ItemChannel
from tradewind.dsl.placeholders import input_parameter
from tradewind.dsl.scoping import surfaced
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.trace import Scope, Trace
from tradewind.dsl.types import ArtifactKind
from tradewind.dsl.values import assign

__all__ = ["TaskInputs", "bind"]


def bind(inputs: TaskInputsSpec, name: str, channel: Channel, scope: Scope) -> None:
    """Say that the input `name` of a node in `scope` gets the value of `channel`."""
    if isinstance(channel, FieldChannel):
        bind(inputs, name, channel.item, scope)
        inputs.parameters[name].parameter_expression_selector = channel.selector
        return
    channel = surfaced(channel, scope)
    producer, is_item = channel.producer, isinstance(channel, ItemChannel)
    if producer is not None and producer.scope is scope and not is_item:
        if isinstance(channel.kind, ArtifactKind):
            artifact = inputs.artifacts[name].task_output_artifact
            artifact.producer_task, artifact.output_artifact_key = producer.name, channel.name
        else:
            parameter = inputs.parameters[name].task_output_parameter
            parameter.producer_task, parameter.output_parameter_key = producer.name, channel.name
        return
    outside = injected_name(channel) if is_item or scope.scope is not None else channel.name
    if isinstance(channel.kind, ArtifactKind):
        inputs.artifacts[name].component_input_artifact = outside
    else:
        inputs.parameters[name].component_input_parameter = outside


class TaskInputs:
    """Writes the inputs of one task."""

    def __init__(self, spec: TaskInputsSpec, task: PipelineTask) -> None:
        self.spec = spec
        self.task = task
        self.trace: Trace = task.trace

    def write(self, name: str, value: Any) -> None:
        """Write one argument: a channel, or a constant that may have channels in it."""
        if isinstance(value, Channel):
            bind(self.spec, name, value, self.task.scope)
        else:
            constant = self._resolve(with_tokens(value))
            assign(self.spec.parameters[name].runtime_value.constant, constant)

    def text(self, name: str, text: str) -> str:
        """A setting as text; one that only a run knows becomes an input `name` of the task, as in KFP."""
        if not self.trace.tokens_in(text):
            return text
        resolved: str = self._resolve(text)
        self.spec.parameters[name].runtime_value.constant.string_value = resolved
        return resolved

    def reference(self, value: Any) -> TaskInputsSpec.InputParameterSpec:
        """A value that platform settings refer to: as of an input, but none of the task's."""
        if isinstance(value, Channel):
            beside = TaskInputsSpec()
            bind(beside, "value", value, self.task.scope)
            return beside.parameters["value"]
        constant = TaskInputsSpec.InputParameterSpec()
        assign(constant.runtime_value.constant, self._resolve(with_tokens(value)))
        return constant

    def resources(self) -> dict[str, str]:
        """The task's resources, with placeholders."""
        return {name: self.text(name, text) for name, text in self.task.resources.items()}

    def _resolve(self, value: Any) -> Any:
        """Tokens become placeholders of additional inputs."""
        if isinstance(value, str):
            for token, channel in self.trace.tokens_in(value).items():
                if channel is not None:
                    bind(self.spec, injected_name(channel), channel, self.task.scope)
                    value = value.replace(token, input_parameter(injected_name(channel)))
        elif isinstance(value, list):
            return [self._resolve(item) for item in value]
        elif isinstance(value, dict):
            return {self._resolve(key): self._resolve(item) for key, item in value.items()}
        return value
