"""Nothing secret leaves the place where it was put: canaries are seeded, used, and looked for everywhere.

Real Airflow, a real cluster, MLflow behind a token and an S3 server. Airflow's own masking of secrets in logs
is off: what it would have to hide must not come there in the first place.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import sqlite3
import sysconfig
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.airflow_processes import AirflowProcesses, airflow_processes
from fixtures.http_doubles import guarded
from fixtures.mlflow import MlflowServer
from fixtures.pod_history import PodHistory
from fixtures.pods import container, pod, run_pod
from fixtures.real_cluster import RealCluster
from fixtures.s3 import S3Server
from fixtures.stack import eventually
from tradewind.runtime.shipping import container_command

NAMES = ("mlflow", "s3", "database", "file", "unused", "registry")
"""Of the canaries; `unused` is a connection that nobody asks for."""

TEXT = """
from tradewind import dsl, kubernetes
from tradewind.airflow import pipeline_dag

@dsl.component(base_image="python:3.11")
def use(data: dsl.Output[dsl.Dataset]) -> str:
    import hashlib, os, urllib.request
    request = urllib.request.Request(os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/experiments/search")
    request.add_header("Authorization", "Bearer " + os.environ["MLFLOW_TRACKING_TOKEN"])
    request.add_header("Content-Type", "application/json")
    request.data = b'{{"max_results": 1}}'
    assert urllib.request.urlopen(request).status == 200
    found = os.environ["DB_PASSWORD"] + open("/secret/file/key").read()
    with open(data.path, "w") as file:
        file.write("marker-data")
    print("marker-log")
    return hashlib.sha256(found.encode()).hexdigest()

@dsl.container_component
def command(data: dsl.Input[dsl.Dataset], length: dsl.OutputPath(int)):
    return dsl.ContainerSpec(
        image="{image}",
        command=["sh", "-c", 'cat "$1"; mkdir -p "$(dirname "$0")"; printf %s "$DB_PASSWORD" | wc -c >"$0"'],
        args=[length, data.path],
    )

@dsl.component(base_image="python:3.11")
def fail(digest: str) -> str:
    import os
    password = os.environ["DB_PASSWORD"]
    raise ValueError("marker-error, of " + str(len(password)))

@dsl.pipeline(name="{name}")
def pipeline():
    used = use()
    commanded = command(data=used.outputs["data"])
    failed = fail(digest=used.outputs["Output"]).set_retry(num_retries=1, backoff_duration="1s")
    for task in (used, commanded, failed):
        kubernetes.use_secret_as_env(task, "database", {{"password": "DB_PASSWORD"}})
        kubernetes.set_image_pull_secrets(task, ["registry"])
    kubernetes.use_secret_as_volume(used, "files", "/secret/file")

dag = pipeline_dag(
    pipeline,
    caching=True,
    namespace="{namespace}",
    pod={{"log_pod_spec_on_failure": True, "log_events_on_failure": True, **{pod!r}}},
    {more}
)
"""


@dataclass
class Everything:
    """All that is written anywhere, by where it was found."""

    texts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, place: str, text: str) -> None:
        """Take in a text, and what is packed inside of it."""
        self.texts.append((place, text))
        self.texts += [(f"{place}, unpacked", inner) for inner in _unpacked(text)]

    def add_files(self, place: str, folder: Path) -> None:
        """Take in every file below a folder; databases row by row, too."""
        for path in folder.rglob("*"):
            if path.is_file():
                with contextlib.suppress(FileNotFoundError):  # it went meanwhile
                    self.add(f"{place}: {path.relative_to(folder)}", path.read_bytes().decode("latin-1"))
                if path.suffix == ".db":
                    for row in _rows(path):
                        self.add(f"{place}: {path.name}", row)

    def add_objects(self, server: S3Server) -> None:
        """Take in every object of an S3 server, its name and its metadata."""
        client = server.client()
        for bucket in client.list_buckets()["Buckets"]:
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket["Name"]):
                for each in page.get("Contents", ()):
                    found = client.get_object(Bucket=bucket["Name"], Key=each["Key"])
                    text = f"{each['Key']}\n{found['Metadata']}\n{found['Body'].read().decode('latin-1')}"
                    self.add(f"S3: {bucket['Name']}/{each['Key']}", text)

    def where(self, needle: str) -> list[str]:
        """Places where a text is found, plain or in base64 at any offset."""
        needles = {needle, *_encoded(needle)}
        return sorted({place for place, text in self.texts if any(each in text for each in needles)})


def _encoded(text: str) -> Iterator[str]:
    """What remains the same of a text in base64, whatever stands before and after it."""
    for before in range(3):
        whole = base64.b64encode(b"\0" * before + text.encode()).decode()
        first = -(-before * 8 // 6) + (1 if before else 0)
        yield whole[first : (before + len(text)) * 8 // 6]


def _unpacked(text: str) -> Iterator[str]:
    """Contents of the chunks in containers' commands, see docs/protocol.md."""
    for packed in re.findall(r"eN[A-Za-z0-9+/]{200,}={0,2}", text):
        with contextlib.suppress(ValueError, zlib.error):
            yield zlib.decompress(base64.b64decode(packed)).decode()


def _rows(path: Path) -> Iterator[str]:
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'select * from "{table}"'):
                yield f"{table}: " + " ".join(
                    cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in row
                )


@dataclass(frozen=True)
class Seeded:
    """What the tests have put where it belongs.

    Attributes:
        canaries: by name; `account` and `triggerer` are the tokens of Airflow's service accounts.
        pod: arguments of pods that make drivers for S3 importable.
    """

    namespace: str
    canaries: Mapping[str, str]
    airflow: AirflowProcesses
    history: PodHistory
    pod: Mapping[str, Any]


@pytest.fixture(scope="module")
def seeded(
    real_cluster: RealCluster,
    real_namespace: str,
    host_for_pods: str,
    mlflow_for_pods: MlflowServer,
    s3_for_pods: S3Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Seeded]:
    """Secrets in the cluster, connections in Airflow, and Airflow running."""
    canaries = {name: f"canary{name}{uuid.uuid4().hex}" for name in NAMES}
    kubeconfig = real_cluster.airflow(real_namespace)
    account = yaml.safe_load(kubeconfig.read_text())
    triggerer = real_cluster.triggerer(real_namespace)
    for name, path in (("account", kubeconfig), ("triggerer", triggerer)):
        canaries[name] = yaml.safe_load(path.read_text())["users"][0]["user"]["token"]
    _make_secrets(real_cluster, real_namespace, canaries, s3_for_pods)
    history = PodHistory(real_cluster.core, real_namespace)
    with (
        guarded(mlflow_for_pods.uri, canaries["mlflow"], host_for_pods) as mlflow,
        airflow_processes(
            tmp_path_factory.mktemp("secrets"),
            kubeconfig,
            mlflow,
            settings={
                ("logging", "min_length_masked_secret"): "100000",  # masks nothing
                ("tradewind", "mlflow_conn_id"): "mlflow",
                ("tradewind", "mlflow_token_secret"): "mlflow/token",
                ("tradewind", "artifact_store_secret"): "store",
                ("tradewind", "artifact_store_conn_id"): "store",
            },
            variables=_connections(canaries, account, mlflow, s3_for_pods),
            triggerer_kubeconfig=triggerer,
        ) as airflow,
    ):
        drivers = _drivers(real_cluster, real_namespace)
        yield Seeded(real_namespace, canaries, airflow, history, drivers)
    history.close()


def _make_secrets(cluster: RealCluster, namespace: str, canaries: Mapping[str, str], s3: S3Server) -> None:
    login = base64.b64encode(f"me:{canaries['registry']}".encode()).decode()
    registry = {"auths": {"registry.invalid": {"auth": login}}}
    kinds = {"registry": "kubernetes.io/dockerconfigjson"}
    for name, content in {
        "mlflow": {"token": canaries["mlflow"]},
        "store": {**s3.environ, "AWS_SECRET_ACCESS_KEY": canaries["s3"]},
        "database": {"password": canaries["database"]},
        "files": {"key": canaries["file"]},
        "registry": {".dockerconfigjson": json.dumps(registry)},
    }.items():
        body = {"metadata": {"name": name}, "stringData": content, "type": kinds.get(name, "Opaque")}
        cluster.core.create_namespaced_secret(namespace, body)


def _connections(
    canaries: Mapping[str, str], kubeconfig: Mapping[str, Any], mlflow: str, s3: S3Server
) -> dict[str, str]:
    connections = {
        "kubernetes_default": {"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(kubeconfig)}},
        "mlflow": {"conn_type": "http", "host": mlflow, "password": canaries["mlflow"]},
        "store": {
            "conn_type": "aws",
            "login": s3.environ["AWS_ACCESS_KEY_ID"],
            "password": canaries["s3"],
            "extra": {"endpoint_url": s3.endpoint, "region_name": "us-east-1"},
        },
        "unused": {"conn_type": "postgres", "host": "db", "password": canaries["unused"]},
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(given) for name, given in connections.items()}


def _drivers(cluster: RealCluster, namespace: str) -> dict[str, Any]:
    """Pods on this machine take s3fs from here: they reach no package index."""
    packages = sysconfig.get_path("purelib")
    mount = {"name": "packages", "mountPath": "/packages", "readOnly": True}
    pod_arguments = {
        "volumes": [{"name": "packages", "hostPath": {"path": packages}}],
        "volume_mounts": [mount],
        "env_vars": {"PYTHONPATH": "/packages"},
    }
    look = container(
        ["python3", "-c", "import s3fs"],
        volumeMounts=[mount],
        env=[{"name": "PYTHONPATH", "value": "/packages"}],
    )
    ended = run_pod(cluster.core, namespace, pod("drivers", look, volumes=pod_arguments["volumes"]))
    if ended.status.phase != "Succeeded":
        pytest.skip("the nodes of this cluster are other machines, or have another Python")
    cluster.core.delete_namespaced_pod("drivers", namespace)
    return pod_arguments


def test_the_search_finds_what_is_hidden(tmp_path: Path) -> None:
    canary, task = "canary0hidden", {"kind": "command", "command": ["echo", "canary0hidden"]}
    found = Everything()
    for before in range(4):
        hidden = base64.b64encode(b"x" * before + canary.encode() + b"tail").decode()
        found.add(f"base64 {before}", json.dumps({"data": hidden}))
    found.add("pod", json.dumps({"args": container_command(task)}))
    with contextlib.closing(sqlite3.connect(tmp_path / "some.db")) as database:
        database.execute("create table xcom (value blob)")
        database.execute("insert into xcom values (?)", (b"..." + canary.encode(),))
        database.commit()
    found.add_files("files", tmp_path)
    places = {"files: some.db", "pod, unpacked", *(f"base64 {before}" for before in range(4))}
    assert set(found.where(canary)) == places
    assert found.where("another0canary") == []


@pytest.mark.parametrize("store", ["mlflow", "s3"])
def test_no_canary_is_found_anywhere(
    seeded: Seeded,
    real_cluster: RealCluster,
    mlflow_for_pods: MlflowServer,
    s3_for_pods: S3Server,
    store: str,
) -> None:
    name, api = f"secrets-{store}", seeded.airflow.api
    root = f"{s3_for_pods.uri}/secrets" if store == "s3" else "mlflow"
    text = TEXT.format(
        name=name,
        namespace=seeded.namespace,
        pod=dict(seeded.pod) if store == "s3" else {},
        image="python:3.11" if store == "s3" else "busybox",
        more=f"artifact_store={root!r}, deferrable={store == 's3'}",
    )
    (seeded.airflow.dags / f"{name}.py").write_text(text)
    eventually(lambda: api.dag(name), 180, "the DAG")
    run = api.trigger(name, {})
    eventually(lambda: api.run(name, run)["state"] in ("success", "failed"), 600, "the end of the run")
    tasks = {each["task_id"]: each for each in api.task_instances(name, run)}
    for task in ("use", "command"):
        log = "\n".join(str(entry["event"]) for entry in api.log(name, run, tasks[task]))
        assert tasks[task]["state"] == "success", log
    assert (tasks["fail"]["state"], tasks["fail"]["try_number"]) == ("failed", 2)

    # Everything was there and was used ...
    canaries = seeded.canaries
    used = api.xcom(name, run, "use")
    digest = hashlib.sha256((canaries["database"] + canaries["file"]).encode()).hexdigest()
    assert used["parameters"] == {"Output": digest}
    assert used["artifacts"]["data"][0]["uri"].startswith("s3://" if store == "s3" else "mlflow-artifacts:")
    length = len(canaries["database"])
    assert api.xcom(name, run, "command")["parameters"] == {"length": length}

    # ... and is written nowhere.
    everything = _everything(seeded, real_cluster, mlflow_for_pods, name, run)
    everything.add_objects(s3_for_pods)
    assert everything.where("marker-log"), "the logs are among what was searched"
    expected = {
        "pod": name,
        "Airflow's files: airflow/airflow.db": "serialized_dag",
        "Airflow's API: log of fail": "marker-error",
        "MLflow: mlflow.db": "marker-error",
        "event": "Started",
    }
    if store == "s3":
        expected["S3"] = "marker-data"
    for place, word in expected.items():
        found = [where for where in everything.where(word) if where.startswith(place.split(":")[0])]
        assert found, f"{place} is among what was searched"
    assert any("unpacked" in where for where in everything.where("marker-data"))
    leaks = {name: everything.where(canary) for name, canary in canaries.items()}
    assert leaks == {name: [] for name in canaries}


def _everything(
    seeded: Seeded, cluster: RealCluster, mlflow: MlflowServer, dag_id: str, run: str
) -> Everything:
    found, api = Everything(), seeded.airflow.api
    for one in seeded.history.pods():
        found.add(f"pod {one.metadata.name}", json.dumps(cluster.client().sanitize_for_serialization(one)))
    for event in cluster.core.list_namespaced_event(seeded.namespace).items:
        found.add("event", json.dumps(cluster.client().sanitize_for_serialization(event)))
    for each in api.task_instances(dag_id, run):
        found.add(f"Airflow's API: task instance {each['task_id']}", json.dumps(each))
        log = json.dumps(api.log(dag_id, run, each))
        found.add(f"Airflow's API: log of {each['task_id']}", log)
    time.sleep(1)  # what is still buffered
    found.add_files("Airflow's files", seeded.airflow.home.root)
    found.add_files("MLflow", mlflow.directory)
    return found
