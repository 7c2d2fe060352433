"""The deployment's artifact store: where it is, and how pods and workers get at it.

Said either by options of `[tradewind]`, one by one, or by one Airflow connection of the type
`tradewind_artifact_store`, which has a form and a Test button; the connection goes before the options. Other
connections (aws, google_cloud_platform, wasb, adls) only hold the credentials of workers. Connections' fields
become `FSSPEC_<SCHEME>`, the arguments of the store's driver, and stay in this process.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.errors import ConfigurationError
from tradewind.operators.configuration import Configuration, checked_volume, configuration
from tradewind.operators.connections import STORE_TYPE, connection, extra_object, extra_text, place_of
from tradewind.runtime.stores import scheme_of

__all__ = ["StoreSettings", "connection_environment", "driver_environment", "store_settings"]

_OPTION = "artifact_store_conn_id"
_WITHOUT_DRIVER = ("mlflow-artifacts", "http", "https", "file")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """A deployment's artifact store.

    Attributes:
        uri: below which artifacts are kept; None: MLflow's store.
        volume: of a `file://` store: a volume of a pod's spec with `mountPath`; empty: none.
        secret: Kubernetes secret whose keys pods get as variables.
    """

    uri: str | None
    volume: Mapping[str, Any]
    secret: str | None

    @classmethod
    def of(cls, given: Any) -> StoreSettings:
        """Read a connection of the type `tradewind_artifact_store`.

        Raises:
            ConfigurationError: it has no URI, or a field is wrong.
        """
        uri = str(given.host or "").strip()
        if "://" not in uri:
            raise ConfigurationError(
                f"the Airflow connection {given.conn_id!r} has no URI of an artifact store",
                remedy="Write one into its field URI, for example s3://bucket/pipelines.",
            )
        volume = checked_volume(extra_object(given, "volume"), place_of(given, "volume"))
        return cls(uri, volume, extra_text(given, "pod_credentials"))


def store_settings() -> StoreSettings:
    """Return the deployment's artifact store.

    Raises:
        ConfigurationError: the connection that is named does not exist or is wrong.
    """
    options = configuration()
    given = _given(options)
    if given is not None and given.conn_type == STORE_TYPE:
        return StoreSettings.of(given)
    return StoreSettings(options.artifact_store, options.artifact_store_volume, options.artifact_store_secret)


def connection_environment(root: str | None) -> dict[str, str]:
    """Return the variables that `[tradewind] artifact_store_conn_id` stands for, none when it is not set.

    Args:
        root: URI of the store that is meant; one of another kind than the connection's gets none.

    Raises:
        ConfigurationError: the connection does not exist or is of no known type.
    """
    if root is None or scheme_of(root) in _WITHOUT_DRIVER:
        return {}
    given = _given(configuration())
    return {} if given is None else driver_environment(given, root)


def driver_environment(given: Any, root: str) -> dict[str, str]:
    """Return a connection's credentials as the variable that the runtime's stores read.

    Args:
        given: the connection.
        root: URI of the store.

    Raises:
        ConfigurationError: the connection is of no known type, or a field is wrong.
    """
    scheme = scheme_of(root)
    if scheme in _WITHOUT_DRIVER:
        return {}
    if given.conn_type == STORE_TYPE:
        if scheme_of(str(given.host)) != scheme:
            return {}
        arguments = _own(given, scheme)
    elif given.conn_type not in _ARGUMENTS:
        raise ConfigurationError(
            f"the Airflow connection {given.conn_id!r} of [tradewind] {_OPTION} has the type "
            f"{given.conn_type!r}",
            remedy=f"Use one of type {', '.join((STORE_TYPE, *_ARGUMENTS))}.",
        )
    else:
        schemes, read = _ARGUMENTS[given.conn_type]
        if scheme not in schemes:
            return {}  # a pipeline with a store in another cloud than the deployment's
        arguments = read(given)
    return {f"FSSPEC_{scheme.upper()}": json.dumps({name: part for name, part in arguments.items() if part})}


@functools.lru_cache(maxsize=1)
def _given(options: Configuration) -> Any:
    """The connection that is named; a task asks several times, and each would be a call to Airflow."""
    return connection(options.artifact_store_conn_id, _OPTION) if options.artifact_store_conn_id else None


def _own(given: Any, scheme: str) -> dict[str, Any]:
    login, password = given.login, given.password
    region = extra_text(given, "region_name")
    arguments: dict[str, Any] = {}
    if scheme in _S3:
        arguments = {
            "key": login,
            "secret": password,
            "endpoint_url": extra_text(given, "endpoint_url"),
            "client_kwargs": {"region_name": region} if region else {},
        }
    elif scheme in _GOOGLE and password:
        arguments = {"token": _json(password, f"the password of the Airflow connection {given.conn_id!r}")}
    elif scheme in _MICROSOFT:
        arguments = {"account_name": login, "account_key": password}
    return {**arguments, **extra_object(given, "secret_options")}


def _json(text: str, place: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(
            f"{place} is not the JSON key of a service account", remedy="Paste the whole key file."
        ) from error


def _aws(given: Any) -> dict[str, Any]:
    extra = given.extra_dejson
    region = extra.get("region_name")
    host = given.host or ""
    return {
        "key": given.login,
        "secret": given.password,
        "token": extra.get("aws_session_token"),
        "endpoint_url": extra.get("endpoint_url") or (host if "://" in host else ""),
        "client_kwargs": {"region_name": region} if region else {},
        "profile": extra.get("profile_name"),
    }


def _google(given: Any) -> dict[str, Any]:
    extra = given.extra_dejson
    keys = extra.get("keyfile_dict") or extra.get("extra__google_cloud_platform__keyfile_dict")
    return {
        "token": (json.loads(keys) if isinstance(keys, str) else keys) or extra.get("key_path"),
        "project": extra.get("project"),
    }


def _azure(given: Any) -> dict[str, Any]:
    extra = given.extra_dejson
    host = (given.host or "").rpartition("://")[2].partition("/")[0].partition(".")[0]
    common = {"connection_string": extra.get("connection_string"), "sas_token": extra.get("sas_token")}
    if extra.get("tenant_id"):
        # A service principal: Airflow keeps it where otherwise the account and its key are.
        principal = {"client_id": given.login, "client_secret": given.password}
        return common | principal | {"tenant_id": extra["tenant_id"], "account_name": host}
    key = given.password or extra.get("account_key")
    return common | {"account_name": given.login or host, "account_key": key}


_S3 = ("s3", "s3a")
_GOOGLE = ("gs", "gcs")
_MICROSOFT = ("az", "abfs", "abfss")
_ARGUMENTS: Mapping[str, tuple[tuple[str, ...], Callable[[Any], dict[str, Any]]]] = {
    "aws": (_S3, _aws),
    "google_cloud_platform": (_GOOGLE, _google),
    "wasb": (_MICROSOFT, _azure),
    "adls": (_MICROSOFT, _azure),
}
