"""Where MLflow is for workers, pods and people, and how a task behaves while it is not there.

MLflow being away must not fail a step. A task therefore never talks to the tracker directly, it lets a
`Tracking` do it, which turns every refusal into a warning and an answer of None; the caller keeps its record
and parks it in XCom. With `tracking="required"` the error is raised instead.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

from tradewind.errors import ConfigurationError, TradewindError
from tradewind.operators.configuration import Configuration, SecretKey, configuration
from tradewind.operators.connections import connection, extra_text, place_of
from tradewind.operators.settings import RunSettings, TrackingMode

if TYPE_CHECKING:
    from tradewind.tracking import MlflowRest, TrackedRun, Tracker

__all__ = ["MlflowAccess", "Tracking", "parent_run"]

T = TypeVar("T")

STEP_BUDGET_SECONDS = 4.0
"""How long a task waits for MLflow, each time that it has something to say."""


@dataclass(frozen=True, slots=True)
class MlflowAccess:
    """An MLflow server: its address for workers, pods and people, and who gets which credentials.

    Attributes:
        uri, pod_uri, ui_uri: as workers, pods and people reach it.
        token, username, password: of the workers; they never leave this process.
        pod_secrets: variables that pods take from Kubernetes secrets.
    """

    uri: str
    pod_uri: str
    ui_uri: str
    token: str | None = None
    username: str | None = None
    password: str | None = None
    pod_secrets: Mapping[str, SecretKey] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"MlflowAccess({_without_credentials(self.uri)!r})"

    def __post_init__(self) -> None:
        """Check the addresses that are shown.

        Raises:
            ConfigurationError: one holds credentials, which would stand in every pod's spec, or in links.
        """
        for who, uri in (("pods", self.pod_uri), ("people", self.ui_uri)):
            if uri != _without_credentials(uri):
                raise ConfigurationError(
                    f"MLflow's address for {who} holds a user or password: {_without_credentials(uri)}",
                    remedy="Write it without; pods take theirs from a Kubernetes secret"
                    " ([tradewind] mlflow_login_secret or mlflow_token_secret).",
                )

    @classmethod
    def configured(cls, settings: Configuration) -> MlflowAccess | None:
        """Return the deployment's server, None when there is none.

        Raises:
            ConfigurationError: the connection does not exist or names no host.
        """
        if settings.mlflow_conn_id:
            return cls.of(connection(settings.mlflow_conn_id, "mlflow_conn_id"), settings)
        uri = settings.mlflow_tracking_uri
        if not uri:
            return None
        plain = _without_credentials(uri)
        return cls(
            uri=uri,
            pod_uri=settings.mlflow_pod_tracking_uri or plain,
            ui_uri=settings.mlflow_ui_uri or plain,
            token=os.environ.get("MLFLOW_TRACKING_TOKEN"),
            username=os.environ.get("MLFLOW_TRACKING_USERNAME"),
            password=os.environ.get("MLFLOW_TRACKING_PASSWORD"),
            pod_secrets=_pod_secrets(settings.mlflow_token_secret, settings.mlflow_login_secret),
        )

    @classmethod
    def of(cls, given: Any, settings: Configuration) -> MlflowAccess:
        """Return the server of an Airflow connection.

        Args:
            given: a connection; of the type `tradewind_mlflow` for the fields that others do not have.
            settings: of the deployment, for what the connection does not say.

        Raises:
            ConfigurationError: it names no host, or a field is wrong.
        """
        uri = _address(given)
        plain = _without_credentials(uri)
        return cls(
            uri=uri,
            pod_uri=extra_text(given, "pod_tracking_uri") or settings.mlflow_pod_tracking_uri or plain,
            ui_uri=extra_text(given, "ui_uri") or settings.mlflow_ui_uri or plain,
            token=None if given.login else given.password or None,
            username=given.login or None,
            password=(given.password or "") if given.login else None,
            pod_secrets=_own_pod_secrets(given)
            or _pod_secrets(settings.mlflow_token_secret, settings.mlflow_login_secret),
        )

    def rest(self, budget_seconds: float) -> MlflowRest:
        """Return a client of the server's REST API that gives up on a call after `budget_seconds`."""
        from tradewind.tracking import MlflowRest

        return MlflowRest(
            self.uri,
            token=self.token,
            username=self.username,
            password=self.password,
            timeout_seconds=budget_seconds,
            budget_seconds=budget_seconds,
            # The variable of MLflow's own client, which the artifact store reads, too.
            ca_file=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH"),
        )

    def tracker(self, budget_seconds: float) -> Tracker:
        """Return a tracker that gives up on a call after `budget_seconds`."""
        from tradewind.tracking import Tracker

        return Tracker(self.rest(budget_seconds))


def _pod_secrets(token: SecretKey | None, login: str | None) -> dict[str, SecretKey]:
    secrets = {"MLFLOW_TRACKING_TOKEN": token} if token else {}
    if login:
        secrets["MLFLOW_TRACKING_USERNAME"] = SecretKey(login, "username")
        secrets["MLFLOW_TRACKING_PASSWORD"] = SecretKey(login, "password")
    return secrets


def _own_pod_secrets(given: Any) -> dict[str, SecretKey]:
    secret = extra_text(given, "pod_credentials")
    if secret is None or "/" not in secret:
        return _pod_secrets(None, secret)
    return _pod_secrets(SecretKey.parse(secret, place_of(given, "pod_credentials")), None)


def _address(given: Any) -> str:
    if not given.host:
        raise ConfigurationError(f"the Airflow connection {given.conn_id!r} names no host")
    host = str(given.host)
    if "://" not in host:
        scheme = given.schema or ("https" if given.port == 443 else "http")
        host = f"{scheme}://{host}"
    if given.port and not urlsplit(host).port:
        parts = urlsplit(host)
        host = urlunsplit(parts._replace(netloc=f"{parts.netloc}:{given.port}"))
    return host


def _without_credentials(uri: str) -> str:
    parts = urlsplit(uri)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


class Tracking:
    """The tracker of one task, with the policy for an MLflow server that is away.

    Attributes:
        mode: see `RunSettings.tracking`.
        access: where MLflow is.
    """

    def __init__(self, mode: TrackingMode, access: MlflowAccess, log: Any) -> None:
        self.mode = mode
        self.access = access
        self._log = log
        self._tracker: Tracker | None = None

    @classmethod
    def of(cls, pipeline: RunSettings, log: Any) -> Self | None:
        """Return the task's tracking, None when it is off.

        Raises:
            ConfigurationError: tracking is required and no MLflow server is configured.
        """
        settings = configuration()
        mode = pipeline.tracking or settings.tracking
        if mode == "off":
            return None
        access = MlflowAccess.configured(settings)
        if access is None:
            if mode == "required":
                raise ConfigurationError(
                    "tracking is required, but no MLflow server is configured",
                    remedy="Set [tradewind] mlflow_tracking_uri or mlflow_conn_id.",
                )
            return None
        return cls(mode, access, log)

    def attempt(self, what: str, call: Callable[[Tracker], T]) -> T | None:
        """Call MLflow; None when it could not be done and tracking is not required.

        Args:
            what: for the warning: "the begin of the step".
            call: gets the tracker.

        Raises:
            TradewindError: with `tracking="required"`.
        """
        if self._tracker is None:
            self._tracker = self.access.tracker(STEP_BUDGET_SECONDS)
        try:
            return call(self._tracker)
        except TradewindError as error:
            if self.mode == "required":
                raise
            self._log.warning("MLflow did not take %s; it is written later. %s", what, error)
            return None


def parent_run(tracking: Tracking, start: Mapping[str, Any]) -> TrackedRun | None:
    """Return the MLflow run of the pipeline run, made now if `run_start` could not.

    Args:
        start: the `tracking` part of what `run_start` returned.
    """
    from tradewind.tracking import PipelineRunRecord, TrackedRun

    if start.get("run_id"):
        return TrackedRun(
            experiment_id=start["experiment_id"],
            run_id=start["run_id"],
            artifact_uri=start.get("artifact_uri") or "",
            group=start.get("group") or "",
        )
    pending = start.get("pending")
    if pending is None:
        return None
    return tracking.attempt(
        "the pipeline run", lambda tracker: tracker.write_run(PipelineRunRecord.from_dict(pending))
    )
