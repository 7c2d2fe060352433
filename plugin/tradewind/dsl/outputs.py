"""What a pipeline returns: read, checked against its annotation, and written."""

from __future__ import annotations

from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec

from tradewind.dsl.channel import Channel, unwrap
from tradewind.dsl.interface import SINGLE_OUTPUT, Interface
from tradewind.dsl.loops import Collected, FieldChannel, ItemChannel
from tradewind.dsl.scoping import outermost
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.trace import Trace
from tradewind.dsl.types import ArtifactKind

__all__ = ["read", "write"]


def read(trace: Trace, interface: Interface, returned: Any) -> dict[str, Channel]:
    """Outputs by name; what is wrong with them is noted in the trace."""
    if returned is None:
        given: dict[str, Any] = {}
    elif isinstance(returned, dict):
        given = returned
    elif isinstance(returned, tuple) and hasattr(returned, "_asdict"):
        given = returned._asdict()
    elif isinstance(returned, PipelineTask) and set(returned.outputs) == set(interface.outputs):
        given = dict(returned.outputs)
    else:
        given = {SINGLE_OUTPUT: unwrap(returned)}
    for name in interface.outputs:
        if name not in given:
            trace.complain("is declared but not returned", part=_part(name))
    return {name: value for name, value in given.items() if _is_right(trace, interface, name, value)}


def _part(name: str) -> str:
    return "return value" if name == SINGLE_OUTPUT else f"output '{name}'"


def _is_right(trace: Trace, interface: Interface, name: str, value: Any) -> bool:
    part, declared = _part(name), interface.outputs.get(name)
    if isinstance(value, PipelineTask):
        trace.complain(
            f"is the task '{value.name}' itself",
            part=part,
            remedy="return its .output or one of its .outputs[...]",
        )
    elif not isinstance(value, Channel):
        trace.complain(f"is a {type(value).__name__}; only outputs of tasks can be returned", part=part)
    elif value.trace is not trace:
        trace.complain(f"'{value.full_name}' belongs to pipeline '{value.trace.pipeline}'", part=part)
    elif isinstance(value, ItemChannel | FieldChannel):
        trace.complain(
            f"'{value.full_name}' is an item of a loop; only outputs of tasks can be returned",
            part=part,
            also=AttributeError,
        )
    elif value.producer is None:
        trace.complain(
            f"'{value.name}' is an input of the pipeline; only outputs of tasks can be returned",
            part=part,
            also=AttributeError,
        )
    elif isinstance(value, Collected) and outermost(value.producer, trace.root).kind != "for-loop":
        trace.complain(f"'{value.full_name}' is not made in a dsl.ParallelFor", part=part)
    elif value.producer.scope is not trace.root and not isinstance(value, Collected):
        trace.complain(
            f"'{value.full_name}' comes from inside of {value.producer.scope.keyword}",
            part=part,
            remedy="outputs are returned from the pipeline's own level",
        )
    elif declared is None:
        trace.complain(
            "is returned but not declared", part=part, remedy="add a return annotation to the function"
        )
    elif not declared.kind.accepts(value.kind):
        trace.complain(f"is declared as {declared.kind}, but '{value.full_name}' is {value.kind}", part=part)
    else:
        return True
    return False


def write(component: ComponentSpec, name: str, sources: list[Channel], is_choice: bool = False) -> None:
    """Connect an output of a DAG with what makes it: one task or block in it, or one of several branches."""
    for source in sources:
        if isinstance(source.kind, ArtifactKind):
            selector = component.dag.outputs.artifacts[name].artifact_selectors.add()
            selector.producer_subtask, selector.output_artifact_key = source.task_name or "", source.name
            continue
        output = component.dag.outputs.parameters[name]
        if is_choice:
            parameter = output.value_from_oneof.parameter_selectors.add()
        else:
            parameter = output.value_from_parameter
        parameter.producer_subtask, parameter.output_parameter_key = source.task_name or "", source.name
