"""One node of the tree, its inputs and its executor make one step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from google.protobuf.json_format import MessageToDict
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineTaskSpec

from tradewind.ir.executors import ContainerSpec, ExecutorSpec, ImporterSpec, plain, plain_struct
from tradewind.ir.kubernetes import CREATE_CLAIM_IMAGE, DELETE_CLAIM_IMAGE
from tradewind.ir.types import parameter_type
from tradewind.plan.bindings import Binding, Constant
from tradewind.plan.edges import Waits
from tradewind.plan.model import (
    Action,
    ArtifactInput,
    ArtifactOutput,
    Cache,
    Command,
    Container,
    CreateVolume,
    DeleteVolume,
    Importer,
    Loop,
    ParameterInput,
    ParameterOutput,
    PipelineParameter,
    Resources,
    Retry,
    Step,
)
from tradewind.plan.placeholders import input_names, render
from tradewind.plan.pod_settings import PodSettings
from tradewind.plan.python_component import recognise
from tradewind.plan.task_config import task_config
from tradewind.plan.tree import Node
from tradewind.plan.values import typed
from tradewind.plan.wiring import Inputs

__all__ = ["make_step", "pipeline_parameters", "resources_of"]

_VOLUME_ACTIONS: dict[str, Action] = {
    CREATE_CLAIM_IMAGE: CreateVolume(),
    DELETE_CLAIM_IMAGE: DeleteVolume(),
}


def make_step(
    node: Node,
    inputs: Inputs,
    executor: ExecutorSpec,
    waits: Waits,
    platform: PodSettings | None = None,
) -> Step:
    """Make the step of a node.

    Args:
        node: a leaf of the tree.
        inputs: its bindings.
        executor: what it executes.
        waits: what it waits for, and what decides then.
        platform: what only Kubernetes knows about its pod.
    """
    container = executor.container if executor.WhichOneof("spec") == "container" else None
    action: Action = _importer(executor.importer, node, inputs) if container is None else _action(container)
    if isinstance(action, CreateVolume | DeleteVolume):
        container, platform = None, None
    return Step(
        id=node.id,
        display_name=node.task.task_info.name or node.name,
        component=node.component_name.removeprefix("comp-"),
        scope=node.id.rpartition(".")[0],
        action=action,
        container=_container(container) if container is not None else _importing(action),
        platform=platform,
        parameters=_parameters(node, inputs, executor),
        artifacts=_artifacts(node, inputs),
        output_parameters={
            name: ParameterOutput(parameter_type(declared))
            for name, declared in sorted(node.component.output_definitions.parameters.items())
        },
        output_artifacts={
            name: _output_artifact(declared)
            for name, declared in sorted(node.component.output_definitions.artifacts.items())
        },
        upstream=waits.upstream,
        loop=node.loop,
        region=waits.region,
        wait=waits.wait,
        barrier=waits.barrier,
        precondition=waits.precondition,
        retry=_retry_of(node),
        cache=Cache(_cached(node), node.task.caching_options.cache_key),
        task_config=task_config(node.component),
    )


def make_loop(node: Node, inputs: Inputs, waits: Waits) -> Loop:
    """Make the loop of a node; arguments as of `make_step`."""
    return Loop(
        id=node.id,
        loop=node.loop,
        items=inputs.items or Constant([]),
        artifacts=node.task.HasField("artifact_iterator"),
        parallelism=node.task.iterator_policy.parallelism_limit,
        upstream=waits.upstream,
        wait=waits.wait,
        barrier=waits.barrier,
        precondition=waits.precondition,
        region=waits.region,
    )


def pipeline_parameters(root: Node) -> dict[str, PipelineParameter]:
    """The inputs of the whole pipeline."""
    parameters = {}
    for name, declared in sorted(root.component.input_definitions.parameters.items()):
        has_default = declared.HasField("default_value")
        kind = parameter_type(declared)
        parameters[name] = PipelineParameter(
            type=kind,
            default=typed(plain(declared.default_value), kind) if has_default else None,
            has_default=has_default,
            optional=declared.is_optional,
            description=declared.description,
            literals=tuple(typed(plain(literal), kind) for literal in declared.literals),
        )
    return parameters


# --- inputs and outputs ---


def _parameters(node: Node, inputs: Inputs, executor: ExecutorSpec) -> dict[str, ParameterInput]:
    parameters = {}
    for name, declared in sorted(node.component.input_definitions.parameters.items()):
        has_default = declared.HasField("default_value")
        kind = parameter_type(declared)
        parameters[name] = ParameterInput(
            type=kind,
            binding=inputs.parameters.get(name),
            default=typed(plain(declared.default_value), kind) if has_default else None,
            has_default=has_default,
            optional=declared.is_optional,
            literals=tuple(typed(plain(literal), kind) for literal in declared.literals),
        )
    extra = inputs.parameters.keys() - parameters.keys()
    if extra:
        # The compiler adds inputs for values inside longer strings. Those in the executor's own texts (image,
        # env, resources) are needed at run time; those in constants are part of the templates already.
        used = input_names(MessageToDict(executor))
        for name in sorted(extra & used):
            parameters[name] = ParameterInput("STRING", inputs.parameters[name], optional=True)
    return parameters


def _artifacts(node: Node, inputs: Inputs) -> dict[str, ArtifactInput]:
    return {
        name: ArtifactInput(
            schema_title=declared.artifact_type.schema_title,
            schema_version=declared.artifact_type.schema_version or "0.0.1",
            is_list=declared.is_artifact_list,
            optional=declared.is_optional,
            binding=inputs.artifacts.get(name),
        )
        for name, declared in sorted(node.component.input_definitions.artifacts.items())
    }


def _output_artifact(declared: Any) -> ArtifactOutput:
    return ArtifactOutput(
        schema_title=declared.artifact_type.schema_title,
        schema_version=declared.artifact_type.schema_version or "0.0.1",
        is_list=declared.is_artifact_list,
        metadata=typed(plain_struct(declared.metadata), "STRUCT"),
    )


# --- what it does and how it runs ---


def _action(container: ContainerSpec) -> Action:
    if container.image in _VOLUME_ACTIONS:
        return _VOLUME_ACTIONS[container.image]
    python = recognise(container.command, container.args)
    return python if python is not None else Command(tuple(container.command), tuple(container.args))


def _importer(importer: ImporterSpec, node: Node, inputs: Inputs) -> Importer:
    uri: Binding
    value = importer.artifact_uri
    match value.WhichOneof("value"):
        case "runtime_parameter":
            name = value.runtime_parameter
            default = node.component.input_definitions.parameters[name].default_value
            uri = inputs.parameters.get(name) or Constant(plain(default))
        case "constant_value":
            uri = Constant(value.constant_value.string_value)
        case _:
            uri = Constant(plain(value.constant))
            if "{{" in str(uri.value) and "uri" in inputs.parameters:
                # Placeholders; and marks that KFP's compiler leaves in a URI like f"{folder}/data", which the
                # input of the same name has right.
                uri = inputs.parameters["uri"]
    return Importer(
        uri=uri,
        schema_title=importer.type_schema.schema_title,
        schema_version=importer.type_schema.schema_version or "0.0.1",
        metadata=typed(plain_struct(importer.metadata), "STRUCT"),
        reimport=importer.reimport,
        to_workspace=importer.download_to_workspace,
    )


_NO_RESOURCES = Resources()


def _container(container: ContainerSpec) -> Container:
    return Container(
        image=container.image,
        env=tuple((variable.name, variable.value) for variable in container.env),
        resources=resources_of(container),
    )


def resources_of(container: ContainerSpec) -> Resources:
    """The texts of newer SDKs, else the numbers of older ones: cores, and memory in gigabytes."""
    if not container.HasField("resources"):
        return _NO_RESOURCES
    given = container.resources
    accelerator = given.accelerator
    count = accelerator.resource_count or (str(accelerator.count) if accelerator.count else "")
    return Resources(
        cpu_request=given.resource_cpu_request or _quantity(given.cpu_request),
        cpu_limit=given.resource_cpu_limit or _quantity(given.cpu_limit),
        memory_request=given.resource_memory_request or _quantity(given.memory_request, "G"),
        memory_limit=given.resource_memory_limit or _quantity(given.memory_limit, "G"),
        accelerator_type=accelerator.resource_type or accelerator.type,
        accelerator_count=count,
    )


def _importing(action: Action) -> Container | None:
    return Container("") if isinstance(action, Importer) and action.to_workspace else None


def _quantity(number: float, unit: str = "") -> str:
    return f"{render(number)}{unit}" if number else ""


def _cached(node: Node) -> bool:
    """Whether a step may be cached: not when it, or a sub-pipeline around it, is not to be."""
    return node.task.caching_options.enable_cache and all(
        scope.task.caching_options.enable_cache or not scope.task.HasField("caching_options")
        for scope in _around(node)
    )


def _retry_of(node: Node) -> Retry | None:
    """A step's own retry policy, else that of the innermost sub-pipeline around it that has one.

    There is no such thing as trying a part of a DAG run again; what failed in it can be tried again.
    """
    for each in (node, *_around(node)):
        if each.task.HasField("retry_policy"):
            return _retry(each.task.retry_policy)
    return None


def _around(node: Node) -> Iterator[Node]:
    parent = node.parent
    while parent is not None:
        yield parent
        parent = parent.parent


def _retry(policy: PipelineTaskSpec.RetryPolicy) -> Retry:
    def seconds(duration: Any) -> float:
        return float(duration.seconds + duration.nanos / 1e9)

    return Retry(
        max_count=policy.max_retry_count,
        backoff_seconds=seconds(policy.backoff_duration),
        backoff_factor=policy.backoff_factor or 2.0,
        backoff_max_seconds=seconds(policy.backoff_max_duration) or 3600.0,
    )
