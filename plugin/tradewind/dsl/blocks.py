"""Blocks (conditions, loops, exit handlers) as the IR has them: a task in the DAG around, and a component."""

from __future__ import annotations

import json

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineTaskSpec

from tradewind.dsl import conditions, outputs
from tradewind.dsl.channel import injected_name
from tradewind.dsl.control import Branch, ConditionBranches, ParallelFor
from tradewind.dsl.inputs import bind
from tradewind.dsl.interface import Input, Interface, Output
from tradewind.dsl.scoping import surfaced
from tradewind.dsl.trace import Scope
from tradewind.dsl.types import ArtifactKind

__all__ = ["write_component", "write_task"]


def write_task(block: Scope, spec: PipelineTaskSpec) -> None:
    """Write the task that stands for a block, without what it waits for."""
    assert block.scope is not None, "the pipeline itself is no block"
    spec.task_info.name = block.display_name or block.name
    for name, channel in block.imports.items():
        bind(spec.inputs, name, channel, block.scope)
    if isinstance(block, Branch):
        spec.trigger_policy.condition = conditions.expression(block.conditions)
    elif isinstance(block, ParallelFor):
        _write_iterator(block, spec)


def _write_iterator(loop: ParallelFor, spec: PipelineTaskSpec) -> None:
    assert loop.scope is not None, "loops are always inside of a pipeline"
    source = loop.item.source
    if source is not None and isinstance(source.kind, ArtifactKind):
        spec.artifact_iterator.item_input = injected_name(loop.item)
        spec.artifact_iterator.items.input_artifact = injected_name(surfaced(source, loop.scope))
    else:
        spec.parameter_iterator.item_input = injected_name(loop.item)
        if source is None:
            spec.parameter_iterator.items.raw = json.dumps(list(loop.items), sort_keys=True)
        else:
            spec.parameter_iterator.items.input_parameter = injected_name(surfaced(source, loop.scope))
    if loop.parallelism:
        spec.iterator_policy.parallelism_limit = loop.parallelism


def write_component(block: Scope, component: ComponentSpec) -> None:
    """Write inputs and outputs of a block's component; its DAG is written when its tasks are."""
    inputs = {name: channel.kind for name, channel in block.imports.items()}
    if isinstance(block, ParallelFor):
        inputs[injected_name(block.item)] = block.item.kind
    exported = {name: Output(name, sources[0].kind) for name, sources in block.exports.items()}
    interface = Interface(
        block.name, "", {name: Input(name, kind) for name, kind in inputs.items()}, exported
    )
    component.CopyFrom(interface.to_proto())
    for name, sources in block.exports.items():
        outputs.write(component, name, sources, is_choice=isinstance(block, ConditionBranches))
