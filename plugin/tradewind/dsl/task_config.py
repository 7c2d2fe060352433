"""What of a task's settings a component passes on to a workload that it starts itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from kfp.pipeline_spec import pipeline_spec_pb2

from tradewind.errors import ConfigurationError

if TYPE_CHECKING:
    from tradewind.dsl.task import PipelineTask

__all__ = ["TaskConfigField", "TaskConfigPassthrough", "unlisted"]

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
        if not isinstance(given, TaskConfigPassthrough | TaskConfigField):
            raise ConfigurationError(
                f"{given!r} is no group of settings that a component could pass on.",
                remedy="Give dsl.TaskConfigField.RESOURCES or another of its fields.",
                also=AttributeError,
            )
        return given if isinstance(given, TaskConfigPassthrough) else cls(given)

    def to_proto(self) -> pipeline_spec_pb2.TaskConfigPassthrough:
        return pipeline_spec_pb2.TaskConfigPassthrough(
            field=int(self.field), apply_to_task=self.apply_to_task
        )


_KUBERNETES = {
    TaskConfigField.KUBERNETES_TOLERATIONS: ("tolerations",),
    TaskConfigField.KUBERNETES_NODE_SELECTOR: ("nodeSelector",),
    TaskConfigField.KUBERNETES_AFFINITY: ("nodeAffinity", "podAffinity"),
    TaskConfigField.KUBERNETES_VOLUMES: ("pvcMount", "secretAsVolume", "configMapAsVolume"),
}


def unlisted(passthroughs: Sequence[TaskConfigPassthrough], task: PipelineTask) -> Iterator[TaskConfigField]:
    """Groups that are set on a task, and that its component, which passes some on, does not list.

    Whoever sets them means them for the workload that the component starts, and there they would not arrive.
    """
    if not passthroughs:
        return
    given = task.platform_config.get("kubernetes") or {}
    used = [field for field, keys in _KUBERNETES.items() if any(given.get(key) for key in keys)]
    if task.env:
        used.append(TaskConfigField.ENV)
    if task.resources.items():
        used.append(TaskConfigField.RESOURCES)
    yield from sorted(set(used) - {each.field for each in passthroughs})
