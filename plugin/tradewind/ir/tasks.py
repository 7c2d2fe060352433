"""What one task says about others."""

from __future__ import annotations

from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineTaskSpec

__all__ = ["producers"]


def producers(task: PipelineTaskSpec) -> set[str]:
    """Names of the sibling tasks that a task waits for: control dependencies and producers of its inputs."""
    names = set(task.dependent_tasks)
    for parameter in task.inputs.parameters.values():
        kind = parameter.WhichOneof("kind")
        if kind == "task_output_parameter":
            names.add(parameter.task_output_parameter.producer_task)
        elif kind == "task_final_status":
            names.add(parameter.task_final_status.producer_task)
    for artifact in task.inputs.artifacts.values():
        if artifact.WhichOneof("kind") == "task_output_artifact":
            names.add(artifact.task_output_artifact.producer_task)
    return names
