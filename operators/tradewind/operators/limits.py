"""What a pipeline's config means for one step: the moment at which the run has to end, the run's workspace.

Airflow has a timeout of its own for DAG runs. When that strikes, all that has not run is skipped, `run_end`
included: pods, the workspace and MLflow's run would stay as they are. So the deadline is kept here: pods end
when it comes, no step starts after it, and the run fails and is closed like any other.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from tradewind.errors import FatalError
from tradewind.operators.pod_arguments import merge_pod_arguments

__all__ = ["require_time", "within_limits"]


def require_time(deadline: float | None, seconds: int) -> None:
    """Check that the run still may do something.

    Args:
        deadline: of the run, seconds since the epoch; None for no deadline.
        seconds: how long the run may take, for the message.

    Raises:
        FatalError: its time is over.
    """
    if deadline is not None and time.time() >= deadline:
        raise FatalError(
            f"the run has had its {seconds} s (active_deadline_seconds of the pipeline), and ends here",
            remedy="Raise it in dsl.PipelineConfig; clearing the step starts the run's time anew.",
        )


def within_limits(
    arguments: Mapping[str, Any], deadline: float | None, mounts: Mapping[str, Any]
) -> dict[str, Any]:
    """Return a step's pod arguments with what the run's config adds.

    Args:
        arguments: of deployment, pipeline and step.
        deadline: as of `require_time`; the pod ends then, or before if its arguments say so.
        mounts: pod arguments that mount the workspace; empty for a step that does not use it.
    """
    limited = merge_pod_arguments(arguments, mounts)
    if deadline is not None:
        left = max(1, math.ceil(deadline - time.time()))
        own = limited.get("active_deadline_seconds")
        limited["active_deadline_seconds"] = left if own is None else min(int(own), left)
    return limited
