"""Removing pods that nobody waits for any more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tradewind.cluster.pods import Pods
from tradewind.operators.access import cluster_access, pipeline_pod_arguments
from tradewind.operators.settings import RunSettings

__all__ = ["remove_pods"]

BUDGET_SECONDS = 30.0


def remove_pods(pipeline: RunSettings, selector: str, place: Mapping[str, Any] | None = None) -> list[str]:
    """Delete the pods that a label selector selects; returns their names.

    Args:
        place: pod arguments of steps that are elsewhere than the pipeline's, see `place_arguments`.

    Raises:
        TradewindError: the cluster refuses, or is away.
    """
    access = cluster_access(pipeline_pod_arguments(pipeline, place))
    pods = Pods(access.client, access.namespace, budget_seconds=BUDGET_SECONDS)
    names = [pod["metadata"]["name"] for pod in pods.select(selector)]
    return [name for name in names if pods.delete(name)]
