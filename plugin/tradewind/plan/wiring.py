"""Where each input comes from, with the scopes in between taken out.

In the IR a value climbs out of a scope through its outputs (`outlets`) and down into another one through its
inputs, level by level. Followed to its end, each input of a step is a constant, a parameter of the whole
pipeline, an output of another step or an item of a loop.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import TaskInputsSpec

from tradewind.ir.executors import plain
from tradewind.ir.types import parameter_type
from tradewind.plan.bindings import (
    ALWAYS,
    Binding,
    Constant,
    FinalStatus,
    Guard,
    LoopItem,
    OneOf,
    Option,
    PipelineInput,
    Selected,
    Template,
)
from tradewind.plan.conditions import parse
from tradewind.plan.evaluation import steps_of
from tradewind.plan.model import ParameterType
from tradewind.plan.outlets import output_artifact, output_parameter, outputs
from tradewind.plan.placeholders import has_placeholders, input_names
from tradewind.plan.selection import selected_path
from tradewind.plan.tree import Node
from tradewind.plan.values import typed

__all__ = ["Inputs", "wire"]


@dataclass(slots=True)
class Inputs:
    """Bindings of one node.

    Attributes:
        parameters: absent is one without a value.
        artifacts: None is one not given.
        guard: its condition.
        items: what it loops over.
    """

    parameters: dict[str, Binding] = field(default_factory=dict)
    artifacts: dict[str, Binding | None] = field(default_factory=dict)
    guard: Guard | None = None
    items: Binding | None = None


def wire(root: Node) -> tuple[dict[str, Inputs], dict[str, Binding]]:
    """Inputs of every node, by id, and the outputs of the whole."""
    wiring = _Wiring()
    given = {name: PipelineInput(name) for name in root.component.input_definitions.parameters}
    wiring.wired[""] = Inputs({**given})
    wiring.children(root)
    return wiring.wired, outputs(root, wiring.guards)


class _Wiring:
    """One walk over the tree, in topological order: what makes a value comes before what uses it."""

    def __init__(self) -> None:
        self.wired: dict[str, Inputs] = {}
        self.guards: dict[str, Guard] = {}

    def children(self, parent: Node) -> None:
        for child in parent.children.values():
            inputs = self.wired[child.id] = self._inputs(child, parent)
            if inputs.guard is not None:
                self.guards[child.id] = inputs.guard
            self.children(child)

    def _inputs(self, node: Node, parent: Node) -> Inputs:
        given, inputs = node.task.inputs, Inputs()
        raw = {name: self._parameter(given.parameters[name], parent) for name in sorted(given.parameters)}
        declared = node.component.input_definitions.parameters
        for name, binding in raw.items():
            kind = parameter_type(declared[name]) if name in declared else "STRING"
            finished = _finish(binding, kind, raw)
            if finished is not None:
                inputs.parameters[name] = finished
        for name in sorted(given.artifacts):
            inputs.artifacts[name] = self._artifact(given.artifacts[name], parent)
        if not node.is_step:
            _fill_in_defaults(node, inputs)
        if node.task.trigger_policy.condition:
            inputs.guard = _guard(node, inputs)
        if node.is_loop:
            _iterate(node, inputs, raw)
        return inputs

    def _parameter(self, given: TaskInputsSpec.InputParameterSpec, parent: Node) -> Binding | None:
        binding = self._source(given, parent)
        path = selected_path(given.parameter_expression_selector)
        return binding if binding is None or path is None else Selected(binding, path)

    def _source(self, given: TaskInputsSpec.InputParameterSpec, parent: Node) -> Binding | None:
        match given.WhichOneof("kind"):
            case "task_output_parameter":
                source = given.task_output_parameter
                producer = parent.children[source.producer_task]
                return output_parameter(producer, source.output_parameter_key, self.guards)
            case "component_input_parameter":
                return self.wired[parent.id].parameters.get(given.component_input_parameter)
            case "task_final_status":
                ended = parent.children[given.task_final_status.producer_task]
                return FinalStatus(ended.name, tuple(step.id for step in ended.steps()))
            case _:
                return Constant(_constant(given))

    def _artifact(self, given: TaskInputsSpec.InputArtifactSpec, parent: Node) -> Binding | None:
        if given.WhichOneof("kind") == "task_output_artifact":
            source = given.task_output_artifact
            producer = parent.children[source.producer_task]
            return output_artifact(producer, source.output_artifact_key, self.guards)
        return self.wired[parent.id].artifacts.get(given.component_input_artifact)


def _constant(given: TaskInputsSpec.InputParameterSpec) -> Any:
    value = given.runtime_value
    if value.WhichOneof("value") == "constant_value":  # as SDKs before 2.0 wrote it
        legacy = value.constant_value
        kind = legacy.WhichOneof("value")
        return getattr(legacy, kind) if kind else None
    return plain(value.constant)


def _finish(
    binding: Binding | None, kind: ParameterType, siblings: Mapping[str, Binding | None]
) -> Binding | None:
    """Set a constant's numbers right, and bind its placeholders to the task's other inputs."""
    if not isinstance(binding, Constant):
        return binding
    value = typed(binding.value, kind)
    if not has_placeholders(value):
        return Constant(value)
    inputs = {name: siblings.get(name) or Constant(None) for name in sorted(input_names(value))}
    return Template(value, inputs)


def _fill_in_defaults(node: Node, inputs: Inputs) -> None:
    """A sub-pipeline passes its default on where it got no value, or null where it has none: KFP's rule.

    One that runs whatever happened before may find out only then that there is no value.
    """
    for name, declared in node.component.input_definitions.parameters.items():
        value = plain(declared.default_value) if declared.HasField("default_value") else None
        default = Constant(typed(value, parameter_type(declared)))
        given = inputs.parameters.setdefault(name, default)
        if node.ignores_failures and steps_of(given) and not isinstance(given, FinalStatus):
            options = (Option(ALWAYS, given), Option(ALWAYS, default))
            inputs.parameters[name] = OneOf(options)
    for name in node.component.input_definitions.artifacts:
        inputs.artifacts.setdefault(name, None)


def _guard(node: Node, inputs: Inputs) -> Guard:
    """A task's condition is about the task's own inputs."""
    expression = node.task.trigger_policy.condition
    declared = node.component.input_definitions.parameters
    bindings = {}
    for name in sorted(parse(expression).names):
        default = plain(declared[name].default_value) if name in declared else None
        bindings[name] = inputs.parameters.get(name) or Constant(default)
    return Guard(expression, bindings, node.id)


def _iterate(node: Node, inputs: Inputs, raw: Mapping[str, Binding | None]) -> None:
    """Find a loop's items, and give one of them to the component in each iteration."""
    if node.task.HasField("artifact_iterator"):
        artifacts = node.task.artifact_iterator
        inputs.items = inputs.artifacts.get(artifacts.items.input_artifact) or Constant([])
        inputs.artifacts[artifacts.item_input] = LoopItem(node.id)
        return
    iterator = node.task.parameter_iterator
    if iterator.items.WhichOneof("kind") == "raw":
        inputs.items = _finish(Constant(json.loads(iterator.items.raw)), "LIST", raw)
    else:
        inputs.items = inputs.parameters.get(iterator.items.input_parameter) or Constant(None)
    inputs.parameters[iterator.item_input] = LoopItem(node.id)
