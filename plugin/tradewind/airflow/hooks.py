"""Hooks of Tradewind's connection types: what Airflow calls when somebody presses "Test".

They look from where Airflow runs the test, which is its API server: that pods reach the same servers, with
their own credentials, is another matter, and the answer says so.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from airflow.sdk import BaseHook
from tradewind.errors import TradewindError
from tradewind.operators.configuration import configuration
from tradewind.operators.connections import MLFLOW_TYPE, STORE_TYPE
from tradewind.operators.mlflow import MlflowAccess
from tradewind.operators.probes import mlflow_answers, mlflow_keeps_artifacts, store_writable
from tradewind.operators.store_settings import StoreSettings, driver_environment

if TYPE_CHECKING:
    from tradewind.artifacts import ArtifactStore
    from tradewind.tracking import MlflowRest

__all__ = ["ArtifactStoreHook", "MlflowHook"]

BUDGET_SECONDS = 10.0


class MlflowHook(BaseHook):
    """An MLflow server.

    Args:
        mlflow_conn_id: the Airflow connection.
    """

    conn_name_attr = "mlflow_conn_id"
    default_conn_name = "mlflow_default"
    conn_type = MLFLOW_TYPE
    hook_name = "MLflow (Tradewind)"

    def __init__(self, mlflow_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.mlflow_conn_id = mlflow_conn_id

    def access(self) -> MlflowAccess:
        """Return the server's addresses and credentials.

        Raises:
            ConfigurationError: the connection is wrong.
        """
        return MlflowAccess.of(self.get_connection(self.mlflow_conn_id), configuration())

    def get_conn(self) -> MlflowRest:
        """Return a client of the server's REST API."""
        return self.access().rest(BUDGET_SECONDS)

    def test_connection(self) -> tuple[bool, str]:
        """Ask for experiments, and write an artifact and remove it; returns success and a sentence."""
        try:
            access = self.access()
            found = mlflow_answers(access)
        except TradewindError as error:
            return False, _sentence(error)
        try:
            mlflow_keeps_artifacts(access)
        except TradewindError as error:
            why = error.message.rstrip(".")
            return True, f"{found}. Artifacts need a store of their own ([tradewind] artifact_store): {why}."
        return True, f"{found}. Artifacts can be written through the server."


class ArtifactStoreHook(BaseHook):
    """An artifact store.

    Args:
        artifact_store_conn_id: the Airflow connection.
    """

    conn_name_attr = "artifact_store_conn_id"
    default_conn_name = "artifact_store_default"
    conn_type = STORE_TYPE
    hook_name = "Artifact store (Tradewind)"

    def __init__(self, artifact_store_conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.artifact_store_conn_id = artifact_store_conn_id

    def get_conn(self) -> ArtifactStore:
        """Return the store as a worker uses it.

        Raises:
            ConfigurationError: the connection is wrong.
        """
        from tradewind.artifacts import ArtifactStore

        _, environ = self._access()
        return ArtifactStore(environ, timeout_seconds=BUDGET_SECONDS)

    def test_connection(self) -> tuple[bool, str]:
        """Write, read and remove a small file; returns success and a sentence."""
        try:
            uri, environ = self._access()
            store_writable(uri, environ)
        except TradewindError as error:
            return False, _sentence(error)
        return True, f"A file could be written to {uri}, read and removed. Pods need access of their own."

    def _access(self) -> tuple[str, dict[str, str]]:
        given = self.get_connection(self.artifact_store_conn_id)
        settings = StoreSettings.of(given)
        assert settings.uri is not None
        return settings.uri, {**os.environ, **driver_environment(given, settings.uri)}


def _sentence(error: TradewindError) -> str:
    return f"{error.message.rstrip('.')}. {error.remedy}".strip()
