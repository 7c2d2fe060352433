"""Removing pods that nobody waits for any more."""

from __future__ import annotations

from tradewind.cluster.pods import Pods
from tradewind.operators.access import ClusterAccess

__all__ = ["remove_pods"]

BUDGET_SECONDS = 30.0


def remove_pods(access: ClusterAccess, selector: str) -> list[str]:
    """Delete the pods that a label selector selects, but for those that are going; returns their names.

    Raises:
        TradewindError: the cluster refuses, or is away.
    """
    pods = Pods(access.client, access.namespace, budget_seconds=BUDGET_SECONDS)
    found = [pod["metadata"] for pod in pods.select(selector)]
    names = [metadata["name"] for metadata in found if not metadata.get("deletionTimestamp")]
    return [name for name in names if pods.delete(name)]
