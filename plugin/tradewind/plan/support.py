"""What KFP can express and a plan cannot, yet.

A pass of its own, and the only one to shrink: when a plan learns a construct, its line here goes away.
Everything found is refused by name and place, and nothing is ever dropped in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, replace

from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentSpec,
    PipelineTaskSpec,
    PlatformSpec,
    SinglePlatformSpec,
)

from tradewind.errors import Problem
from tradewind.ir.executors import ContainerSpec, ExecutorSpec, plain
from tradewind.ir.pipeline import Pipeline
from tradewind.ir.schema import step_into
from tradewind.ir.validation.bindings import choices
from tradewind.plan.control import control_problems
from tradewind.plan.model import Resources
from tradewind.plan.placeholders import has_placeholders, input_names, lost_references, of_no_input
from tradewind.plan.platform import platform_problems
from tradewind.plan.resources import resource_problems
from tradewind.plan.run_config_reader import run_config_problems
from tradewind.plan.steps import resources_of
from tradewind.plan.task_config import GROUPS

__all__ = ["unsupported"]

_RESERVED = frozenset({"run_start", "steps_done", "run_end"})
_LATER = "not supported yet"


def unsupported(pipeline: Pipeline, executors: Mapping[str, ExecutorSpec]) -> Iterator[Problem]:
    """Yield a problem for each thing in a valid pipeline that cannot be run."""
    spec = pipeline.spec
    for name, declared in sorted(spec.root.input_definitions.artifacts.items()):
        if declared.is_optional:
            continue  # never given
        place = step_into("$.root.inputDefinitions.artifacts", name)
        remedy = "use an importer, and a parameter for its uri"
        yield Problem(place, "a run cannot be given artifacts, only parameters", remedy)
    for name in sorted(_RESERVED & spec.root.dag.tasks.keys()):
        place = step_into("$.root.dag.tasks", name)
        yield Problem(place, "Tradewind has a task of this name in every DAG", "give it another name")
    yield from _component(spec.root, "$.root", spec.components)
    for name, component in sorted(spec.components.items()):
        yield from _component(component, step_into("$.components", name), spec.components)
    for label, executor in sorted(executors.items()):
        yield from _executor(executor, step_into("$.deploymentSpec.executors", label))
    if pipeline.platform is not None:
        yield from _platform(pipeline.platform)
        yield from platform_problems(spec, pipeline.platform, executors)
    yield from run_config_problems(pipeline, executors)


def _component(
    component: ComponentSpec, place: str, components: Mapping[str, ComponentSpec]
) -> Iterator[Problem]:
    if component.single_platform_specs:
        message = "a component's own platform settings are read by no backend, and written by no KFP compiler"
        yield Problem(f"{place}.singlePlatformSpecs", message, "move them to $platform, by executor")
    for index, passed in enumerate(component.task_config_passthroughs):
        if passed.field not in GROUPS:
            where = f"{place}.taskConfigPassthroughs[{index}].field"
            yield Problem(where, "says no group of settings", "name one, or leave the entry out")
    if component.WhichOneof("implementation") == "dag":
        for name, task in sorted(component.dag.tasks.items()):
            where = step_into(f"{place}.dag.tasks", name)
            used = components[task.component_ref.name]
            yield from control_problems(task, used, where)
            yield from _constants(task, used, f"{where}.inputs.parameters")
            if task.caching_options.cache_key and used.HasField("dag"):
                message = "a cache key is for one component, and this is a pipeline of several"
                yield Problem(f"{where}.cachingOptions.cacheKey", message, "set it on the tasks inside")


def _constants(task: PipelineTaskSpec, used: ComponentSpec, place: str) -> Iterator[Problem]:
    for name, given in sorted(task.inputs.parameters.items()):
        constant = plain(given.runtime_value.constant)
        where = f"{step_into(place, name)}.runtimeValue.constant"
        for placeholder in of_no_input(constant):
            message = f"the placeholder {placeholder} has no value in a task's input"
            remedy = "use it in the command of a component; a function can have an output path as argument"
            yield Problem(where, message, remedy)
        for reference in lost_references(constant):
            message = f"the KFP SDK left {reference} in the text, instead of the value that is meant"
            yield Problem(where, message, "compile the pipeline with `tradewind compile`")
        for wanted in sorted(input_names(constant)):
            if wanted not in task.inputs.parameters and wanted not in used.input_definitions.parameters:
                message = f"a placeholder asks for input parameter {wanted!r}, which the task does not have"
                yield Problem(where, message, choices(task.inputs.parameters, wanted))


def _executor(executor: ExecutorSpec, place: str) -> Iterator[Problem]:
    kind = executor.WhichOneof("spec")
    if kind in ("resolver", "custom_job"):
        yield Problem(place, f"a {kind} runs on Vertex AI only", "use a container component")
    if kind == "container" and executor.container.HasField("lifecycle"):
        yield Problem(
            f"{place}.container.lifecycle", "a check before the cache runs on Vertex AI only", "remove it"
        )
    if kind == "container" and executor.container.HasField("resources"):
        yield from _resources(executor.container, f"{place}.container.resources")
    if kind == "importer" and (executor.importer.properties or executor.importer.custom_properties):
        yield Problem(f"{place}.importer", "properties are of KFP's version 1", "use metadata")


def _resources(container: ContainerSpec, place: str) -> Iterator[Problem]:
    resources = resources_of(container)
    if resources.accelerator_count not in ("", "0") and not resources.accelerator_type:
        remedy = "say which: set_accelerator_type('nvidia.com/gpu')"
        yield Problem(f"{place}.accelerator", "a number of accelerators without their type", remedy)
    known = {
        item.name: value
        for item in fields(Resources)
        if not has_placeholders(value := getattr(resources, item.name))
    }
    for problem in resource_problems(replace(Resources(), **known)):
        yield Problem(place, problem)


def _platform(platform: PlatformSpec) -> Iterator[Problem]:
    for name, single in sorted(platform.platforms.items()):
        place = step_into("$platform.platforms", name)
        if name != "kubernetes":
            yield Problem(place, "only the platform 'kubernetes' is known", "remove it")
            continue
        yield from _kubernetes(single, place)


def _kubernetes(single: SinglePlatformSpec, place: str) -> Iterator[Problem]:
    for key in sorted(single.config.fields):
        yield Problem(step_into(f"{place}.config", key), f"this platform setting is {_LATER}")
