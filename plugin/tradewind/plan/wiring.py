"""Where each input comes from, with the scopes in between taken out.

In the IR a value climbs out of a sub-pipeline through its outputs and down into another one through its
inputs, level by level. Followed to its end, each input of a step is a constant, a parameter of the whole
pipeline or an output of another step.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from kfp.pipeline_spec.pipeline_spec_pb2 import DagOutputsSpec, TaskInputsSpec

from tradewind.ir.executors import plain
from tradewind.ir.types import parameter_type
from tradewind.plan.model import (
    Binding,
    Constant,
    ParameterType,
    PipelineInput,
    StepArtifact,
    StepParameter,
    Template,
)
from tradewind.plan.placeholders import has_placeholders, input_names
from tradewind.plan.tree import Node
from tradewind.plan.values import typed

__all__ = ["Inputs", "outputs", "wire"]


@dataclass(slots=True)
class Inputs:
    """Bindings of one node's inputs: absent is a parameter without a value, None an artifact not given."""

    parameters: dict[str, Binding] = field(default_factory=dict)
    artifacts: dict[str, Binding | None] = field(default_factory=dict)


def wire(root: Node) -> dict[str, Inputs]:
    """Inputs of every node, by id."""
    wired = {"": Inputs({name: PipelineInput(name) for name in root.component.input_definitions.parameters})}
    _wire_children(root, wired)
    return wired


def outputs(node: Node) -> dict[str, Binding]:
    """What the outputs of a pipeline or sub-pipeline are, by name."""
    parameters = {key: output_parameter(node, key) for key in sorted(node.component.dag.outputs.parameters)}
    artifacts = {key: output_artifact(node, key) for key in sorted(node.component.dag.outputs.artifacts)}
    return {**parameters, **artifacts}


def output_parameter(node: Node, key: str) -> Binding:
    """An output parameter of a step, or of a sub-pipeline and so of some step inside."""
    while not node.is_step:
        selector: DagOutputsSpec.ParameterSelectorSpec = node.component.dag.outputs.parameters[
            key
        ].value_from_parameter
        node, key = node.children[selector.producer_subtask], selector.output_parameter_key
    return StepParameter(node.id, key)


def output_artifact(node: Node, key: str) -> Binding:
    """As `output_parameter`, for artifacts."""
    while not node.is_step:
        selector = node.component.dag.outputs.artifacts[key].artifact_selectors[0]
        node, key = node.children[selector.producer_subtask], selector.output_artifact_key
    return StepArtifact(node.id, key)


def _wire_children(parent: Node, wired: dict[str, Inputs]) -> None:
    for child in parent.children.values():
        wired[child.id] = _inputs(child, parent, wired[parent.id])
        _wire_children(child, wired)


def _inputs(node: Node, parent: Node, scope: Inputs) -> Inputs:
    given = node.task.inputs
    inputs = Inputs()
    raw = {name: _parameter(given.parameters[name], parent, scope) for name in sorted(given.parameters)}
    declared = node.component.input_definitions.parameters
    for name, binding in raw.items():
        kind = parameter_type(declared[name]) if name in declared else "STRING"
        finished = _finish(binding, kind, raw)
        if finished is not None:
            inputs.parameters[name] = finished
    for name in sorted(given.artifacts):
        inputs.artifacts[name] = _artifact(given.artifacts[name], parent, scope)
    if not node.is_step:
        _fill_in_defaults(node, inputs)
    return inputs


def _parameter(given: TaskInputsSpec.InputParameterSpec, parent: Node, scope: Inputs) -> Binding | None:
    match given.WhichOneof("kind"):
        case "task_output_parameter":
            source = given.task_output_parameter
            return output_parameter(parent.children[source.producer_task], source.output_parameter_key)
        case "component_input_parameter":
            return scope.parameters.get(given.component_input_parameter)
        case _:
            value = given.runtime_value
            if value.WhichOneof("value") == "constant_value":  # as SDKs before 2.0 wrote it
                legacy = value.constant_value
                kind = legacy.WhichOneof("value")
                return Constant(getattr(legacy, kind) if kind else None)
            return Constant(plain(value.constant))


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


def _artifact(given: TaskInputsSpec.InputArtifactSpec, parent: Node, scope: Inputs) -> Binding | None:
    if given.WhichOneof("kind") == "task_output_artifact":
        source = given.task_output_artifact
        return output_artifact(parent.children[source.producer_task], source.output_artifact_key)
    return scope.artifacts.get(given.component_input_artifact)


def _fill_in_defaults(node: Node, inputs: Inputs) -> None:
    """A sub-pipeline passes its default on where it got no value, or null where it has none: KFP's rule."""
    for name, declared in node.component.input_definitions.parameters.items():
        if name not in inputs.parameters:
            value = plain(declared.default_value) if declared.HasField("default_value") else None
            inputs.parameters[name] = Constant(typed(value, parameter_type(declared)))
    for name in node.component.input_definitions.artifacts:
        inputs.artifacts.setdefault(name, None)
