"""The part of `tradewind check` that talks to servers: Airflow, MLflow, the cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.clusters import ask, choose_cluster, client_of, version_of
from tradewind.cli.findings import Finding, guarded
from tradewind.local.stack import USER, Home, StackState, read_password
from tradewind.local.stack.ports import DEFAULT_PORTS, is_free

if TYPE_CHECKING:
    from tradewind.operators.mlflow import MlflowAccess

__all__ = ["configured_findings", "local_findings", "stack_findings"]

_RIGHTS = (
    ("create", "pods", ""),
    ("get", "pods", ""),
    ("list", "pods", ""),
    ("watch", "pods", ""),
    ("patch", "pods", ""),
    ("delete", "pods", ""),
    ("get", "pods", "log"),
    ("list", "events", ""),
)
"""What a step's operator does: verb, resource, subresource."""
_EVENTS = ("list", "events")

_TIMEOUT_SECONDS = 5.0


def stack_findings(home: Home, state: StackState, cluster: str) -> Iterator[Finding]:
    """The running local stack."""
    addresses = state.addresses
    api = AirflowApi(addresses.airflow, USER, read_password(home))
    yield guarded("Airflow", lambda: _airflow(api))
    yield guarded("DAG files", lambda: _dag_files(api))
    from tradewind.operators.mlflow import MlflowAccess

    mlflow = MlflowAccess(addresses.mlflow, addresses.mlflow, addresses.mlflow)
    yield guarded("MLflow", lambda: _mlflow_answers(mlflow))
    yield guarded("MLflow artifacts", lambda: _mlflow_writable(mlflow))
    choice = choose_cluster(cluster)
    kubeconfig, context = (
        (choice.kubeconfig, choice.context) if choice else (addresses.kubeconfig, addresses.context)
    )
    yield from _cluster(lambda: (client_of(kubeconfig, context), "default"), str(kubeconfig))


def local_findings(home: Home, cluster: str) -> Iterator[Finding]:
    """Whether a local stack could be started; none runs."""
    yield guarded("directory", lambda: _directory(home))
    for name, port in DEFAULT_PORTS.items():
        detail = (
            f"port {port} is free" if is_free(port) else f"port {port} is taken, another one will be used"
        )
        yield Finding(f"{name} address", True, detail)
    choice = choose_cluster(cluster)
    if choice is not None:
        where = f"{choice.kubeconfig} {choice.context}".strip()
        yield from _cluster(lambda: (client_of(choice.kubeconfig, choice.context), "default"), where)
    yield Finding("stack", True, "does not run; tradewind up starts it, tradewind run brings its own")


def _directory(home: Home) -> Finding:
    home.require_writable()
    return Finding("directory", True, str(home.root))


def configured_findings(cluster: str = "") -> Iterator[Finding]:
    """The Airflow that this shell is configured for: its `[tradewind]` section and what that names.

    Args:
        cluster: Airflow connection of another cluster than the configured one; empty: that one.
    """
    from tradewind.operators.configuration import configuration
    from tradewind.operators.mlflow import MlflowAccess
    from tradewind.operators.store_settings import store_settings

    found: list[Any] = []

    def configured() -> Finding:
        settings = configuration()
        found.extend([settings, MlflowAccess.configured(settings), store_settings()])
        return Finding("[tradewind] configuration", True, f"read from {os.environ['AIRFLOW_HOME']}")

    yield guarded("[tradewind] configuration", configured)
    if not found:
        return
    settings, mlflow, store = found
    if mlflow is None:
        remedy = "Set mlflow_tracking_uri or mlflow_conn_id, or tracking = off."
        yield Finding("MLflow", settings.tracking == "off", "no server is configured", remedy)
    else:
        yield guarded("MLflow", lambda: _mlflow_answers(mlflow))
        if not store.uri:
            yield guarded("MLflow artifacts", lambda: _mlflow_writable(mlflow))
    if store.uri:
        yield guarded("artifact store", lambda: _store_writable(store.uri))
    yield from _cluster(lambda: _configured_cluster(cluster), cluster or settings.kubernetes_conn_id)


# --- Airflow and MLflow -----------------------------------------------------------------------------------


def _airflow(api: AirflowApi) -> Finding:
    health = api.health()
    sick = [
        name for name in ("metadatabase", "scheduler", "dag_processor") if health[name]["status"] != "healthy"
    ]
    remedy = "See the logs of the stack; stop it and start it again."
    return Finding("Airflow", not sick, f"{', '.join(sick)} not healthy" if sick else api.base, remedy)


def _dag_files(api: AirflowApi) -> Finding:
    errors = api.import_errors()
    if not errors:
        return Finding("DAG files", True, "all of them load")
    lines = [f"{entry['filename']}: {entry['stack_trace'].strip().splitlines()[-1]}" for entry in errors]
    remedy = "tradewind check FILE lists everything that is wrong with a pipeline."
    return Finding("DAG files", False, "; ".join(lines), remedy)


def _mlflow_answers(access: MlflowAccess) -> Finding:
    from tradewind.operators.probes import mlflow_answers

    return Finding("MLflow", True, mlflow_answers(access))


def _mlflow_writable(access: MlflowAccess) -> Finding:
    from tradewind.operators.probes import mlflow_keeps_artifacts

    mlflow_keeps_artifacts(access)
    return Finding("MLflow artifacts", True, "can be written through the server")


def _store_writable(root: str) -> Finding:
    """As a worker can; what pods can is up to their own credentials."""
    from tradewind.operators.probes import store_writable
    from tradewind.operators.storage import store_environment

    store_writable(root, store_environment(root))
    return Finding("artifact store", True, f"workers can write to {root}")


# --- the cluster ------------------------------------------------------------------------------------------


def _cluster(connect: Callable[[], tuple[Any, str]], where: str) -> Iterator[Finding]:
    """Whether the cluster answers, and allows what a step's operator does.

    Args:
        connect: gives a client and the namespace of the pods.
        where: the cluster's name, for the line.
    """
    found: list[tuple[Any, str]] = []

    def reachable() -> Finding:
        client, namespace = connect()
        version = version_of(client)
        found.append((client, namespace))
        return Finding("cluster", True, f"Kubernetes {version} ({where})")

    yield guarded("cluster", reachable)
    for client, namespace in found:
        refused = [words for words in map(_words, _RIGHTS) if not _allowed(client, namespace, words)]
        detail = f"pods in namespace {namespace}"
        if refused == [_EVENTS]:  # a right to do without
            detail += ", but not its events: errors will say less"
            refused = []
        if refused:
            detail = (
                f"not allowed in namespace {namespace}: {', '.join(' '.join(words) for words in refused)}"
            )
        remedy = "Ask for a Role with these verbs (docs/security.md, docker/kubernetes)."
        yield Finding("permissions", not refused, detail, remedy)


def _words(right: tuple[str, str, str]) -> tuple[str, str]:
    verb, resource, part = right
    return verb, f"{resource}/{part}" if part else resource


def _allowed(client: Any, namespace: str, words: tuple[str, str]) -> bool:
    from kubernetes.client import AuthorizationV1Api

    verb, (resource, _, part) = words[0], words[1].partition("/")
    attributes = {"namespace": namespace, "verb": verb, "resource": resource, "subresource": part}
    review = {"spec": {"resourceAttributes": attributes}}
    api = AuthorizationV1Api(client)
    answer = ask(
        client, lambda: api.create_self_subject_access_review(review, _request_timeout=_TIMEOUT_SECONDS)
    )
    return bool(answer.status.allowed)


def _configured_cluster(connection: str) -> tuple[Any, str]:
    """The client and the namespace of an Airflow connection, as steps have them."""
    from tradewind.operators.access import cluster_access, pipeline_pod_arguments
    from tradewind.operators.settings import RunSettings

    access = cluster_access(pipeline_pod_arguments(RunSettings(pipeline="", cluster=connection or None)))
    return access.client().api_client, access.namespace
