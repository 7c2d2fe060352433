"""What a component passes on of its task's settings: KFP's task configuration.

A component that starts a workload of its own (a training job, say) takes an input of the type dsl.TaskConfig
and lists the groups of settings that it wants. What is set on the task then goes there, and to the task's own
pod only where that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, ParameterType, TaskConfigPassthroughType

__all__ = ["GROUPS", "SettingGroup", "TaskConfig", "task_config"]

SettingGroup = Literal["resources", "env", "affinity", "tolerations", "node_selector", "volumes"]

_Field = TaskConfigPassthroughType.TaskConfigPassthroughTypeEnum
GROUPS: Final[dict[int, SettingGroup]] = {
    _Field.RESOURCES: "resources",
    _Field.ENV: "env",
    _Field.KUBERNETES_AFFINITY: "affinity",
    _Field.KUBERNETES_TOLERATIONS: "tolerations",
    _Field.KUBERNETES_NODE_SELECTOR: "node_selector",
    _Field.KUBERNETES_VOLUMES: "volumes",
}


@dataclass(frozen=True, slots=True)
class TaskConfig:
    """Which settings of a step go where.

    Attributes:
        inputs: names of the input parameters that are given the settings.
        passed: the groups that are passed on.
        withheld: those of them that do not hold for the step's own pod.
    """

    inputs: tuple[str, ...]
    passed: frozenset[SettingGroup] = frozenset()
    withheld: frozenset[SettingGroup] = frozenset()


def task_config(component: ComponentSpec) -> TaskConfig | None:
    """Read what a component passes on; None when it neither takes a configuration nor withholds any."""
    inputs = tuple(
        name
        for name, declared in sorted(component.input_definitions.parameters.items())
        if declared.parameter_type == ParameterType.TASK_CONFIG
    )
    applied = {GROUPS[each.field]: each.apply_to_task for each in component.task_config_passthroughs}
    if not inputs and not applied:
        return None
    return TaskConfig(
        inputs=inputs,
        passed=frozenset(applied),
        withheld=frozenset(group for group, to_task in applied.items() if not to_task),
    )
