"""The `[tradewind]` section of Airflow's configuration, read once per process.

Defaults stand in the provider's description (`tradewind.airflow.provider`), which Airflow's configuration
knows; an option that is missing there is simply unset here. A wrong value is one clear error that names the
option.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast, get_args

from airflow.sdk.configuration import conf

from tradewind.cluster.retry_policy import retried_kinds
from tradewind.errors import ConfigurationError
from tradewind.operators.durations import seconds_of
from tradewind.operators.settings import Deferrable, FinalStatusWords, HelperFor, PodSecurity, TrackingMode

__all__ = ["Configuration", "SecretKey", "checked_volume", "configuration"]

SECTION = "tradewind"


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key of a Kubernetes secret; only ever referred to, never read."""

    name: str
    key: str

    @classmethod
    def parse(cls, text: str, place: str) -> SecretKey:
        """Read `name/key`.

        Args:
            place: where it stands, for the message.

        Raises:
            ConfigurationError: it is something else.
        """
        name, slash, key = text.partition("/")
        if not (name and slash and key) or "/" in key:
            raise ConfigurationError(
                f"{place} must name a Kubernetes secret and a key in it",
                remedy="Write it as name/key, for example mlflow/token.",
            )
        return cls(name, key)


@dataclass(frozen=True, slots=True, eq=False)
class Configuration:
    """What the deployment says. There is one at a time, so that it may be the key of what is derived from it.

    Attributes:
        kubernetes_conn_id, namespace: where steps run, unless the pipeline says otherwise.
        mlflow_conn_id: Airflow connection of MLflow; wins over `mlflow_tracking_uri`.
        mlflow_tracking_uri: MLflow as workers reach it.
        mlflow_pod_tracking_uri: MLflow as pods reach it; None: the same.
        mlflow_ui_uri: MLflow as people reach it, for links; None: as workers do.
        mlflow_token_secret: where pods find a token for MLflow.
        mlflow_login_secret: Kubernetes secret where pods find `username` and `password` for MLflow.
        artifact_store: URI; None: MLflow's.
        artifact_store_volume: of a `file://` store: a volume of a pod's spec with `mountPath`; empty: none.
        artifact_store_secret: Kubernetes secret whose keys pods get as variables, for an object store.
        artifact_store_conn_id: Airflow connection by which workers reach an object store.
        cache_ttl: age in seconds from which an earlier result no longer counts; None: never.
        pod_defaults: KubernetesPodOperator arguments for all steps.
        pod_security: level of the Pod Security Standards that pods keep to where nobody says otherwise.
        workspace_claim: fields of the spec of every workspace's volume claim.
        helper_image: image with Python, for container steps whose own image may lack it, and for importers
            that bring artifacts into a workspace.
        helper_for: which container steps: those with artifacts, all that have outputs, or none.
        store_timeout_seconds: how long a pod waits for an artifact store that is away.
        final_status: the words in which exit tasks are told how things ended.
        deferrable: whether steps wait without a worker, where nobody says otherwise; "never": whoever says
            otherwise.
        end_budget_seconds: how long the end of a run waits for an MLflow server that is away.
        retry_on: kinds of ends that are worth another try.
    """

    kubernetes_conn_id: str
    namespace: str | None
    mlflow_conn_id: str | None
    mlflow_tracking_uri: str | None
    mlflow_pod_tracking_uri: str | None
    mlflow_ui_uri: str | None
    mlflow_token_secret: SecretKey | None
    mlflow_login_secret: str | None
    artifact_store: str | None
    tracking: TrackingMode
    caching: bool
    cache_ttl: float | None
    artifact_store_volume: Mapping[str, Any]
    artifact_store_secret: str | None
    artifact_store_conn_id: str | None
    pod_defaults: Mapping[str, Any]
    pod_security: PodSecurity
    workspace_claim: Mapping[str, Any]
    helper_image: str
    helper_for: HelperFor
    store_timeout_seconds: int
    end_budget_seconds: int
    final_status: FinalStatusWords
    deferrable: Deferrable
    retry_on: frozenset[str]


@functools.cache
def configuration() -> Configuration:
    """Return the deployment's settings.

    Raises:
        ConfigurationError: an option has a value that it cannot have.
    """
    return Configuration(
        kubernetes_conn_id=_text("kubernetes_conn_id") or "kubernetes_default",
        namespace=_text("namespace"),
        mlflow_conn_id=_text("mlflow_conn_id"),
        mlflow_tracking_uri=_text("mlflow_tracking_uri"),
        mlflow_pod_tracking_uri=_text("mlflow_pod_tracking_uri"),
        mlflow_ui_uri=_text("mlflow_ui_uri"),
        mlflow_token_secret=_secret("mlflow_token_secret"),
        mlflow_login_secret=_text("mlflow_login_secret"),
        artifact_store=_text("artifact_store"),
        tracking=cast(TrackingMode, _word("tracking", "on", get_args(TrackingMode))),
        caching=bool(conf.getboolean(SECTION, "caching", fallback=True)),
        cache_ttl=_duration("cache_ttl"),
        artifact_store_volume=checked_volume(
            _json_object("artifact_store_volume"), f"[{SECTION}] artifact_store_volume"
        ),
        artifact_store_secret=_text("artifact_store_secret"),
        artifact_store_conn_id=_text("artifact_store_conn_id"),
        pod_defaults=_json_object("pod_defaults"),
        pod_security=cast(PodSecurity, _word("pod_security", "restricted", get_args(PodSecurity))),
        workspace_claim=_json_object("workspace_claim"),
        helper_image=_text("helper_image") or "python:3.11-slim",
        helper_for=cast(HelperFor, _word("helper_for", "artifacts", get_args(HelperFor))),
        store_timeout_seconds=int(conf.getint(SECTION, "store_timeout_seconds", fallback=300)),
        end_budget_seconds=int(conf.getint(SECTION, "end_budget_seconds", fallback=120)),
        final_status=cast(FinalStatusWords, _word("final_status", "documented", get_args(FinalStatusWords))),
        deferrable=cast(Deferrable, _word("deferrable", "default", get_args(Deferrable))),
        retry_on=_kinds("retry_on"),
    )


def _text(option: str) -> str | None:
    value = conf.get(SECTION, option, fallback=None)
    return str(value).strip() or None if value is not None else None


def _secret(option: str) -> SecretKey | None:
    value = _text(option)
    return None if value is None else SecretKey.parse(value, f"[{SECTION}] {option}")


def _kinds(option: str) -> frozenset[str]:
    value = _text(option) or "default"
    words = [] if value == "nothing" else [word.strip() for word in value.split(",")]
    return retried_kinds(words, f"[{SECTION}] {option}")


def _duration(option: str) -> float | None:
    value = _text(option)
    return None if value is None else seconds_of(value, f"[{SECTION}] {option}")


def checked_volume(value: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """Return a volume of a pod's spec that has a `mountPath`, or nothing at all.

    Args:
        place: where it stands, for the message.

    Raises:
        ConfigurationError: it is something else.
    """
    kinds = value.keys() - {"name", "mountPath"}
    path = str(value.get("mountPath") or "")
    if value and (len(kinds) != 1 or not path.startswith("/")):
        raise ConfigurationError(
            f"{place} must be one volume of a pod, with its mountPath",
            remedy='For example {"mountPath": "/data", "persistentVolumeClaim": {"claimName": "data"}}.',
        )
    return value


def _word(option: str, default: str, words: tuple[str, ...]) -> str:
    value = (_text(option) or default).lower()
    if value not in words:
        raise ConfigurationError(
            f"[{SECTION}] {option} is {value!r}", remedy=f"Use one of {', '.join(words)}."
        )
    return value


def _json_object(option: str) -> Mapping[str, Any]:
    text = _text(option)
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"[{SECTION}] {option} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"[{SECTION}] {option} must be a JSON object, not {type(value).__name__}")
    return value
