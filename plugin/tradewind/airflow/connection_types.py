"""The forms of Tradewind's connection types, as plain data for Airflow's UI.

Airflow shows them from the provider's description alone; only a press of "Test" imports the hooks. The names
below `conn-fields` are those of a connection's `extra`, which `tradewind.operators` reads.

By a field's name Airflow tells whether it is masked, in the UI and in all logs. So the field with arguments
of a driver has "secret" in its name, and those with mere names of Kubernetes secrets have not: "mlflow" is a
word that logs should be able to say.

The port is shown although a URI has one: in Airflow 3.3 the Test button sends port 0 for a connection without
any, which the API server then takes for another server than the one that was saved, and refuses to test. With
a port of 0 saved, which counts as none, it works.
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
        "hidden-fields": ["schema"],
        "relabeling": {
            "host": "Tracking URI",
            "login": "User",
            "password": "Password or token",
            "port": "Port, 0 if in the URI",
        },
        "placeholders": {
            "host": "https://mlflow.example.com",
            "login": "leave empty for a token",
            "port": "0",
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
        "pod_credentials": _field(
            "Kubernetes secret for pods",
            "A secret in the pods' namespace: its name, where it has the keys username and password, or "
            "name/key of a token in it. User, password and token above are for workers only.",
        ),
    },
}

_STORE = {
    "connection-type": "tradewind_artifact_store",
    "hook-class-name": "tradewind.airflow.hooks.ArtifactStoreHook",
    "hook-name": "Artifact store (Tradewind)",
    "ui-field-behaviour": {
        "hidden-fields": ["schema"],
        "relabeling": {
            "host": "URI",
            "login": "Access key or account",
            "password": "Secret key, account key or key file",
            "port": "Port, always 0",
        },
        "placeholders": {"host": "s3://bucket/pipelines or file:///artifacts", "port": "0"},
    },
    "conn-fields": {
        "pod_credentials": _field(
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
        "secret_options": _field(
            "Further driver options",
            "Arguments of the fsspec driver of workers (a SAS token, a connection string), as a JSON object; "
            "kept as a secret.",
            format="password",
        ),
    },
}

CONNECTION_TYPES: list[dict[str, Any]] = [_MLFLOW, _STORE]
