"""A cluster by the names under which Airflow knows it, for processes that meet it again elsewhere.

A triggerer gets a thousand of these and makes one client of them: a client costs 30 ms, most of it for the
certificates.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tradewind.cluster.pods import Pods
from tradewind.errors import ConfigurationError

if TYPE_CHECKING:
    from kubernetes.client import CoreV1Api

__all__ = ["ClusterReference", "pods_at"]


@dataclass(frozen=True, slots=True)
class ClusterReference:
    """Where a cluster is, and as whom it is reached.

    Attributes:
        conn_id, in_cluster, config_file, cluster_context: as KubernetesPodOperator has them.
        server: address of the API server, as found by whoever made this: another one is another cluster.
    """

    conn_id: str | None
    in_cluster: bool | None
    config_file: str | None
    cluster_context: str | None
    server: str

    def client(self) -> CoreV1Api:
        """Make a client, with the connection as it is now.

        Raises:
            ConfigurationError: the connection cannot be used.
        """
        from airflow.providers.cncf.kubernetes.hooks.kubernetes import KubernetesHook
        from airflow.sdk.exceptions import AirflowException
        from kubernetes.config import ConfigException

        hook = KubernetesHook(
            conn_id=self.conn_id,
            in_cluster=self.in_cluster,
            config_file=self.config_file,
            cluster_context=self.cluster_context,
        )
        try:
            return hook.core_v1_client
        except (AirflowException, ConfigException, OSError) as error:
            raise ConfigurationError(
                f"the triggerer cannot use the Airflow connection {self.conn_id!r}: {error}",
                remedy="It needs the same connections as the workers, and the files that they name.",
            ) from error


_known: dict[tuple[ClusterReference, str], Pods] = {}
_lock = threading.Lock()


def pods_at(cluster: ClusterReference, namespace: str) -> Pods:
    """Return the pods of a namespace, the same object every time. It connects when it is used."""
    with _lock:
        return _known.setdefault((cluster, namespace), Pods(cluster.client, namespace))
