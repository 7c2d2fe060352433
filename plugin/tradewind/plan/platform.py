"""The second document, executor by executor: kfp-kubernetes' settings become part of the plan.

A name in it may come from the run (an input of the sub-pipeline around, another task's output), in the words
in which a task's inputs are written. So each becomes one more input of the task before anything else is
worked out: the passes that follow wire it, draw its edges and look through scopes, as they do for all inputs.
SDKs before 2.16 named values from outside a loop or branch as if they were made inside; KFP's own
rule for such names finds them.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct
from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentSpec,
    PipelineSpec,
    PipelineTaskSpec,
    PlatformSpec,
)

from tradewind.errors import Problem
from tradewind.ir import kubernetes, schema
from tradewind.ir.executors import ExecutorSpec, plain_struct
from tradewind.ir.schema import step_into
from tradewind.plan.bindings import Binding, Constant
from tradewind.plan.pod_settings import PodSettings
from tradewind.plan.pod_settings_reader import InputSpec, read
from tradewind.plan.values import typed

__all__ = ["Platform", "platform_problems"]

PLACE = "$platform.platforms.kubernetes.deploymentSpec.executors"
_INPUT = "pipelinechannel--kubernetes-{}"
_OUTSIDE = "pipelinechannel--"
_KINDS = ("runtime_value", "component_input_parameter", "task_output_parameter")


class Platform:
    """The settings of all executors of one pipeline.

    Args:
        document: the second document, None where there is none. Nothing is wrong with it.
    """

    def __init__(self, document: PlatformSpec | None) -> None:
        self._configs = {label: _settings(content) for label, content in _executors(document).items()}

    def with_inputs(self, spec: PipelineSpec) -> PipelineSpec:
        """Return the pipeline with what settings refer to among the tasks' inputs; a copy if need be."""
        if not self._configs:
            return spec
        extended = PipelineSpec()
        extended.CopyFrom(spec)
        for component in (extended.root, *extended.components.values()):
            for task in component.dag.tasks.values():
                label = extended.components[task.component_ref.name].executor_label
                if label in self._configs:
                    self._add_inputs(task, component, self._configs[label])
        return extended

    def settings(self, label: str, inputs: Mapping[str, Binding]) -> PodSettings | None:
        """Return the settings of one task, None where it has none.

        Args:
            label: of its executor.
            inputs: of the task, wired.
        """
        if label not in self._configs:
            return None
        names = map(_INPUT.format, itertools.count())

        def binding(reference: InputSpec, place: str) -> Binding:
            return inputs.get(next(names), Constant(None))

        return read(self._configs[label].message, binding)

    def _add_inputs(self, task: PipelineTaskSpec, parent: ComponentSpec, settings: _Settings) -> None:
        for number, (reference, _) in enumerate(settings.references):
            added = task.inputs.parameters[_INPUT.format(number)]
            added.CopyFrom(_seen_from(reference, parent))


def platform_problems(
    spec: PipelineSpec, document: PlatformSpec | None, executors: Mapping[str, ExecutorSpec]
) -> Iterator[Problem]:
    """Yield what is wrong with the settings of executors, with its place in the second document."""
    given = _executors(document)
    if not given:
        return
    uses: dict[str, list[tuple[str, ComponentSpec]]] = {}
    for component in (spec.root, *(component for _, component in sorted(spec.components.items()))):
        for task_name, task in sorted(component.dag.tasks.items()):
            label = spec.components[task.component_ref.name].executor_label
            uses.setdefault(label, []).append((task_name, component))
    for label, content in sorted(given.items()):
        place = step_into(PLACE, label)
        if label not in executors:
            yield Problem(place, f"there is no executor {label!r}", "see $.deploymentSpec.executors")
            continue
        if content.fields and not _has_pod(executors[label]):
            yield Problem(place, "settings for a pod, but this executor starts none", "remove them")
            continue
        if not _fits(content):
            yield from schema.check(kubernetes.descriptor(), _plain(content), place)
            continue
        settings = _settings(content)
        yield from _incomplete(settings, place)
        for task, parent in uses.get(label, ()):
            yield from _dangling(settings, task, parent, spec.components, place)


def _executors(document: PlatformSpec | None) -> Mapping[str, Any]:
    if document is None or "kubernetes" not in document.platforms:
        return {}
    executors: Mapping[str, Any] = document.platforms["kubernetes"].deployment_spec.executors
    return executors


@dataclass(frozen=True, slots=True)
class _Settings:
    """One executor's settings.

    Attributes:
        message: of `tradewind.ir.kubernetes`, never to be changed.
        references: everything that may come from the run, with its place in the settings.
    """

    message: Any
    references: tuple[tuple[InputSpec, str], ...]


def _settings(content: Struct) -> _Settings:
    return _known(content.SerializeToString(deterministic=True))


@functools.lru_cache(maxsize=1024)
def _known(serialized: bytes) -> _Settings:
    """Read settings. Steps often have the same, and comparing is many times faster than reading."""
    message = json_format.ParseDict(plain_struct(Struct.FromString(serialized)), kubernetes.message())
    found: list[tuple[InputSpec, str]] = []

    def note(reference: InputSpec, place: str) -> Binding:
        found.append((reference, place))
        return Constant(None)

    read(message, note)
    return _Settings(message, tuple(found))


def _plain(content: Struct) -> Any:
    return typed(plain_struct(content), "STRUCT")


def _fits(content: Struct) -> bool:
    return _known_to_fit(content.SerializeToString(deterministic=True))


@functools.lru_cache(maxsize=1024)
def _known_to_fit(serialized: bytes) -> bool:
    return not any(schema.check(kubernetes.descriptor(), _plain(Struct.FromString(serialized))))


def _has_pod(executor: ExecutorSpec) -> bool:
    if executor.WhichOneof("spec") == "importer":
        return bool(executor.importer.download_to_workspace)
    return executor.container.image not in (kubernetes.CREATE_CLAIM_IMAGE, kubernetes.DELETE_CLAIM_IMAGE)


def _seen_from(reference: InputSpec, parent: ComponentSpec) -> InputSpec:
    """A reference in the words of the scope that the task is in."""
    known = parent.input_definitions.parameters
    surfaced = ""
    match reference.WhichOneof("kind"):
        case "component_input_parameter" if reference.component_input_parameter not in known:
            surfaced = _OUTSIDE + reference.component_input_parameter
        case "task_output_parameter":
            source = reference.task_output_parameter
            if source.producer_task not in parent.dag.tasks:
                surfaced = f"{_OUTSIDE}{source.producer_task}-{source.output_parameter_key}"
    if surfaced not in known:
        return reference
    return InputSpec(
        component_input_parameter=surfaced,
        parameter_expression_selector=reference.parameter_expression_selector,
    )


def _dangling(
    settings: _Settings,
    task: str,
    parent: ComponentSpec,
    components: Mapping[str, ComponentSpec],
    place: str,
) -> Iterator[Problem]:
    """References of one task to what there is not."""
    for given, part in settings.references:
        where = f"{place}.{part}"
        reference = _seen_from(given, parent)
        match reference.WhichOneof("kind"):
            case "component_input_parameter":
                name = reference.component_input_parameter
                if name not in parent.input_definitions.parameters:
                    yield Problem(where, f"the pipeline around task {task!r} has no input parameter {name!r}")
            case "task_output_parameter":
                source = reference.task_output_parameter
                producer = parent.dag.tasks.get(source.producer_task)
                if producer is None:
                    yield Problem(where, f"beside task {task!r} is no task {source.producer_task!r}")
                    continue
                outputs = components[producer.component_ref.name].output_definitions.parameters
                if source.output_parameter_key not in outputs:
                    key = source.output_parameter_key
                    yield Problem(where, f"task {source.producer_task!r} has no output parameter {key!r}")


def _incomplete(settings: _Settings, place: str) -> Iterator[Problem]:
    """What fits the schema and makes no sense."""
    config = settings.message
    for field, part in _parts(config):
        where = f"{place}.{field}"
        if hasattr(part, "mount_path") and not part.mount_path.startswith("/"):
            yield Problem(f"{where}.mountPath", f"{part.mount_path!r} is not an absolute path")
        if hasattr(part, "key_to_env") and not all(entry.env_var for entry in part.key_to_env):
            yield Problem(f"{where}.keyToEnv", "a variable has no name")
    for index, term in enumerate(config.pod_affinity):
        if not term.topology_key:
            yield Problem(f"{place}.podAffinity[{index}].topologyKey", "is missing")
    if config.image_pull_policy not in ("", "Always", "IfNotPresent", "Never"):
        message = f"there is no policy {config.image_pull_policy!r}"
        yield Problem(f"{place}.imagePullPolicy", message, "use Always, IfNotPresent or Never")
    if not 0 <= config.active_deadline_seconds < 2**31:
        yield Problem(f"{place}.activeDeadlineSeconds", "is not from 0 to 2147483647 seconds")
    for reference, part in settings.references:
        if reference.WhichOneof("kind") not in _KINDS:
            yield Problem(f"{place}.{part}", "says no name", "give a constant, an input or a task's output")


def _parts(config: Any) -> Iterator[tuple[str, Any]]:
    for field, values in config.ListFields():
        if field.is_repeated:
            for index, part in enumerate(values):
                yield f"{field.json_name}[{index}]", part
