"""What comes out of a node: the outputs of scopes, followed to the steps that make them.

A value climbs out of a scope through its outputs, level by level. On the way out of a loop it becomes a list;
where several branches put out the same, it is whichever happened.
"""

from __future__ import annotations

from kfp.pipeline_spec.pipeline_spec_pb2 import DagOutputsSpec

from tradewind.plan.bindings import Binding, Collected, OneOf, Option, StepArtifact, StepParameter
from tradewind.plan.preconditions import Guards, happened
from tradewind.plan.tree import Node

__all__ = ["output_artifact", "output_parameter", "outputs"]


def outputs(node: Node, guards: Guards) -> dict[str, Binding]:
    """What the outputs of a pipeline or sub-pipeline are, by name; parameters first."""
    declared = node.component.dag.outputs
    parameters = {key: output_parameter(node, key, guards) for key in sorted(declared.parameters)}
    return {**parameters, **{key: output_artifact(node, key, guards) for key in sorted(declared.artifacts)}}


def output_parameter(node: Node, key: str, guards: Guards) -> Binding:
    """An output parameter of a step, or of a scope and so of some step inside."""
    if node.is_step:
        return StepParameter(node.id, key)
    output: DagOutputsSpec.DagOutputParameterSpec = node.component.dag.outputs.parameters[key]
    if output.WhichOneof("kind") == "value_from_oneof":
        selectors = list(output.value_from_oneof.parameter_selectors)
    else:
        selectors = [output.value_from_parameter]
    inside = [(node.children[each.producer_subtask], each.output_parameter_key) for each in selectors]
    return _out_of(node, [(child, output_parameter(child, name, guards)) for child, name in inside], guards)


def output_artifact(node: Node, key: str, guards: Guards) -> Binding:
    """As `output_parameter`, for artifacts."""
    if node.is_step:
        return StepArtifact(node.id, key)
    selectors = node.component.dag.outputs.artifacts[key].artifact_selectors
    inside = [(node.children[each.producer_subtask], each.output_artifact_key) for each in selectors]
    return _out_of(node, [(child, output_artifact(child, name, guards)) for child, name in inside], guards)


def _out_of(node: Node, inside: list[tuple[Node, Binding]], guards: Guards) -> Binding:
    binding = inside[0][1]
    if len(inside) > 1:
        options = [Option(happened(child, guards), made) for child, made in inside]
        binding = OneOf(tuple(options))
    return Collected(node.id, binding) if node.is_loop else binding
