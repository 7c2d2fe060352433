"""Airflow connections, and the fields of Tradewind's own connection types.

A connection holds the credentials of workers, and the *names* of the Kubernetes secrets with those of pods:
what is in it never travels. Its fields beyond Airflow's standard ones lie in `extra`, under the names that
the provider's description (`tradewind.airflow.provider`) gives to the form.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tradewind.errors import ConfigurationError

__all__ = ["MLFLOW_TYPE", "STORE_TYPE", "connection", "extra_object", "extra_text", "place_of"]

MLFLOW_TYPE = "tradewind_mlflow"
STORE_TYPE = "tradewind_artifact_store"


def connection(conn_id: str, option: str) -> Any:
    """Return an Airflow connection.

    Args:
        conn_id: its id.
        option: of `[tradewind]`, which names it; for the message.

    Raises:
        ConfigurationError: there is none.
    """
    from airflow.sdk import BaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        return BaseHook.get_connection(conn_id)
    except AirflowNotFoundException as error:
        raise ConfigurationError(
            f"the Airflow connection {conn_id!r} of [tradewind] {option} does not exist",
            remedy="Create it, or unset the option.",
        ) from error


def extra_text(given: Any, name: str) -> str | None:
    """Return a field of a connection's `extra` as text; None where it is empty."""
    value = given.extra_dejson.get(name)
    if isinstance(value, Mapping):
        return json.dumps(value)
    return str(value).strip() or None if value is not None else None


def extra_object(given: Any, name: str) -> Mapping[str, Any]:
    """Return a field of a connection's `extra` that is a JSON object, written as such or as its text.

    Raises:
        ConfigurationError: it is something else.
    """
    text = extra_text(given, name)
    try:
        value = json.loads(text) if text else {}
    except ValueError as error:
        raise ConfigurationError(f"{place_of(given, name)} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ConfigurationError(f"{place_of(given, name)} must be a JSON object")
    return value


def place_of(given: Any, name: str) -> str:
    """Name a field in a message."""
    return f"field {name!r} of the Airflow connection {given.conn_id!r}"
