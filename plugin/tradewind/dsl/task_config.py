"""What of a task's settings a component passes on to a workload that it starts itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from kfp.pipeline_spec import pipeline_spec_pb2

__all__ = ["TaskConfigField", "TaskConfigPassthrough"]

_FIELDS = pipeline_spec_pb2.TaskConfigPassthroughType.TaskConfigPassthroughTypeEnum


class TaskConfigField(IntEnum):
    """A group of settings."""

    RESOURCES = _FIELDS.RESOURCES
    ENV = _FIELDS.ENV
    KUBERNETES_AFFINITY = _FIELDS.KUBERNETES_AFFINITY
    KUBERNETES_TOLERATIONS = _FIELDS.KUBERNETES_TOLERATIONS
    KUBERNETES_NODE_SELECTOR = _FIELDS.KUBERNETES_NODE_SELECTOR
    KUBERNETES_VOLUMES = _FIELDS.KUBERNETES_VOLUMES


@dataclass
class TaskConfigPassthrough:
    """A group of settings that is passed on.

    Attributes:
        field: the group.
        apply_to_task: the settings hold for the task's own pod as well.
    """

    field: TaskConfigField
    apply_to_task: bool = False

    @classmethod
    def of(cls, given: TaskConfigPassthrough | TaskConfigField) -> TaskConfigPassthrough:
        return given if isinstance(given, TaskConfigPassthrough) else cls(given)

    def to_proto(self) -> pipeline_spec_pb2.TaskConfigPassthrough:
        return pipeline_spec_pb2.TaskConfigPassthrough(
            field=int(self.field), apply_to_task=self.apply_to_task
        )
