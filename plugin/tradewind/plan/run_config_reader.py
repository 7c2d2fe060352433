"""Reads what a pipeline says about all of its run: dsl.PipelineConfig, in the second document."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineConfig

from tradewind.errors import Problem
from tradewind.ir.executors import ExecutorSpec, plain_struct
from tradewind.ir.pipeline import Pipeline
from tradewind.ir.schema import step_into
from tradewind.plan.run_config import RunConfig, Workspace
from tradewind.plan.values import typed

__all__ = ["run_config", "run_config_problems"]

_PLACE = "$platform.platforms.kubernetes.pipelineConfig"
_QUANTITY = re.compile(r"(0|[1-9]\d*)(\.\d+)?([kKMGTPE]i?)?")
_PLACEHOLDER = "{{$.workspace_path}}"
_MOUNT_PATH = "/kfp-workspace"
_WITHOUT = "needs the run's workspace, but the pipeline has none"
_REMEDY = "@dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size='1Gi')))"


def run_config(pipeline: Pipeline) -> RunConfig:
    """Read the settings of a valid pipeline."""
    given = _given(pipeline)
    workspace = None
    if given.HasField("workspace"):
        patch = plain_struct(given.workspace.kubernetes.pvc_spec_patch)
        workspace = Workspace(given.workspace.size.strip(), typed(patch, "STRUCT"))
    # As Argo has it: what is said about success or failure goes before what is said about both.
    return RunConfig(
        workspace=workspace,
        kept_after_success=given.resource_ttl_on_success or given.resource_ttl_on_completion,
        kept_after_failure=given.resource_ttl_on_failure or given.resource_ttl_on_completion,
        active_deadline=given.active_deadline_seconds,
    )


def run_config_problems(pipeline: Pipeline, executors: Mapping[str, ExecutorSpec]) -> Iterator[Problem]:
    """Yield what is wrong with the settings, and what uses a workspace that there is not."""
    given = _given(pipeline)
    for descriptor, value in given.ListFields():
        if isinstance(value, int) and value < 0:
            yield Problem(f"{_PLACE}.{descriptor.json_name}", f"{value} is no number of seconds")
    if given.HasField("workspace"):
        size = given.workspace.size.strip()
        if not _QUANTITY.fullmatch(size):
            message = f"{size!r} is no size of a volume" if size else "a workspace needs a size"
            yield Problem(f"{_PLACE}.workspace.size", message, "write for example 10Gi")
        return
    for label, executor in sorted(executors.items()):
        if executor.importer.download_to_workspace:
            place = f"{step_into('$.deploymentSpec.executors', label)}.importer.downloadToWorkspace"
            yield Problem(place, _WITHOUT, _REMEDY)
    yield from _uses(pipeline.spec.root, "$.root")
    for name, component in sorted(pipeline.spec.components.items()):
        yield from _uses(component, step_into("$.components", name))


def _uses(component: ComponentSpec, place: str) -> Iterator[Problem]:
    for task_name, task in sorted(component.dag.tasks.items()):
        for name, parameter in sorted(task.inputs.parameters.items()):
            # Only constants: what values bring in at run time is seen there.
            text = parameter.runtime_value.constant.string_value
            if _PLACEHOLDER in text or text.startswith(_MOUNT_PATH):
                where = step_into(f"{place}.dag.tasks", task_name)
                yield Problem(step_into(f"{where}.inputs.parameters", name), _WITHOUT, _REMEDY)


def _given(pipeline: Pipeline) -> PipelineConfig:
    if pipeline.platform is None or "kubernetes" not in pipeline.platform.platforms:
        return PipelineConfig()
    return pipeline.platform.platforms["kubernetes"].pipelineConfig
