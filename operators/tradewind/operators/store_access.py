"""How pods and people get at the artifact store, where that is not MLflow's.

Pods mount a volume, or take the variables of a Kubernetes secret; nothing secret is written into a pod's
spec. `tradewind.operators.store_settings` has the workers' way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from tradewind.errors import ConfigurationError
from tradewind.operators.store_settings import connection_environment, store_settings
from tradewind.runtime.stores import scheme_of

__all__ = ["console_url", "is_mounted", "pod_access"]

VOLUME = "tradewind-artifacts"
_SERVICES = ("mlflow-artifacts", "http", "https")
# A pod may mount things that are not in its arguments: then nobody can tell before it runs.
_OPAQUE = ("full_pod_spec", "pod_template_dict", "pod_template_file")


def pod_access(root: str | None) -> dict[str, Any]:
    """Return the pod arguments by which a pod reaches the artifact store.

    Args:
        root: URI of the store; None: MLflow's, for which a pod needs nothing.
    """
    if root is None or (scheme := scheme_of(root)) in _SERVICES:
        return {}
    settings = store_settings()
    if scheme == "file":
        volume = dict(settings.volume)
        if not volume:
            return {}
        path = volume.pop("mountPath")
        return {
            "volumes": [{**volume, "name": VOLUME}],
            "volume_mounts": [{"name": VOLUME, "mountPath": path}],
        }
    if settings.secret:
        return {"env_from": [{"secretRef": {"name": settings.secret}}]}
    return {}


def is_mounted(root: str, pod: Mapping[str, Any]) -> bool:
    """Say whether pods mount a volume where a `file://` store lies; without one, all is lost with the pod.

    Args:
        root: URI of the store.
        pod: arguments of the pod, those of `pod_access` included.
    """
    if any(pod.get(name) for name in _OPAQUE):
        return True
    path = _segments(root.removeprefix("file:").removeprefix("//"))
    for mount in pod.get("volume_mounts") or ():
        given = mount.get("mountPath") if isinstance(mount, Mapping) else getattr(mount, "mount_path", "")
        folder = _segments(str(given or ""))
        if folder and path[: len(folder)] == folder:
            return True
    return False


def _segments(path: str) -> list[str]:
    return [part for part in path.split("/") if part]


def console_url(uri: str) -> str:
    """Return the page of an artifact in its cloud's console, empty where it has none that can be known."""
    scheme = scheme_of(uri)
    bucket, _, path = uri.partition("://")[2].partition("/")
    folder = path.rpartition("/")[0]
    if scheme in ("gs", "gcs"):
        return f"https://console.cloud.google.com/storage/browser/{quote(bucket)}/{quote(folder)}"
    own_server = any(name.startswith("AWS_ENDPOINT_URL") for name in os.environ)
    if scheme in ("s3", "s3a") and not own_server and '"endpoint_url"' not in str(_connected(uri)):
        query = urlencode({"prefix": f"{folder}/"}, quote_via=quote)
        return f"https://console.aws.amazon.com/s3/buckets/{quote(bucket)}?{query}"
    return ""


def _connected(uri: str) -> dict[str, str]:
    try:
        return connection_environment(uri)
    except ConfigurationError:
        return {}
