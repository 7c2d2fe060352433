"""How a worker reaches the cluster when it needs something there that is no pod of a step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tradewind.errors import ConfigurationError
from tradewind.operators.configuration import configuration
from tradewind.operators.pod_arguments import merge_pod_arguments
from tradewind.operators.settings import RunSettings

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

__all__ = ["ClusterAccess", "cluster_access", "pipeline_pod_arguments"]

_NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
_HOOK_ARGUMENTS = ("in_cluster", "config_file", "cluster_context")


@dataclass(frozen=True, slots=True)
class ClusterAccess:
    """A client and a namespace: what `tradewind.cluster` asks for.

    Attributes:
        client: gives a CoreV1Api.
        namespace: where the pods of the pipeline are.
    """

    client: Callable[[], CoreV1Api]
    namespace: str


def pipeline_pod_arguments(pipeline: RunSettings, step: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Merge the pod arguments of deployment, pipeline and, if given, one step."""
    settings = configuration()
    deployment = {"kubernetes_conn_id": settings.kubernetes_conn_id, "namespace": settings.namespace}
    named = {"kubernetes_conn_id": pipeline.cluster, "namespace": pipeline.namespace}
    where = {name: value for name, value in named.items() if value}
    waiting = {} if pipeline.deferrable is None else {"deferrable": pipeline.deferrable}
    return merge_pod_arguments(deployment, settings.pod_defaults, where, pipeline.pod, waiting, step or {})


def cluster_access(arguments: Mapping[str, Any]) -> ClusterAccess:
    """Return how to reach the cluster that these pod arguments lead to.

    Raises:
        ConfigurationError: the connection cannot be used.
    """
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
    from airflow.sdk.exceptions import AirflowException
    from kubernetes.config import ConfigException

    options = {name: arguments[name] for name in _HOOK_ARGUMENTS if name in arguments}
    hook = KubernetesHook(conn_id=arguments["kubernetes_conn_id"], **options)
    try:
        namespace = arguments.get("namespace") or hook.get_namespace() or _own_namespace() or "default"
        client = hook.core_v1_client
    except (AirflowException, ConfigException, OSError) as error:
        raise ConfigurationError(
            f"the Airflow connection {hook.conn_id!r} cannot be used: {error}",
            remedy="Correct it; [tradewind] kubernetes_conn_id says which one is used.",
        ) from error
    return ClusterAccess(lambda: client, namespace)


def _own_namespace() -> str:
    """The namespace of the pod that this process runs in, which the pod operator falls back to as well."""
    with contextlib.suppress(OSError):
        return _NAMESPACE_FILE.read_text().strip()
    return ""
