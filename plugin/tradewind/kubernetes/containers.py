"""How the pod's container is started: image, user, time, facts about the pod."""

from __future__ import annotations

from collections.abc import Sequence

from tradewind.dsl.channel import Channel
from tradewind.dsl.task import PipelineTask
from tradewind.kubernetes.setting import Setting, present

__all__ = [
    "set_image_pull_policy",
    "set_image_pull_secrets",
    "set_security_context",
    "set_timeout",
    "use_field_path_as_env",
]


def set_image_pull_policy(task: PipelineTask, policy: str) -> PipelineTask:
    """When the image is pulled: "Always", "IfNotPresent" or "Never"."""
    setting = Setting(task, "set_image_pull_policy")
    setting.config["imagePullPolicy"] = setting.choice("policy", policy, ("Always", "IfNotPresent", "Never"))
    return task


def set_image_pull_secrets(task: PipelineTask, secret_names: Sequence[str | Channel]) -> PipelineTask:
    """Add secrets with credentials of image registries.

    Args:
        secret_names: each may be a value of the run.
    """
    setting = Setting(task, "set_image_pull_secrets")
    if not isinstance(secret_names, list | tuple):
        setting.complain(f"secret_names expects a list of names, got {secret_names!r}")
        return task
    for name in secret_names:
        entry = setting.name("secret_names", name, "secretNameParameter", "secretName")
        setting.add("imagePullSecret", entry)
    return task


def use_field_path_as_env(task: PipelineTask, env_name: str, field_path: str) -> PipelineTask:
    """Set an environment variable to a fact about the pod.

    Args:
        env_name: the variable.
        field_path: `metadata.name`, `metadata.labels['x']`, `spec.nodeName`, ...: Kubernetes' downward API.
    """
    setting = Setting(task, "use_field_path_as_env")
    entry = present(name=setting.text("env_name", env_name), fieldPath=setting.text("field_path", field_path))
    return setting.add("fieldPathAsEnv", entry)


def set_timeout(task: PipelineTask, seconds: int) -> PipelineTask:
    """End the pod after so many seconds; 0 takes an earlier timeout back."""
    setting = Setting(task, "set_timeout")
    limit = setting.number("seconds", seconds, 0, 2**31 - 1)
    setting.config.pop("activeDeadlineSeconds", None)
    if limit:
        setting.config["activeDeadlineSeconds"] = str(limit)
    return task


def set_security_context(
    task: PipelineTask,
    run_as_user: int | None = None,
    run_as_group: int | None = None,
    run_as_non_root: bool | None = None,
) -> PipelineTask:
    """As whom the container runs.

    Args:
        run_as_user, run_as_group: numbers from 0 up.
        run_as_non_root: refuse to start as root.
    """
    setting = Setting(task, "set_security_context")
    if run_as_user is None and run_as_group is None and run_as_non_root is None:
        setting.complain("nothing is given", "give run_as_user, run_as_group or run_as_non_root")
    context = setting.config.setdefault("securityContext", {})
    if run_as_user is not None:
        context["runAsUser"] = str(setting.number("run_as_user", run_as_user, 0, 2**31 - 1))
    if run_as_group is not None:
        context["runAsGroup"] = str(setting.number("run_as_group", run_as_group, 0, 2**31 - 1))
    if run_as_non_root is not None:
        context["runAsNonRoot"] = setting.flag("run_as_non_root", run_as_non_root)
    return task
