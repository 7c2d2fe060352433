"""Steps whose artifacts lie in S3: bare pods, credentials from a secret, workers with a connection."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import pytest

from fixtures.s3 import S3Server
from fixtures.steps import StepRun, TaskInstance, deployment, python_step
from tradewind.errors import ConfigurationError
from tradewind.operators.configuration import configuration
from tradewind.operators.settings import RunSettings
from tradewind.operators.storage import store_environment
from tradewind.operators.store_access import console_url
from tradewind.plan.bindings import StepArtifact
from tradewind.plan.model import ArtifactInput, ArtifactOutput, Cache

MAKE = """
import os

def work(data: dsl.Output[dsl.Dataset], model: dsl.Output[dsl.Model], many: dsl.Output[dsl.Artifact]) -> str:
    with open(data.path, "w") as file:
        file.write("rows")
    data.metadata["rows"] = 4
    for folder, count in ((model.path, 3), (many.path, 70)):
        os.makedirs(folder + "/deep")
        for number in range(count):
            with open(f"{folder}/deep/{number} ü.bin", "wb") as file:
                file.write(bytes([number]))
    return "x" * 5000
"""
READ = """
import os

def work(data: dsl.Input[dsl.Dataset], model: dsl.Input[dsl.Model], many: dsl.Input[dsl.Artifact]) -> str:
    assert data.metadata == {"rows": 4}, data.metadata
    files = sorted(os.listdir(model.path + "/deep"))
    return f"{open(data.path).read()} {files} {len(os.listdir(many.path + '/deep'))} {data.uri}"
"""
KINDS = {"data": "system.Dataset", "model": "system.Model", "many": "system.Artifact"}


def test_artifacts_in_s3_from_step_to_step(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    core_api: Any,
    s3_server: S3Server,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    core_api.create_namespaced_secret(
        namespace, {"metadata": {"name": "artifact-store"}, "stringData": s3_server.environ}
    )
    connection = {
        "conn_type": "aws",
        "login": s3_server.environ["AWS_ACCESS_KEY_ID"],
        "password": s3_server.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    root = f"{s3_server.uri}/{uuid.uuid4().hex}"
    options = {
        "artifact_store": root,
        "artifact_store_secret": "artifact-store",
        "artifact_store_conn_id": "store",
    }
    settings = RunSettings(pipeline="objects", pod={"on_finish_action": "keep_pod"})
    make = python_step(
        MAKE,
        id="make",
        output_artifacts={name: ArtifactOutput(kind) for name, kind in KINDS.items()},
    )
    read = python_step(
        READ,
        id="read",
        artifacts={
            name: ArtifactInput(kind, binding=StepArtifact("make", name)) for name, kind in KINDS.items()
        },
        cache=Cache(enabled=False),
    )
    with deployment(cluster.kubeconfig, namespace=namespace, **options):
        first = StepRun(make, settings=settings, ti=TaskInstance(task_id="make"))
        made = first.execute()
        ti = TaskInstance(task_id="read", xcoms=first.ti.xcoms)
        seen = StepRun(read, settings=settings, ti=ti).execute()
        again = StepRun(make, settings=settings, ti=TaskInstance(task_id="make", run_id="run-2"))
        hit = again.execute()
        prefix = root.removeprefix("s3://pipelines/")
        s3_server.client().delete_object(Bucket="pipelines", Key=f"{prefix}/objects/run-1/make/try-1/data")
        anew = StepRun(make, settings=settings, ti=TaskInstance(task_id="make", run_id="run-3")).execute()
    assert made["parameters"] == {"Output": "x" * 5000}
    forms = {name: (listed[0]["format"], listed[0]["uri"]) for name, listed in made["artifacts"].items()}
    base = f"{root}/objects/run-1/make/try-1"
    assert forms == {
        "data": ("file", f"{base}/data"),
        "model": ("tree", f"{base}/model"),
        "many": ("tar", f"{base}/many"),
    }
    assert seen["parameters"]["Output"] == f"rows ['0 ü.bin', '1 ü.bin', '2 ü.bin'] 70 {base}/data"
    assert (hit["artifacts"], hit["cached_from"]["run"]) == (made["artifacts"], "run-1")
    assert anew["cached_from"] is None
    assert anew["artifacts"]["model"][0]["digest"] == made["artifacts"]["model"][0]["digest"]
    pods = [pod.to_dict() for pod in core_api.list_namespaced_pod(namespace).items]
    assert len(pods) == 3
    secret = s3_server.environ["AWS_SECRET_ACCESS_KEY"]
    for place in (pods, first.ti.xcoms, again.ti.xcoms, caplog.text):
        assert secret not in str(place)


def test_what_only_shows_in_the_pod_installs_the_driver_late(
    airflow_home: Any, cluster: Any, namespace: str, core_api: Any, s3_server: S3Server
) -> None:
    """An imported artifact, and a result that is too large for the pod's message."""
    core_api.create_namespaced_secret(
        namespace, {"metadata": {"name": "artifact-store"}, "stringData": s3_server.environ}
    )
    folder = uuid.uuid4().hex
    s3_server.client().put_object(Bucket="pipelines", Key=f"{folder}/given/part-1.csv", Body=b"a,b")
    given = {"name": "given", "type": {"schemaTitle": "system.Dataset"}, "metadata": {}}
    given["uri"] = f"{s3_server.uri}/{folder}/given"
    source = (
        "def work(given: dsl.Input[dsl.Dataset]) -> str:\n"
        "    return open(given.path + '/part-1.csv').read() * 2000\n"
    )
    step = python_step(
        source,
        artifacts={"given": ArtifactInput("system.Dataset", binding=StepArtifact("import", "artifact"))},
    )
    ti = TaskInstance(xcoms={("import", "return_value"): {"artifacts": {"artifact": [given]}}})
    arguments = {"key": "tester", "secret": "very-secret", "endpoint_url": s3_server.endpoint}
    settings = RunSettings(pipeline="late", artifact_store=f"{s3_server.uri}/{folder}", caching=False)
    with (
        deployment(cluster.kubeconfig, namespace=namespace, artifact_store_secret="artifact-store"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("FSSPEC_S3", json.dumps(arguments))  # what the environment of a worker may say
        result = StepRun(step, settings=settings, ti=ti).execute()
    assert result["parameters"] == {"Output": "a,b" * 2000}


def test_a_pod_without_credentials_says_so(
    airflow_home: Any, cluster: Any, namespace: str, s3_server: S3Server
) -> None:
    from airflow.sdk.exceptions import AirflowException

    source = "def work(data: dsl.Output[dsl.Dataset]):\n    open(data.path, 'w').write('x')\n"
    pod = {"env_vars": {"AWS_ENDPOINT_URL": s3_server.endpoint, "AWS_EC2_METADATA_DISABLED": "true"}}
    settings = RunSettings(pipeline="objects", caching=False, pod=pod)
    with (
        deployment(cluster.kubeconfig, namespace=namespace, artifact_store=s3_server.uri),
        pytest.raises(AirflowException, match=r"(?s)data.*credentials"),
    ):
        StepRun(python_step(source), settings=settings).execute()


@pytest.mark.parametrize(
    ("store", "connection", "arguments"),
    [
        (
            "s3://b",
            {"conn_type": "aws", "login": "k", "password": "s", "extra": {"region_name": "eu-west-1"}},
            {"key": "k", "secret": "s", "client_kwargs": {"region_name": "eu-west-1"}},
        ),
        (
            "gs://b",
            {"conn_type": "google_cloud_platform", "extra": {"keyfile_dict": '{"a": 1}', "project": "p"}},
            {"token": {"a": 1}, "project": "p"},
        ),
        (
            "abfs://b",
            {"conn_type": "wasb", "login": "account", "password": "key"},
            {"account_name": "account", "account_key": "key"},
        ),
        (
            "abfs://b",
            {
                "conn_type": "wasb",
                "host": "https://account.blob.core.windows.net/",
                "login": "id",
                "password": "secret",
                "extra": {"tenant_id": "t"},
            },
            {"account_name": "account", "client_id": "id", "client_secret": "secret", "tenant_id": "t"},
        ),
    ],
)
def test_a_workers_connection(
    airflow_home: Any,
    monkeypatch: pytest.MonkeyPatch,
    store: str,
    connection: dict[str, Any],
    arguments: dict[str, Any],
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    monkeypatch.setenv("AIRFLOW__TRADEWIND__ARTIFACT_STORE_CONN_ID", "store")
    configuration.cache_clear()
    environ = store_environment(store)
    assert json.loads(environ[f"FSSPEC_{store.partition(':')[0].upper()}"]) == arguments
    for elsewhere in ("mlflow-artifacts:/x", "gs://b" if store != "gs://b" else "s3://b"):
        assert not any(name.startswith("FSSPEC") for name in store_environment(elsewhere))
    monkeypatch.setenv("AIRFLOW__TRADEWIND__ARTIFACT_STORE_CONN_ID", "nowhere")
    configuration.cache_clear()
    with pytest.raises(ConfigurationError, match="'nowhere'"):
        store_environment(store)
    monkeypatch.undo()
    configuration.cache_clear()


def test_the_page_of_an_artifact(airflow_home: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    configuration.cache_clear()
    assert console_url("s3://b/a b/c") == "https://console.aws.amazon.com/s3/buckets/b?prefix=a%20b%2F"
    assert console_url("gs://b/a/c") == "https://console.cloud.google.com/storage/browser/b/a"
    assert console_url("mlflow-artifacts:/1/ab/data") == ""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://minio:9000")
    assert console_url("s3://b/a/c") == ""
