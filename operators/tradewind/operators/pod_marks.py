"""By what a step's pod is found again: laid over its manifest when everybody else has changed it.

A `pod_mutation_hook`, a callback or a pod template may replace labels, name or namespace. A pod that bears
others than ours would be nobody's: no retry takes it over, `run_end` and `tradewind sweep` do not see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tradewind.cluster.names import run_annotations
from tradewind.errors import ConfigurationError

if TYPE_CHECKING:
    from kubernetes.client import models as k8s

    from tradewind.operators.request import PodRequest

__all__ = ["mark", "require_namespace"]


def mark(pod: k8s.V1Pod, request: PodRequest) -> None:
    """Give a pod the name, the labels and the annotations of its step."""
    identity, metadata = request.identity, pod.metadata
    metadata.name = identity.pod_name(request.try_number)
    metadata.labels = {**(metadata.labels or {}), **identity.labels(request.try_number)}
    whose = run_annotations(identity.dag_id, identity.run_id)
    metadata.annotations = {**(metadata.annotations or {}), **whose}


def require_namespace(pod: k8s.V1Pod, expected: str) -> None:
    """Check that a pod is to be where `run_end` looks for it.

    Raises:
        ConfigurationError: it is not.
    """
    found = pod.metadata.namespace
    if found != expected:
        raise ConfigurationError(
            f"Airflow's pod_mutation_hook or the pod template puts the pod into the namespace {found!r}, and"
            f" {expected!r} is the one where the pods of the run are looked for",
            remedy="Leave the namespace alone there; name it by pipeline_dag(namespace=...), or by"
            ' pod={"namespace": ...} of the step.',
        )
