"""Settings of a whole pipeline. They go into the IR's second document: what only Kubernetes knows."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PlatformSpec

from tradewind.errors import ConfigurationError

__all__ = ["KubernetesWorkspaceConfig", "PipelineConfig", "WorkspaceConfig"]

_QUANTITY = re.compile(r"(0|[1-9]\d*)(\.\d+)?([KMGTPE]i?)?")
_LARGEST_SECONDS = 2**31 - 1


class KubernetesWorkspaceConfig:
    """How the workspace's volume claim differs from the cluster's default.

    Attributes:
        pvcSpecPatch: fields of a PersistentVolumeClaim's spec.
    """

    def __init__(self, pvcSpecPatch: dict[str, Any] | None = None) -> None:
        self.pvcSpecPatch = pvcSpecPatch or {}

    def set_pvcSpecPatch(self, patch: dict[str, Any]) -> None:
        self.pvcSpecPatch = patch


class WorkspaceConfig:
    """A volume that all steps of a run share.

    Attributes:
        size: as Kubernetes writes it, "10Gi".
        kubernetes: details of the volume claim.
    """

    def __init__(self, size: str, kubernetes: KubernetesWorkspaceConfig | None = None) -> None:
        self.set_size(size)
        self.kubernetes = kubernetes or KubernetesWorkspaceConfig()

    def set_size(self, size: str) -> None:
        size = str(size).strip()
        if not _QUANTITY.fullmatch(size):
            raise ConfigurationError(
                f"'{size}' is not a size of a workspace.", remedy="Write for example '10Gi'."
            )
        self.size = size

    def set_kubernetes_config(self, kubernetes_config: KubernetesWorkspaceConfig) -> None:
        self.kubernetes = kubernetes_config

    def get_workspace(self) -> dict[str, Any]:
        return {"size": self.size, "kubernetes": {"pvcSpecPatch": self.kubernetes.pvcSpecPatch}}


class PipelineConfig:
    """Settings of a pipeline; times in seconds, None: not set.

    Attributes:
        workspace: a volume that all steps share.
        ttl_seconds_after_finished, ttl_seconds_after_success, ttl_seconds_after_failure: how long what a run
            leaves
            in the cluster is kept.
        active_deadline_seconds: how long a run may take.
    """

    def __init__(
        self,
        workspace: WorkspaceConfig | None = None,
        ttl_seconds_after_finished: int | None = None,
        ttl_seconds_after_success: int | None = None,
        ttl_seconds_after_failure: int | None = None,
        active_deadline_seconds: int | None = None,
    ) -> None:
        self.workspace = workspace
        self.ttl_seconds_after_finished = _checked("ttl_seconds_after_finished", ttl_seconds_after_finished)
        self.ttl_seconds_after_success = _checked("ttl_seconds_after_success", ttl_seconds_after_success)
        self.ttl_seconds_after_failure = _checked("ttl_seconds_after_failure", ttl_seconds_after_failure)
        self.active_deadline_seconds = _checked("active_deadline_seconds", active_deadline_seconds)

    def write(self, platform: PlatformSpec) -> None:
        """Put what is set into the platform's document."""
        settings: dict[str, Any] = {
            "resourceTtlOnCompletion": self.ttl_seconds_after_finished,
            "resourceTtlOnSuccess": self.ttl_seconds_after_success,
            "resourceTtlOnFailure": self.ttl_seconds_after_failure,
            "activeDeadlineSeconds": self.active_deadline_seconds,
            "workspace": self.workspace.get_workspace() if self.workspace else None,
        }
        given = {name: setting for name, setting in settings.items() if setting}
        if given:
            json_format.ParseDict({"pipelineConfig": given}, platform.platforms["kubernetes"])


def _checked(name: str, seconds: int | None) -> int | None:
    if seconds is not None and (type(seconds) is not int or not 0 <= seconds <= _LARGEST_SECONDS):
        raise ConfigurationError(
            f"PipelineConfig: {name} is {seconds!r}.",
            remedy=f"Give whole seconds from 0 to {_LARGEST_SECONDS}.",
            also=ValueError if type(seconds) is int else TypeError,
        )
    return seconds
