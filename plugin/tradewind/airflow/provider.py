"""What Airflow's provider manager learns about Tradewind: its name, links and the `[tradewind]` section.

Airflow calls `get_provider_info()` while it reads its configuration, before anything else of Airflow can be
imported; this module is plain data and imports nothing but more of it. The options below are the only place
where defaults of `[tradewind]` stand: the operators read them through Airflow's configuration.
"""

from __future__ import annotations

from typing import Any

from tradewind.airflow.connection_types import CONNECTION_TYPES

__all__ = ["get_provider_info"]

_SINCE = "0.1.0"


def _option(
    kind: str, default: str | None, description: str, *, example: str | None = None, sensitive: bool = False
) -> dict[str, Any]:
    option: dict[str, Any] = {
        "description": description + "\n",
        "version_added": _SINCE,
        "type": kind,
        "example": example,
        "default": default,
    }
    return option | {"sensitive": True} if sensitive else option


_OPTIONS: dict[str, dict[str, Any]] = {
    "kubernetes_conn_id": _option(
        "string",
        "kubernetes_default",
        "Airflow connection of the cluster where steps run, unless a pipeline names its own.",
    ),
    "namespace": _option(
        "string",
        None,
        "Kubernetes namespace of the steps' pods, unless a pipeline names its own. Default: that of the\n"
        "Kubernetes connection; where it has none, the one that Airflow's own pod is in, or ``default``.",
        example="pipelines",
    ),
    "mlflow_conn_id": _option(
        "string",
        None,
        "Airflow connection of the MLflow server, of the type ``tradewind_mlflow``: tracking URI, and user\n"
        "and password or a token as password. Its credentials stay with Airflow; pods get theirs from\n"
        "Kubernetes secrets. What it says goes before the options below.",
        example="mlflow_default",
    ),
    "mlflow_tracking_uri": _option(
        "string",
        None,
        "Address of the MLflow server as Airflow's workers reach it; ``mlflow_conn_id`` wins over it.\n"
        "Neither of the two: nothing is tracked.",
        example="http://mlflow.mlflow.svc:5000",
    ),
    "mlflow_pod_tracking_uri": _option(
        "string",
        None,
        "Address of the same MLflow server as pods reach it, where that is another one than for workers.",
        example="http://mlflow.mlflow.svc:5000",
    ),
    "mlflow_ui_uri": _option(
        "string",
        None,
        "Address of the same MLflow server as people's browsers reach it, for links. Default: the one\n"
        "that workers use.",
        example="https://mlflow.example.com",
    ),
    "mlflow_token_secret": _option(
        "string",
        None,
        "Kubernetes secret in the pods' namespace with a token for MLflow, as ``name/key``. Pods refer to\n"
        "it; Tradewind never reads it.",
        example="mlflow/token",
    ),
    "mlflow_login_secret": _option(
        "string",
        None,
        "Kubernetes secret in the pods' namespace with the keys ``username`` and ``password``, for an\n"
        "MLflow server with basic authentication. Pods refer to it; Tradewind never reads it.",
        example="mlflow-login",
    ),
    "artifact_store": _option(
        "string",
        None,
        "URI below which steps keep artifacts. Default: the artifact store of the MLflow server.",
        example="s3://bucket/pipelines",
    ),
    "artifact_store_volume": _option(
        "string",
        None,
        "For an artifact store at ``file:///``: the volume that every pod mounts, as in a pod's YAML, and\n"
        "where. Workers need the same files at the same path.",
        example='{"mountPath": "/artifacts", "persistentVolumeClaim": {"claimName": "artifacts"}}',
    ),
    "artifact_store_secret": _option(
        "string",
        None,
        "For an object store: Kubernetes secret in the pods' namespace whose keys pods get as variables,\n"
        "``AWS_ACCESS_KEY_ID`` and the like. Not needed where a service account gives access.",
        example="artifact-store",
    ),
    "artifact_store_conn_id": _option(
        "string",
        None,
        "Airflow connection of the artifact store. One of the type ``tradewind_artifact_store`` says all\n"
        "that the three options above say, and goes before them. One of the type ``aws``,\n"
        "``google_cloud_platform``, ``wasb`` or ``adls`` holds the credentials of workers only. Default:\n"
        "workers use what their environment gives.",
        example="artifact_store_default",
    ),
    "tracking": _option(
        "string",
        "on",
        "``on``: runs are tracked in MLflow where one is configured, and what cannot be written is written\n"
        "later. ``off``: they are not. ``required``: a step fails when MLflow cannot be written to.",
    ),
    "caching": _option(
        "boolean",
        "True",
        "Use the result of an earlier step with the same code and the same inputs, unless a pipeline or a\n"
        "task says otherwise.",
    ),
    "cache_ttl": _option(
        "string",
        None,
        "Age from which an earlier result no longer counts: seconds, or a number with s, m, h, d or w.\n"
        "Default: it always counts. Pipelines (``cache_ttl=``) override it.",
        example="30d",
    ),
    "pod_defaults": _option(
        "string",
        None,
        "Arguments of KubernetesPodOperator for every step's pod, as a JSON object. Pipelines (``pod=``)\n"
        "and steps (``steps={...}``) override them.",
        example='{"service_account_name": "pipelines", "image_pull_policy": "IfNotPresent"}',
    ),
    "pod_security": _option(
        "string",
        "restricted",
        "Level of the Pod Security Standards that pods keep to where nobody says otherwise.\n"
        "``restricted``: no root, no privileges, a read-only root file system with a writable ``/tmp``.\n"
        "``baseline``: as the image has it. Pipelines and steps override it with\n"
        "``pod={'pod_security': ...}``. See docs/security.md.",
    ),
    "workspace_claim": _option(
        "string",
        None,
        "Fields of the spec of the volume claims that are made for runs with a workspace, as a JSON object.\n"
        "What a pipeline says itself goes before it. Default: the cluster's storage class, and\n"
        "``ReadWriteOnce``: then all pods of a run have to be on one node.",
        example='{"storageClassName": "nfs", "accessModes": ["ReadWriteMany"]}',
    ),
    "helper_image": _option(
        "string",
        "python:3.11-slim",
        "Image with Python: of the init container that brings it to container components whose own image\n"
        "may have none, and of the pods that bring imported artifacts into a run's workspace.",
    ),
    "helper_for": _option(
        "string",
        "artifacts",
        "Which container components get that init container: ``artifacts``: those with artifacts, unless\n"
        "their image is called python. ``outputs``: all with outputs, for images without even a shell.\n"
        "``nothing``: none, and a component that takes or makes artifacts needs Python in its image.",
    ),
    "store_timeout_seconds": _option(
        "integer",
        "300",
        "How long a step's pod tries to reach the artifact store before it gives up, in seconds.",
    ),
    "end_budget_seconds": _option(
        "integer",
        "120",
        "How long the end of a run tries to write to MLflow what could not be written before, in seconds.",
    ),
    "deferrable": _option(
        "string",
        "default",
        "Whether steps wait for their pods in the triggerer, without a worker: ``true``, ``false``, or\n"
        "``default``: as ``[operators] default_deferrable`` says. Pipelines (``deferrable=``) and steps\n"
        "(``pod={'deferrable': ...}``) override it. ``never``: nothing overrides it; for a deployment\n"
        "without a triggerer.",
    ),
    "final_status": _option(
        "string",
        "documented",
        "The words in which exit tasks are told how things ended (dsl.PipelineTaskFinalStatus):\n"
        "``documented``: SUCCEEDED and FAILED, as KFP's documentation has it. ``engine``: COMPLETE and\n"
        "FAILED, as KFP's engine says.",
    ),
    "retry_on": _option(
        "string",
        "default",
        "Which ends of a step are worth another try, as long as its task has retries left: kinds of ends\n"
        "(docs/failures.md) and words for groups of them, with commas. ``default``, ``infrastructure``,\n"
        "``all``, or ``nothing``.",
    ),
    "preload": _option(
        "boolean",
        "True",
        "Load the Kubernetes client ahead in the long-lived processes from which task processes are forked:\n"
        "a step starts seconds sooner, each of them takes some 100 MB more.",
    ),
}


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description in the form of Airflow's `provider_info.schema.json`."""
    return {
        "package-name": "airflow-provider-tradewind",
        "name": "Tradewind",
        "description": "Kubeflow Pipelines as Airflow DAGs of Kubernetes pods, tracked in MLflow.",
        "integrations": [{"integration-name": "Tradewind", "tags": ["software"]}],
        "hooks": [{"integration-name": "Tradewind", "python-modules": ["tradewind.airflow.hooks"]}],
        "connection-types": CONNECTION_TYPES,
        "operators": [{"integration-name": "Tradewind", "python-modules": ["tradewind.operators.step"]}],
        "extra-links": [
            "tradewind.operators.links.MlflowRunLink",
            "tradewind.operators.links.ArtifactsLink",
            "tradewind.operators.links.CachedFromLink",
        ],
        "config": {
            "tradewind": {
                "description": "Settings of Tradewind, which runs Kubeflow Pipelines as Airflow DAGs.\n",
                "options": _OPTIONS,
            }
        },
    }
