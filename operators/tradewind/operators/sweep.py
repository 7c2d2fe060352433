"""Removing pods that nobody waits for any more."""

from __future__ import annotations

from tradewind.cluster.pods import Pods
from tradewind.errors import ConfigurationError
from tradewind.operators.configuration import configuration
from tradewind.operators.settings import RunSettings

__all__ = ["remove_pods"]

BUDGET_SECONDS = 30.0


def remove_pods(pipeline: RunSettings, selector: str) -> list[str]:
    """Delete the pods that a label selector selects; returns their names.

    Raises:
        TradewindError: the cluster refuses, or is away.
    """
    from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
    from airflow.sdk.exceptions import AirflowException
    from kubernetes.config import ConfigException

    settings = configuration()
    hook = KubernetesHook(conn_id=pipeline.cluster or settings.kubernetes_conn_id)
    try:
        namespace = pipeline.namespace or settings.namespace or hook.get_namespace() or "default"
        client = hook.core_v1_client
    except (AirflowException, ConfigException, OSError) as error:
        raise ConfigurationError(f"the connection {hook.conn_id!r} cannot be used: {error}") from error
    pods = Pods(lambda: client, namespace, budget_seconds=BUDGET_SECONDS)
    names = [pod["metadata"]["name"] for pod in pods.select(selector)]
    return [name for name in names if pods.delete(name)]
