"""KFP's task configuration: what is set on a task, as a value for a component that passes it on.

The value is that of KFP: fragments of a pod's spec, in the words of a pod's YAML. Only what the pipeline
itself sets is in it; pod arguments of the DAG's author are about our own pods.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.plan.model import Resources
from tradewind.plan.task_config import SettingGroup, TaskConfig

__all__ = ["TaskSettings", "resource_requirements"]

_PARTS: Mapping[SettingGroup, tuple[str, ...]] = {
    "affinity": ("affinity",),
    "tolerations": ("tolerations",),
    "node_selector": ("node_selector",),
    "env": ("env_vars",),
    "volumes": ("volumes", "volume_mounts"),
}
_KEYS = {
    "affinity": "affinity",
    "tolerations": "tolerations",
    "node_selector": "nodeSelector",
    "volumes": "volumes",
    "volume_mounts": "volumeMounts",
}


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """What the pipeline sets on one task.

    Attributes:
        environment: variables with their values.
        resources: requests and limits.
        platform: kfp-kubernetes' settings, see `tradewind.operators.platform`.
        workspace: pod arguments that mount the run's workspace; empty for a step that does not use it.
    """

    environment: Mapping[str, str]
    resources: Resources
    platform: Mapping[str, Any]
    workspace: Mapping[str, Any]

    def passed(self, config: TaskConfig) -> dict[str, Any]:
        """Return the value of a dsl.TaskConfig input: what is passed on, null for all else."""
        value: dict[str, Any] = dict.fromkeys([*_KEYS.values(), "env", "resources"])
        for group in config.passed:
            for part in _PARTS.get(group, ()):
                if part in _KEYS:
                    joined = [*self.platform.get(part, ()), *self.workspace.get(part, ())]
                    plain = self.platform.get(part)
                    value[_KEYS[part]] = (joined if group == "volumes" else plain) or None
        if "env" in config.passed:
            own = [{"name": name, "value": text} for name, text in self.environment.items()]
            value["env"] = [*own, *self.platform.get("env_vars", ())] or None
        if "resources" in config.passed:
            value["resources"] = resource_requirements(self.resources)
        return value

    def applied(self, config: TaskConfig | None) -> TaskSettings:
        """Return what holds for the task's own pod."""
        if config is None or not config.withheld:
            return self
        gone = {part for group in config.withheld for part in _PARTS.get(group, ())}
        return TaskSettings(
            environment={} if "env" in config.withheld else self.environment,
            resources=Resources() if "resources" in config.withheld else self.resources,
            platform={name: part for name, part in self.platform.items() if name not in gone},
            workspace={name: part for name, part in self.workspace.items() if name not in gone},
        )


def resource_requirements(wanted: Resources) -> dict[str, Any]:
    """Return requests and limits as a container's `resources` has them."""
    limits = {"cpu": wanted.cpu_limit, "memory": wanted.memory_limit}
    if wanted.accelerator_type:
        limits[wanted.accelerator_type] = wanted.accelerator_count or "1"
    requests = {"cpu": wanted.cpu_request, "memory": wanted.memory_request}
    found = {"limits": limits, "requests": requests}
    given = {name: {key: text for key, text in part.items() if text} for name, part in found.items()}
    return {name: part for name, part in given.items() if part}
