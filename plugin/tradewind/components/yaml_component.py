"""What a loaded file is: a component like any other, which remembers its text.

A compiled file holds a pipeline in any case. Where that pipeline is nothing but a wrapping around one
container (a compiled `@dsl.component`), the container is the component, so that its task takes settings such
as `set_memory_limit`; everything else is a pipeline within a pipeline. Nothing of the file gets lost either
way: a wrapping that says more than its component stays.
"""

from __future__ import annotations

from itertools import takewhile

from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentInputsSpec,
    ComponentSpec,
    ParameterType,
    PipelineTaskSpec,
)

from tradewind import ir
from tradewind.dsl.base import BaseComponent
from tradewind.dsl.container import ContainerComponent
from tradewind.dsl.interface import Interface, component_name, interface_of
from tradewind.dsl.pipeline import GraphComponent

__all__ = ["YamlComponent", "YamlContainer", "YamlPipeline", "from_pipeline"]


class YamlComponent(BaseComponent):
    """A component that was loaded from YAML; made by `load_component_from_*`.

    Attributes:
        component_yaml: the text that it was loaded from.
    """

    component_yaml = ""


class YamlContainer(YamlComponent, ContainerComponent):
    """One container.

    Args:
        interface: its inputs and outputs.
        proto: the same as the IR has it.
        container: as the IR has it.
        compiled: the file's pipeline; None: it is not one (version 1).
    """

    def __init__(
        self,
        interface: Interface,
        proto: ComponentSpec,
        container: Value,
        compiled: ir.Pipeline | None,
        text: str,
    ) -> None:
        BaseComponent.__init__(self, interface, proto)
        self.container = container
        self.passthroughs = ()
        self.compiled = compiled
        self.component_yaml = text


class YamlPipeline(YamlComponent, GraphComponent):
    """A whole pipeline."""

    def __init__(self, interface: Interface, compiled: ir.Pipeline, text: str) -> None:
        executors = compiled.spec.deployment_spec.fields["executors"].struct_value.fields
        GraphComponent.__init__(
            self, interface, compiled, sorted(executors), sorted(compiled.spec.components)
        )
        self.component_yaml = text


def from_pipeline(pipeline: ir.Pipeline, text: str) -> YamlComponent:
    """Make a component of a compiled pipeline.

    Args:
        pipeline: as loaded.
        text: the file's.
    """
    spec = pipeline.spec
    name = component_name(spec.pipeline_info.name)
    description = spec.pipeline_info.description or _described(text)
    wrapped = None if pipeline.platform is not None else _wrapped(pipeline)
    if wrapped is None:
        return YamlPipeline(interface_of(name, spec.root, description), pipeline, text)
    executors = spec.deployment_spec.fields["executors"].struct_value.fields
    container = executors[wrapped.executor_label].struct_value.fields["container"]
    return YamlContainer(interface_of(name, wrapped, description), wrapped, container, pipeline, text)


def _wrapped(pipeline: ir.Pipeline) -> ComponentSpec | None:
    """The one container component that a pipeline consists of, or None if there is more to it."""
    spec = pipeline.spec
    if len(spec.components) != 1 or len(spec.root.dag.tasks) != 1:
        return None
    (component,), ((name, task),) = spec.components.values(), spec.root.dag.tasks.items()
    executors = spec.deployment_spec.fields["executors"].struct_value.fields
    if name != component_name(spec.pipeline_info.name) or component.executor_label not in executors:
        return None
    is_container = "container" in executors[component.executor_label].struct_value.fields
    is_whole = _open_inputs(component) == spec.root.input_definitions and (
        component.output_definitions == spec.root.output_definitions
    )
    return component if is_container and is_whole and _is_plain(task) else None


def _open_inputs(component: ComponentSpec) -> ComponentInputsSpec:
    """The inputs that somebody can give: not those that the backend fills in."""
    inputs = ComponentInputsSpec()
    inputs.CopyFrom(component.input_definitions)
    for name, parameter in component.input_definitions.parameters.items():
        if parameter.parameter_type == ParameterType.TASK_FINAL_STATUS:
            del inputs.parameters[name]
    return inputs


def _is_plain(task: PipelineTaskSpec) -> bool:
    """Whether a task passes the pipeline's inputs on as they are, and says nothing else."""
    rest = PipelineTaskSpec()
    rest.CopyFrom(task)
    for field in ("task_info", "component_ref", "inputs"):
        rest.ClearField(field)
    if task.caching_options == PipelineTaskSpec.CachingOptions(enable_cache=True):
        rest.ClearField("caching_options")
    given = [(name, each.component_input_parameter) for name, each in task.inputs.parameters.items()]
    given += [(name, each.component_input_artifact) for name, each in task.inputs.artifacts.items()]
    return not rest.ListFields() and all(name == source for name, source in given)


def _described(text: str) -> str:
    """The description in the comments with which a file begins, where old files have it."""
    head = "# Description: "
    lines = list(takewhile(lambda line: line.startswith("#"), text.splitlines()))
    start = next((number for number, line in enumerate(lines) if line.startswith(head)), None)
    if start is None:
        return ""
    more = takewhile(lambda line: line.startswith("#    " + " " * 8), lines[start + 1 :])
    return "\n".join([lines[start].removeprefix(head), *(line.lstrip("# ") for line in more)])
