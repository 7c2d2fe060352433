"""What Airflow connections say reaches pods: addresses, names of secrets and volumes, never credentials."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.mlflow import MlflowServer
from fixtures.steps import StepRun, deployment, python_step
from tradewind.cluster import StepIdentity, run_selector
from tradewind.errors import ConfigurationError
from tradewind.operators.access import cluster_access, pipeline_pod_arguments
from tradewind.operators.configuration import configuration
from tradewind.operators.pod_arguments import place_arguments
from tradewind.operators.settings import RunSettings
from tradewind.operators.storage import cache_root, store_arguments, store_environment
from tradewind.operators.sweep import remove_pods

PIPELINE = RunSettings(pipeline="p", caching=False, pod={"on_finish_action": "keep_pod"})


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    configuration.cache_clear()


def configured(patch: pytest.MonkeyPatch, conn_id: str, value: dict[str, Any], **options: str) -> None:
    patch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps(value))
    for name, text in options.items():
        patch.setenv(f"AIRFLOW__TRADEWIND__{name.upper()}", text)
    configuration.cache_clear()


def test_pods_get_mlflows_credentials_by_reference(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    core_api: Any,
    mlflow_server: MlflowServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    core_api.create_namespaced_secret(
        namespace, {"metadata": {"name": "login"}, "stringData": {"username": "pods", "password": "pods-own"}}
    )
    connection = {
        "conn_type": "tradewind_mlflow",
        "host": mlflow_server.uri,
        "login": "workers",
        "password": "workers-own",
        "extra": {
            "pod_tracking_uri": mlflow_server.uri.replace("127.0.0.1", "localhost"),
            "pod_credentials": "login",
        },
    }
    source = (
        "import os\n\ndef work() -> str:\n"
        "    names = ('URI', 'USERNAME', 'PASSWORD')\n"
        "    return ' '.join(os.environ['MLFLOW_TRACKING_' + name] for name in names)\n"
    )
    configured(monkeypatch, "tracked", connection)
    with deployment(cluster.kubeconfig, namespace=namespace, mlflow_conn_id="tracked"):
        result = StepRun(python_step(source), settings=PIPELINE).execute()
    said = result["parameters"]["Output"]
    assert said == f"{connection['extra']['pod_tracking_uri']} pods pods-own"
    (pod,) = core_api.list_namespaced_pod(namespace).items
    assert "workers-own" not in str(pod)
    by_name = {each.name: each for each in pod.spec.containers[0].env}
    reference = by_name["MLFLOW_TRACKING_PASSWORD"].value_from.secret_key_ref
    assert (reference.name, reference.key) == ("login", "password")


def test_one_connection_is_the_whole_artifact_store(
    airflow_home: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = {
        "conn_type": "tradewind_artifact_store",
        "host": "s3://bucket/pipelines",
        "login": "key",
        "password": "workers-own",
        "extra": {
            "pod_credentials": "for-pods",
            "endpoint_url": "http://minio:9000",
            "secret_options": '{"anon": false}',
        },
    }
    configured(monkeypatch, "store", store, artifact_store_conn_id="store", artifact_store="s3://other")
    assert cache_root(PIPELINE) == "s3://bucket/pipelines"
    assert store_arguments(PIPELINE) == {"env_from": [{"secretRef": {"name": "for-pods"}}]}
    arguments = json.loads(store_environment("s3://bucket/pipelines")["FSSPEC_S3"])
    assert arguments == {"key": "key", "secret": "workers-own", "endpoint_url": "http://minio:9000"}
    assert not [name for name in store_environment("gs://elsewhere") if name.startswith("FSSPEC")]

    volume = {"mountPath": "/artifacts", "persistentVolumeClaim": {"claimName": "artifacts"}}
    store = {
        "conn_type": "tradewind_artifact_store",
        "host": "file:///artifacts/p",
        "extra": {"volume": volume},
    }
    configured(monkeypatch, "store", store)
    assert cache_root(PIPELINE) == "file:///artifacts/p"
    assert store_arguments(PIPELINE)["volume_mounts"] == [
        {"name": "tradewind-artifacts", "mountPath": "/artifacts"}
    ]


@pytest.mark.parametrize(
    ("host", "given", "arguments"),
    [
        ("gs://b", {"password": '{"type": "service_account"}'}, {"token": {"type": "service_account"}}),
        ("abfs://b", {"login": "a", "password": "k"}, {"account_name": "a", "account_key": "k"}),
        ("ftp://b", {"extra": {"secret_options": {"host": "h"}}}, {"host": "h"}),
    ],
)
def test_credentials_of_workers(
    airflow_home: Any,
    monkeypatch: pytest.MonkeyPatch,
    host: str,
    given: dict[str, Any],
    arguments: dict[str, Any],
) -> None:
    store = {"conn_type": "tradewind_artifact_store", "host": host, **given}
    configured(monkeypatch, "store", store, artifact_store_conn_id="store")
    environ = store_environment()
    assert json.loads(environ[f"FSSPEC_{host.partition(':')[0].upper()}"]) == arguments


def test_a_connection_that_is_missing_is_named(airflow_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__TRADEWIND__ARTIFACT_STORE_CONN_ID", "nowhere")
    configuration.cache_clear()
    with pytest.raises(ConfigurationError, match="'nowhere' of \\[tradewind\\] artifact_store_conn_id"):
        cache_root(PIPELINE)


def test_a_cluster_by_name_brings_its_namespace(
    airflow_home: Any, cluster: Any, namespace: str, core_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`cluster=` names a connection, whose namespace counts where neither pipeline nor deployment has one."""
    extra = {"kube_config_path": str(cluster.kubeconfig), "namespace": namespace}
    configured(monkeypatch, "gpu_cluster", {"conn_type": "kubernetes", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_KUBERNETES_DEFAULT", json.dumps({"conn_type": "kubernetes"}))
    pod = {"on_finish_action": "keep_pod", "service_account_name": "team-a"}
    settings = RunSettings(pipeline="p", caching=False, cluster="gpu_cluster", pod=pod)
    result = StepRun(python_step("def work() -> str:\n    return 'there'\n"), settings=settings).execute()
    assert result["parameters"] == {"Output": "there"}
    (found,) = core_api.list_namespaced_pod(namespace).items
    assert found.spec.service_account_name == "team-a"


def test_what_a_step_left_in_another_cluster_is_removed_there(
    airflow_home: Any, cluster: Any, namespace: str, core_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = StepIdentity("dag", "run-1", "work", -1)
    name = identity.pod_name(1)
    container = {"name": "base", "image": "busybox", "command": ["sleep", "600"]}
    core_api.create_namespaced_pod(
        namespace,
        {
            "metadata": {"name": name, "labels": identity.labels(1)},
            "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
        },
    )
    extra = {"kube_config_path": str(cluster.kubeconfig)}
    configured(monkeypatch, "elsewhere", {"conn_type": "kubernetes", "extra": extra})
    configured(monkeypatch, "kubernetes_default", {"conn_type": "kubernetes", "extra": extra})
    selector = run_selector("dag", "run-1")
    assert remove_pods(cluster_access(pipeline_pod_arguments(PIPELINE)), selector) == []
    place = place_arguments({"kubernetes_conn_id": "elsewhere", "namespace": namespace, "image": "x"})
    there = cluster_access(pipeline_pod_arguments(PIPELINE, place))
    assert remove_pods(there, selector) == [name]
    assert remove_pods(there, selector) == [], "it is going"
