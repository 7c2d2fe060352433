"""What a pipeline says about all of its run: dsl.PipelineConfig.

KFP hands these settings to its workflow engine. Here they are facts for whoever orchestrates: a volume that
the run's steps share, how long it outlives the run, and how long the run may take.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RunConfig", "Workspace"]


@dataclass(frozen=True, slots=True)
class Workspace:
    """A volume that the steps of a run share.

    Attributes:
        size: a Kubernetes quantity, "10Gi".
        claim: fields of a PersistentVolumeClaim's spec that differ from the deployment's.
    """

    size: str
    claim: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RunConfig:
    """Settings of every run of a pipeline; times in seconds.

    Attributes:
        workspace: None: there is none.
        kept_after_success, kept_after_failure: how long the workspace outlives a run.
        active_deadline: how long a run may take; 0: as long as it likes.
    """

    workspace: Workspace | None = None
    kept_after_success: int = 0
    kept_after_failure: int = 0
    active_deadline: int = 0
