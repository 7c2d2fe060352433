"""Connection types: their forms, as Airflow shows them, and what the Test button says about real servers."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from fixtures.airflow import AirflowHome
from fixtures.http_doubles import Answer, scripted
from fixtures.mlflow import MlflowServer
from fixtures.s3 import S3Server
from tradewind.airflow.provider import get_provider_info
from tradewind.operators.configuration import configuration

DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(autouse=True)
def _own_configuration(airflow_home: AirflowHome) -> Iterator[None]:
    configuration.cache_clear()
    yield
    configuration.cache_clear()


def press_test(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> tuple[bool, str]:
    """What Airflow's API server does for the button: a connection in the environment, its hook, the test."""
    from airflow.models.connection import Connection

    extra = fields.pop("extra", {})
    connection = Connection(conn_id="under_test", extra=json.dumps(extra), **fields)
    monkeypatch.setenv("AIRFLOW_CONN_UNDER_TEST", connection.get_uri())
    return connection.test_connection()


def test_the_forms_pass_airflows_schema_and_reach_its_ui():
    import airflow
    from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService

    schema = json.loads((Path(airflow.__file__).parent / "provider.yaml.schema.json").read_text())
    types = get_provider_info()["connection-types"]
    jsonschema.validate(types, schema["properties"]["connection-types"])
    shown = {each.connection_type: each for each in HookMetaService.hook_meta_data()}
    mlflow, store = shown["tradewind_mlflow"], shown["tradewind_artifact_store"]
    assert mlflow.hook_name == "MLflow (Tradewind)"
    assert set(mlflow.extra_fields) == {"pod_tracking_uri", "ui_uri", "pod_credentials"}
    assert mlflow.standard_fields.password.title == "Password or token"
    assert store.standard_fields.url_schema.hidden
    assert store.extra_fields["secret_options"]["schema"]["format"] == "password"  # Airflow masks it


def test_airflow_masks_what_is_secret_and_not_the_names_of_secrets():
    from airflow.sdk._shared.secrets_masker import should_hide_value_for_key

    for each in get_provider_info()["connection-types"]:
        for name, form in each["conn-fields"].items():
            secret = name == "secret_options"
            assert should_hide_value_for_key(name) is secret, name
            assert (form["schema"].get("format") == "password") is secret, name


def test_hooks_are_what_the_provider_says_and_load_nothing_heavy():
    for each in get_provider_info()["connection-types"]:
        module, _, name = each["hook-class-name"].rpartition(".")
        hook = getattr(importlib.import_module(module), name)
        assert (hook.conn_type, hook.hook_name) == (each["connection-type"], each["hook-name"])
    code = (
        "import sys\n"
        "from airflow.sdk import BaseHook\n"
        "import airflow.sdk.configuration\n"
        "before = set(sys.modules)\n"
        "import tradewind.airflow.hooks\n"
        "added = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(added & {'kubernetes', 'mlflow', 'fsspec', 's3fs', 'boto3', 'pandas'}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_mlflow_answers_and_keeps_artifacts(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch):
    ok, said = press_test(monkeypatch, conn_type="tradewind_mlflow", host=mlflow_server.uri, password="t0ken")
    assert ok, said
    assert re.search(rf"{mlflow_server.uri}, MLflow \d+\.\d+.*can be written", said)
    assert not any((mlflow_server.directory / "artifacts").glob("tradewind-check-*"))


def test_mlflow_without_an_artifact_proxy_is_said_to_need_a_store(monkeypatch: pytest.MonkeyPatch):
    def answer(request: Any) -> Answer:
        return Answer(404, b"no such page") if "artifacts" in request.path else Answer(200, b"{}")

    with scripted(answer) as uri:
        ok, said = press_test(monkeypatch, conn_type="tradewind_mlflow", host=uri)
    assert ok
    assert "artifact_store" in said


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "names no host"),
        ({"host": "sqlite:///mlflow.db"}, r"not http\(s\)://host"),
        (
            {"host": "http://127.0.0.1:9", "extra": {"pod_credentials": "no-key/"}},
            "'pod_credentials'.*name/key",
        ),
        ({"host": "http://127.0.0.1:9", "password": "p4ssw0rd"}, "cannot be reached.*Check"),
    ],
)
def test_what_is_wrong_with_mlflow(fields: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch):
    ok, said = press_test(monkeypatch, conn_type="tradewind_mlflow", **fields)
    assert not ok
    assert re.search(message, said)
    assert "p4ssw0rd" not in said


def test_refused_credentials_of_mlflow(monkeypatch: pytest.MonkeyPatch):
    seen: list[str] = []

    def answer(request: Any) -> Answer:
        seen.append(request.headers.get("Authorization", ""))
        return Answer(401)

    with scripted(answer) as uri:
        ok, said = press_test(monkeypatch, conn_type="tradewind_mlflow", host=uri, password="bad-token")
    assert not ok
    assert "answered 401" in said
    assert "Give a token" in said
    assert seen == ["Bearer bad-token"]


def test_a_volume_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    store = {"conn_type": "tradewind_artifact_store", "host": f"file://{tmp_path}/artifacts"}
    ok, said = press_test(monkeypatch, **store)
    assert ok, said
    assert "Pods need access of their own" in said
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    (tmp_path / "taken").write_text("a file, where a folder should be")
    ok, said = press_test(monkeypatch, **store | {"host": f"file://{tmp_path}/taken"})
    assert not ok
    assert "taken" in said


def test_s3_with_good_and_with_wrong_settings(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    store: dict[str, Any] = {
        "conn_type": "tradewind_artifact_store",
        "host": f"{s3_server.uri}/tested",
        "login": s3_server.environ["AWS_ACCESS_KEY_ID"],
        "password": s3_server.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": s3_server.endpoint, "region_name": "us-east-1"},
    }
    ok, said = press_test(monkeypatch, **store)
    assert ok, said
    assert "Contents" not in s3_server.client().list_objects_v2(Bucket="pipelines", Prefix="tested")
    ok, said = press_test(monkeypatch, **store | {"host": "s3://no-such-bucket/tested"})
    assert not ok
    assert store["password"] not in said
    ok, said = press_test(monkeypatch, **store | {"extra": {"secret_options": "{"}})
    assert not ok
    assert "secret_options" in said


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "no URI"),
        ({"host": "bucket/pipelines"}, "no URI"),
        ({"host": "file:///x", "extra": {"volume": "[]"}}, "'volume'.*JSON object"),
        ({"host": "file:///x", "extra": {"volume": {"mountPath": "/x"}}}, "'volume'.*one volume"),
        ({"host": "gs://bucket", "password": "no key"}, "JSON key of a service account"),
    ],
)
def test_what_is_wrong_with_a_store(fields: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch):
    ok, said = press_test(monkeypatch, conn_type="tradewind_artifact_store", **fields)
    assert not ok
    assert re.search(message, said)


def test_the_reference_is_what_the_provider_says():
    done = subprocess.run([sys.executable, DOCS / "generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_references_examples_are_connections(monkeypatch: pytest.MonkeyPatch):
    from airflow.sdk import BaseHook

    text = (DOCS / "configuration.md").read_text()
    examples = re.findall(r"^AIRFLOW_CONN_(\w+)='(.*?)'$", text, re.DOTALL | re.MULTILINE)
    assert len(examples) == len(get_provider_info()["connection-types"])
    for name, value in examples:
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", value)
        given = BaseHook.get_connection(name.lower())
        kind = next(
            each
            for each in get_provider_info()["connection-types"]
            if each["connection-type"] == given.conn_type
        )
        assert given.host
        assert given.extra_dejson.keys() <= kind["conn-fields"].keys()
