"""How pods and workers get at the artifact store, where that is not MLflow's.

Pods mount a volume, or take the variables of a Kubernetes secret; nothing secret is written into a pod's
spec. Workers use an Airflow connection, or what their own environment gives. The connection's fields become
`FSSPEC_<SCHEME>`, the arguments of the store's driver, and stay in this process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from tradewind.errors import ConfigurationError
from tradewind.operators.configuration import configuration
from tradewind.runtime.stores import scheme_of

__all__ = ["connection_environment", "console_url", "is_mounted", "pod_access"]

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
    settings = configuration()
    if scheme == "file":
        volume = dict(settings.artifact_store_volume)
        if not volume:
            return {}
        path = volume.pop("mountPath")
        return {
            "volumes": [{**volume, "name": VOLUME}],
            "volume_mounts": [{"name": VOLUME, "mountPath": path}],
        }
    if settings.artifact_store_secret:
        return {"env_from": [{"secretRef": {"name": settings.artifact_store_secret}}]}
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


def connection_environment(root: str | None) -> dict[str, str]:
    """Return the variables that `[tradewind] artifact_store_conn_id` stands for, none when it is not set.

    Raises:
        ConfigurationError: the connection does not exist or is of no known type.
    """
    conn_id = configuration().artifact_store_conn_id
    if not conn_id or root is None or (scheme := scheme_of(root)) in (*_SERVICES, "file"):
        return {}
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        connection: Any = BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"the Airflow connection {conn_id!r} of [tradewind] artifact_store_conn_id does not exist",
            remedy="Create it, or unset the option.",
        ) from error
    if connection.conn_type not in _ARGUMENTS:
        raise ConfigurationError(
            f"the Airflow connection {conn_id!r} of [tradewind] artifact_store_conn_id has the type "
            f"{connection.conn_type!r}",
            remedy=f"Use one of type {', '.join(_ARGUMENTS)}.",
        )
    schemes, arguments = _ARGUMENTS[connection.conn_type]
    if scheme not in schemes:
        return {}  # a pipeline with a store in another cloud than the deployment's
    given = {name: value for name, value in arguments(connection).items() if value}
    return {f"FSSPEC_{scheme.upper()}": json.dumps(given)}


def _aws(connection: Any) -> dict[str, Any]:
    extra = connection.extra_dejson
    region = extra.get("region_name")
    host = connection.host or ""
    return {
        "key": connection.login,
        "secret": connection.password,
        "token": extra.get("aws_session_token"),
        "endpoint_url": extra.get("endpoint_url") or (host if "://" in host else ""),
        "client_kwargs": {"region_name": region} if region else {},
        "profile": extra.get("profile_name"),
    }


def _google(connection: Any) -> dict[str, Any]:
    extra = connection.extra_dejson
    keys = extra.get("keyfile_dict") or extra.get("extra__google_cloud_platform__keyfile_dict")
    return {
        "token": (json.loads(keys) if isinstance(keys, str) else keys) or extra.get("key_path"),
        "project": extra.get("project"),
    }


def _azure(connection: Any) -> dict[str, Any]:
    extra = connection.extra_dejson
    host = (connection.host or "").rpartition("://")[2].partition("/")[0].partition(".")[0]
    common = {"connection_string": extra.get("connection_string"), "sas_token": extra.get("sas_token")}
    if extra.get("tenant_id"):
        # A service principal: Airflow keeps it where otherwise the account and its key are.
        principal = {"client_id": connection.login, "client_secret": connection.password}
        return common | principal | {"tenant_id": extra["tenant_id"], "account_name": host}
    key = connection.password or extra.get("account_key")
    return common | {"account_name": connection.login or host, "account_key": key}


_AZURE = (("az", "abfs", "abfss"), _azure)
_ARGUMENTS: Mapping[str, tuple[tuple[str, ...], Callable[[Any], dict[str, Any]]]] = {
    "aws": (("s3", "s3a"), _aws),
    "google_cloud_platform": (("gs", "gcs"), _google),
    "wasb": _AZURE,
    "adls": _AZURE,
}
