"""The forms of Tradewind's connection types, as plain data for Airflow's UI.

Airflow shows them from the provider's description alone; only a press of "Test" imports the hooks. The names
below `conn-fields` are those of a connection's `extra`, which `tradewind.operators` reads.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CONNECTION_TYPES"]


def _field(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"], **schema}}


_MLFLOW = {
    "connection-type": "tradewind_mlflow",
    "hook-class-name": "tradewind.airflow.hooks.MlflowHook",
    "hook-name": "MLflow (Tradewind)",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port"],
        "relabeling": {"host": "Tracking URI", "login": "User", "password": "Password or token"},
        "placeholders": {
            "host": "https://mlflow.example.com",
            "login": "leave empty for a token",
        },
    },
    "conn-fields": {
        "pod_tracking_uri": _field(
            "Tracking URI for pods",
            "Address of the same server as pods reach it, where that is another one than for workers.",
        ),
        "ui_uri": _field(
            "Address for browsers",
            "Address of the same server as people reach it, for links, where that is another one.",
        ),
        "token_secret": _field(
            "Kubernetes secret with a token",
            "name/key of a secret in the pods' namespace; pods refer to it. User, password and token above "
            "are for workers only.",
        ),
        "login_secret": _field(
            "Kubernetes secret with a login",
            "Name of a secret in the pods' namespace with the keys username and password, for servers with "
            "basic authentication.",
        ),
    },
}

_STORE = {
    "connection-type": "tradewind_artifact_store",
    "hook-class-name": "tradewind.airflow.hooks.ArtifactStoreHook",
    "hook-name": "Artifact store (Tradewind)",
    "ui-field-behaviour": {
        "hidden-fields": ["schema", "port"],
        "relabeling": {
            "host": "URI",
            "login": "Access key or account",
            "password": "Secret key, account key or key file",
        },
        "placeholders": {"host": "s3://bucket/pipelines or file:///artifacts"},
    },
    "conn-fields": {
        "secret": _field(
            "Kubernetes secret for pods",
            "Name of a secret in the pods' namespace; its keys (AWS_ACCESS_KEY_ID and the like) become "
            "variables of pods. The keys above are for workers only. Not needed where a service account "
            "gives access.",
        ),
        "volume": _field(
            "Volume for pods",
            "For file:///: the volume that pods mount, with its mountPath, as JSON. Workers need the same "
            "files at the same path.",
            format="json",
        ),
        "endpoint_url": _field("S3 endpoint", "Address of an S3 server that is not Amazon's."),
        "region_name": _field("S3 region", "Region of the bucket, where the server asks for one."),
        "driver_options": _field(
            "Driver options",
            "Further arguments of the fsspec driver of workers, as a JSON object.",
            format="password",
        ),
    },
}

CONNECTION_TYPES: list[dict[str, Any]] = [_MLFLOW, _STORE]
