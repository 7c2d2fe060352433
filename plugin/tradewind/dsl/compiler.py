"""From a traced pipeline to the IR.

Each scope becomes a DAG component. Its tasks are written in the order in which they were made; names of
components and executors follow KFP's rules, so that both compilers give the same document. Protobuf messages
are filled in
place: nothing takes the way through dictionaries, JSON or YAML.
"""

from __future__ import annotations

import functools
from typing import Any

from google.protobuf.struct_pb2 import Value
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineSpec, PipelineTaskSpec, PlatformSpec

from tradewind import ir
from tradewind.dsl import blocks, executors, merging, outputs, topology
from tradewind.dsl.base import BaseComponent
from tradewind.dsl.channel import Channel
from tradewind.dsl.constants import WORKSPACE_MOUNT_PATH, WORKSPACE_PATH_PLACEHOLDER
from tradewind.dsl.container import ContainerComponent
from tradewind.dsl.importer import ImporterComponent
from tradewind.dsl.inputs import TaskInputs
from tradewind.dsl.interface import Interface
from tradewind.dsl.pipeline import GraphComponent
from tradewind.dsl.pipeline_config import PipelineConfig
from tradewind.dsl.platform import write_platform
from tradewind.dsl.scoping import surfaced
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.task_config import unlisted
from tradewind.dsl.trace import Names, Scope, Trace
from tradewind.dsl.types import FINAL_STATUS
from tradewind.errors import ConfigurationError, InvalidPipelineError
from tradewind.ir.validation import at_most, check_nesting

__all__ = ["compile", "compile_trace"]

SCHEMA_VERSION = "2.1.0"
_COMPLETED = PipelineTaskSpec.TriggerPolicy.ALL_UPSTREAM_TASKS_COMPLETED


def compile(pipeline: BaseComponent) -> ir.Pipeline:
    """Compile a pipeline, or a single component as a pipeline of one task.

    Args:
        pipeline: made with `@dsl.pipeline`, `@dsl.component` or `@dsl.container_component`.

    Raises:
        InvalidPipelineError: the component cannot be used as a pipeline.
        ConfigurationError: it is something else.
    """
    if not isinstance(pipeline, BaseComponent):
        raise ConfigurationError(
            f"A {type(pipeline).__name__} cannot be compiled.",
            remedy="Give a function with @dsl.pipeline or @dsl.component.",
        )
    if pipeline.compiled is not None:
        return pipeline.compiled
    trace = Trace(pipeline.name)
    with trace.running():
        callable_inputs = [
            entry for entry in pipeline.interface.inputs.values() if not entry.given_by_backend
        ]
        task = pipeline(**{entry.name: Channel(trace, entry.name, entry.kind) for entry in callable_inputs})
        return compile_trace(trace, pipeline.interface, dict(task.outputs), None).compiled


def compile_trace(
    trace: Trace, interface: Interface, returned: Any, config: PipelineConfig | None
) -> GraphComponent:
    """Compile a pipeline whose function has run.

    Args:
        trace: what the function did.
        interface: its inputs and outputs.
        returned: what it returned.
        config: settings of the whole pipeline.

    Raises:
        InvalidPipelineError: lists everything that is wrong.
    """
    if not trace.tasks:
        trace.complain("has no tasks", remedy="call components in its function")
    returned_channels = outputs.read(trace, interface, returned)
    edges = topology.analyse(trace)
    _check_workspace(trace, config)
    _check_passthroughs(trace)
    _check_resources(trace)
    trace.check()
    try:
        return _Compilation(trace, interface, edges).run(returned_channels, config)
    except UnicodeEncodeError as error:
        trace.fail(f"a text is not valid Unicode (half of a surrogate pair): {ascii(error.object)[:80]}")


def _check_workspace(trace: Trace, config: PipelineConfig | None) -> None:
    if config is not None and config.workspace is not None:
        return
    for task in trace.tasks.values():
        texts = [value for value in task.inputs.values() if isinstance(value, str)]
        if task.uses_workspace or any(
            WORKSPACE_PATH_PLACEHOLDER in text or text.startswith(WORKSPACE_MOUNT_PATH) for text in texts
        ):
            trace.complain(
                "uses the workspace, but the pipeline has none",
                task=task.name,
                remedy="@dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig('1Gi')))",
            )


def _check_resources(trace: Trace) -> None:
    for task in trace.tasks.values():
        for problem in task.resources.contradictions():
            trace.complain(problem, task=task.name, part="resources")


def _check_passthroughs(trace: Trace) -> None:
    for task in trace.tasks.values():
        for group in unlisted(getattr(task.component, "passthroughs", ()), task):
            trace.complain(
                f"has settings of the group {group.name}, which its component does not pass on",
                task=task.name,
                remedy=f"add dsl.TaskConfigField.{group.name} to its task_config_passthroughs",
            )


class _Compilation:
    """One pipeline on its way into the IR."""

    def __init__(self, trace: Trace, interface: Interface, edges: topology.Dependencies) -> None:
        self.trace = trace
        self.interface = interface
        self.edges = edges
        self.names: dict[Scope, str] = {}
        self.spec = PipelineSpec(schema_version=SCHEMA_VERSION, sdk_version=f"tradewind-{_version()}")
        self.spec.pipeline_info.name = trace.pipeline
        self.platform = PlatformSpec()
        self.component_names = Names()
        self.executor_labels = Names()
        self.component_order: list[str] = []
        self.executor_order: list[str] = []

    def run(self, returned: dict[str, Channel], config: PipelineConfig | None) -> GraphComponent:
        self.spec.root.CopyFrom(self.interface.to_proto())
        if config is not None:
            config.write(self.platform)
        # Before the blocks are written, since they put out what is returned from inside of them.
        shown = {name: surfaced(channel, self.trace.root) for name, channel in returned.items()}
        for scope in self.trace.root.descendants():
            self._write_scope(
                scope, self.spec.components[self.names[scope]] if scope.scope else self.spec.root
            )
        for task in self.trace.tasks.values():
            if task.exit_of is not None:
                self._write_task(task, self.spec.root.dag.tasks[task.name])
        for name, channel in shown.items():
            outputs.write(self.spec.root, name, [channel])
        platform = self.platform if self.platform.platforms else None
        if found := at_most(check_nesting(self.spec)):
            raise InvalidPipelineError(self.trace.pipeline, found)
        # All else that `ir.validate` looks for was refused where it was written, by the name it has there.
        compiled = ir.Pipeline(self.spec, platform, self.trace.pipeline, checked=True)
        return GraphComponent(self.interface, compiled, self.executor_order, self.component_order)

    def _write_scope(self, scope: Scope, component: ComponentSpec) -> None:
        for block in scope.scopes:
            self._write_block(block, component.dag.tasks[block.name])
        for task in scope.tasks:
            self._write_task(task, component.dag.tasks[task.name])

    def _write_task(self, task: PipelineTask, spec: PipelineTaskSpec) -> None:
        self._write_settings(task, spec)
        inputs = TaskInputs(spec.inputs, task)
        for name, value in task.inputs.items():
            inputs.write(name, value)
        image, resources = inputs.text("base_image", task.image), inputs.resources()
        before = self.edges.get(task.name, set())
        spec.dependent_tasks.extend(sorted(before - topology.for_resources_only(task)))
        self._write_trigger(task, spec, before)
        name = self._write_component(task, image, resources)
        spec.component_ref.name = name
        for platform, settings in task.platform_config.items():
            label = self.spec.components[name].executor_label
            target = self.platform.platforms[platform].deployment_spec.executors[label]
            write_platform(target, settings, inputs)

    def _write_block(self, block: Scope, spec: PipelineTaskSpec) -> None:
        name = self._claim_component(block.name)
        self.names[block] = spec.component_ref.name = name
        blocks.write_task(block, spec)
        spec.dependent_tasks.extend(sorted(self.edges.get(block.name, ())))
        blocks.write_component(block, self.spec.components[name])

    def _write_settings(self, task: PipelineTask, spec: PipelineTaskSpec) -> None:
        spec.task_info.name = task.display_name or task.name
        spec.caching_options.enable_cache = task.caching
        spec.caching_options.cache_key = task.cache_key
        if task.retry is not None:
            task.retry.write(spec.retry_policy)

    def _write_trigger(self, task: PipelineTask, spec: PipelineTaskSpec, before: set[str]) -> None:
        if not task.ignores_upstream_failure and task.exit_of is None:
            return
        spec.trigger_policy.strategy = _COMPLETED
        for entry in task.component.interface.inputs.values():
            if entry.kind == FINAL_STATUS:
                spec.inputs.parameters[entry.name].task_final_status.producer_task = min(before)

    def _write_component(self, task: PipelineTask, image: str, resources: dict[str, str]) -> str:
        component = task.component
        if isinstance(component, GraphComponent):
            proto = merging.merge(component, self)
            name = self._claim_component(task.name)
            self.spec.components[name].CopyFrom(proto)
            return name
        label = self.claim_executor(f"exec-{task.name}")
        name = self._claim_component(task.name)
        spec = self.spec.components[name]
        spec.CopyFrom(component.proto)
        spec.executor_label = label
        fields = self.executor(label).struct_value.fields
        if isinstance(component, ContainerComponent):
            executors.write_container(fields["container"], component.container, task.env, image, resources)
        elif isinstance(component, ImporterComponent):
            fields["importer"].CopyFrom(component.importer)
        return name

    def executor(self, label: str) -> Value:
        """The executor's place in the deployment."""
        place: Value = self.spec.deployment_spec.fields["executors"].struct_value.fields[label]
        return place

    def claim_executor(self, label: str) -> str:
        label = self.executor_labels.claim(label)
        self.executor_order.append(label)
        return label

    def _claim_component(self, name: str) -> str:
        return self.claim_component(f"comp-{name}")

    def claim_component(self, name: str, also: frozenset[str] | set[str] = frozenset()) -> str:
        name = self.component_names.claim(name, also)
        self.component_order.append(name)
        return name


@functools.cache
def _version() -> str:
    from importlib import metadata

    try:
        return metadata.version("airflow-provider-tradewind")
    except metadata.PackageNotFoundError:
        return "0"
