"""Whole pipelines on a real cluster: the examples, those of the end-to-end tests, compiled ones.

What compiled pipelines come to is compared with the very texts that the embedded cluster's tests compare with
(`tests/golden/runs`): nothing may tell the two clusters apart. Nothing here installs packages from an index,
which many clusters do not reach: where an image lacks them, pods get them from this machine.
"""

from __future__ import annotations

import json
import os
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.airflow import DagResult
from fixtures.kfp_sdk import KfpSdk
from fixtures.mlflow import MlflowServer
from fixtures.pod_history import PodHistory
from fixtures.pods import container, log, pod, run_pod
from fixtures.real_cluster import RealCluster, SharedVolume
from fixtures.s3 import S3Server
from fixtures.steps import deployment
from fixtures.volumes import provisioned
from golden.compiled import DOCUMENTS, PIPELINES
from golden.running import NAMESPACES, NOT_RUN, RUNS, WITH_S3, GoldenRuns, pipeline_of, variables_of
from tradewind.tracking import MlflowRest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = "/usr/local/lib/python3.11/dist-packages"
"""Where Python of the images finds them, also when it is told to heed no variables, as before commands."""
ML_IMAGE = "ml-python:3.11"


@pytest.fixture(scope="module")
def with_packages(real_cluster: RealCluster, real_namespace: str) -> dict[str, Any]:
    """Arguments of pods that see the packages of this environment; skips where nodes are other machines."""
    path = sysconfig.get_path("purelib")
    volume = {"name": "packages", "hostPath": {"path": path}}
    mount = {"name": "packages", "mountPath": PACKAGES, "readOnly": True}
    variable = {"name": "PYTHONPATH", "value": PACKAGES}
    command = ["python3", "-c", "import numpy, s3fs; print('drivers', s3fs.__version__)"]
    body = pod(
        "packages",
        container(command, image="python:3.11", env=[variable], volumeMounts=[mount]),
        volumes=[volume],
    )
    ended = run_pod(real_cluster.core, real_namespace, body)
    if ended.status.phase != "Succeeded":
        pytest.skip(
            f"pods do not see this machine's packages: {log(real_cluster.core, real_namespace, 'packages')}"
        )
    return {"volumes": [volume], "volume_mounts": [mount], "env_vars": {"PYTHONPATH": PACKAGES}}


def executed(result: DagResult) -> list[str]:
    """The tasks of a run that took a pod: steps that ran, were not cached, and are not Tradewind's own."""
    own = ("run_start", "run_end", "steps_done")
    ran = [ti for ti in result.instances if ti.state in ("success", "failed") and ti.task_id not in own]
    steps = [ti for ti in ran if not ti.task_id.endswith("loop_items")]
    cached = [
        ti for ti in steps if (result.xcom(ti.task_id, map_index=ti.map_index) or {}).get("cached_from")
    ]
    return sorted(ti.task_id for ti in steps if ti not in cached for _ in range(ti.try_number))


# --- the examples -------------------------------------------------------------------------------------------


def test_the_smallest_example(
    tracked_on_real_cluster: str,
    run_dag: Callable[..., DagResult],
    pod_history: Callable[[str], PodHistory],
) -> None:
    history = pod_history(tracked_on_real_cluster)
    result = run_dag(REPOSITORY / "dags" / "hello.py", conf={"name": "Ada"})
    assert result.state == "success", result.errors
    assert result.xcom("greet")["parameters"] == {"Output": "Hello, Ada!"}
    assert len(history.names()) == 1
    again = run_dag(REPOSITORY / "dags" / "hello.py", conf={"name": "Ada"})
    assert again.xcom("greet")["cached_from"]["run"] == result.run_id
    assert len(history.names()) == 1, "what is known takes no pod"


def test_the_demo(
    tracked_on_real_cluster: str,
    real_cluster: RealCluster,
    mlflow_for_pods: MlflowServer,
    with_packages: dict[str, Any],
    run_dag: Callable[..., DagResult],
    pod_history: Callable[[str], PodHistory],
) -> None:
    history = pod_history(tracked_on_real_cluster)
    environment = {**with_packages["env_vars"], "MPLCONFIGDIR": "/tmp"}
    options = {
        "pod_defaults": json.dumps({**with_packages, "env_vars": environment, "image": ML_IMAGE}),
        "namespace": tracked_on_real_cluster,
    }
    with deployment(real_cluster.airflow(tracked_on_real_cluster), mlflow_for_pods.uri, **options):
        result = run_dag(REPOSITORY / "dags" / "breast_cancer.py")
    assert result.state == "success", result.errors
    ours = [one for one in history.pods() if one.metadata.labels]
    assert [one.metadata.labels["tradewind.dev/try"] for one in ours] == ["1"] * len(executed(result))
    assert len(executed(result)) == 9
    mlflow = MlflowRest(mlflow_for_pods.uri)
    query = {"name": "breast-cancer", "alias": "champion"}
    version = mlflow.get("registered-models/alias", query)["model_version"]
    assert int(version["version"]) == result.xcom("register")["parameters"]["Output"]
    experiment = mlflow.get("experiments/get-by-name", {"experiment_name": "breast-cancer"})["experiment"]
    search = {
        "experiment_ids": [experiment["experiment_id"]],
        "filter": "tags.`tradewind.kind` = 'pipeline'",
    }
    (run,) = mlflow.post("runs/search", search)["runs"]
    metrics = {entry["key"]: entry["value"] for entry in run["data"]["metrics"]}
    assert all(0.9 < metrics[f"{name}.evaluate/f1"] < 1 for name in ("linear", "forest", "boosting"))


# --- every feature of a pod in one pipeline, for each artifact store ----------------------------------------

EVERYTHING = """
from tradewind import dsl, kubernetes
from tradewind.airflow import pipeline_dag

@dsl.component(base_image="ml-python:3.11")
def train(rows: int, model: dsl.Output[dsl.Model], metrics: dsl.Output[dsl.Metrics]) -> float:
    import json, os
    from sklearn.datasets import make_classification
    from sklearn.linear_model import LogisticRegression
    x, y = make_classification(rows, random_state=1)
    score = LogisticRegression().fit(x, y).score(x, y)
    os.mkdir(model.path)
    with open(os.path.join(model.path, "model.json"), "w") as file:
        json.dump({"score": score}, file)
    metrics.log_metric("score", score)
    return score

@dsl.container_component
def shout(model: dsl.Input[dsl.Model], text: dsl.Output[dsl.Dataset], said: dsl.OutputPath(str)):
    script = 'cat "$0"/model.json | tr a-z A-Z >"$1"; mkdir -p "$(dirname "$2")"; printf "%s" "$WHO" >"$2"'
    files = [model.path, text.path, said]
    return dsl.ContainerSpec(image="busybox", command=["sh", "-c", script], args=files)

@dsl.component(base_image="python:3.11")
def look(text: dsl.Input[dsl.Dataset], said: str) -> dict:
    import os
    def read(path):
        with open(path) as file:
            return file.read().strip()
    return {
        "text": read(text.path), "said": said,
        "variable": os.environ["LOGIN"], "region": os.environ["REGION"],
        "file": read("/keys/user"), "setting": read("/settings/region"), "before": read("/scratch/made"),
        "memory": os.environ["MEMORY"], "user": os.getuid() != 0,
    }

@dsl.pipeline(name="everything")
def everything(rows: int = 200):
    trained = train(rows=rows).set_memory_limit("1Gi").set_memory_request("64Mi").set_cpu_limit("1")
    said = shout(model=trained.outputs["model"]).set_env_variable("WHO", "busybox")
    seen = look(text=said.outputs["text"], said=said.outputs["said"]).set_memory_limit("300M")
    kubernetes.use_secret_as_env(seen, secret_name="login", secret_key_to_env={"user": "LOGIN"})
    kubernetes.use_secret_as_volume(seen, secret_name="login", mount_path="/keys")
    keys = {"region": "REGION"}
    kubernetes.use_config_map_as_env(seen, config_map_name="settings", config_map_key_to_env=keys)
    kubernetes.use_config_map_as_volume(seen, config_map_name="settings", mount_path="/settings")

dag = pipeline_dag(everything, caching=False, steps={"look": {"pod": {
    "env_vars": [{"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory"}}}],
    "volumes": [{"name": "scratch", "emptyDir": {}}],
    "volume_mounts": [{"name": "scratch", "mountPath": "/scratch"}],
    "init_containers": [{
        "name": "before", "image": "busybox", "command": ["sh", "-c", "echo in time >/scratch/made"],
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
    }],
}}})
"""


@pytest.fixture(scope="module")
def furnished(real_cluster: RealCluster, real_namespace: str, s3_for_pods: S3Server) -> str:
    """The namespace, with a secret and a config map, and the credentials of the S3 server."""
    core = real_cluster.core
    for name, data in (("login", {"user": "ada"}), ("artifact-store", s3_for_pods.environ)):
        core.create_namespaced_secret(real_namespace, {"metadata": {"name": name}, "stringData": data})
    settings = {"metadata": {"name": "settings"}, "data": {"region": "north"}}
    core.create_namespaced_config_map(real_namespace, settings)
    return real_namespace


def store_options(store: str, shared: SharedVolume, packages: dict[str, Any], s3: S3Server) -> dict[str, str]:
    if store == "volume":
        return {"artifact_store": shared.path.as_uri(), "artifact_store_volume": json.dumps(shared.volume)}
    if store == "s3":
        return {
            "artifact_store": f"{s3.uri}/everything",
            "artifact_store_secret": "artifact-store",
            "artifact_store_conn_id": "store",
            "helper_for": "nothing",
            "pod_defaults": json.dumps(packages | {"env_vars": [{"name": "PYTHONPATH", "value": PACKAGES}]}),
        }
    return {}


@pytest.mark.parametrize("store", ["mlflow", "volume", "s3"])
def test_images_settings_and_stores(
    store: str,
    airflow_home: Any,
    furnished: str,
    real_cluster: RealCluster,
    mlflow_for_pods: MlflowServer,
    s3_for_pods: S3Server,
    shared_volume: SharedVolume,
    with_packages: dict[str, Any],
    run_dag: Callable[..., DagResult],
    pod_history: Callable[[str], PodHistory],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection = {
        "conn_type": "aws",
        "login": s3_for_pods.environ["AWS_ACCESS_KEY_ID"],
        "password": s3_for_pods.environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {"endpoint_url": s3_for_pods.endpoint},
    }
    monkeypatch.setenv("AIRFLOW_CONN_STORE", json.dumps(connection))
    history = pod_history(furnished)
    before = len(history.names())
    options = {"namespace": furnished, "helper_image": "python:3.11"}
    options |= store_options(store, shared_volume, with_packages, s3_for_pods)
    # A helper image has to bring the driver of an object store; there is one image here, and it does not.
    own = 'image="busybox", command='
    assert own in EVERYTHING
    source = EVERYTHING.replace(own, 'image="python:3.11", command=') if store == "s3" else EVERYTHING
    with deployment(real_cluster.airflow(furnished), mlflow_for_pods.uri, **options):
        result = run_dag(source)
    assert result.state == "success", result.errors
    score = result.xcom("train")["parameters"]["Output"]
    assert result.xcom("look")["parameters"]["Output"] == {
        "text": json.dumps({"score": score}).upper(),
        "said": "busybox",
        "variable": "ada",
        "region": "north",
        "file": "ada",
        "setting": "north",
        "before": "in time",
        "memory": "300000000",
        "user": True,
    }
    uri = result.xcom("shout")["artifacts"]["text"][0]["uri"]
    assert uri.startswith({"mlflow": "mlflow-artifacts:", "volume": "file:", "s3": "s3:"}[store])
    ran = history.pods()[before:]
    assert [one.metadata.name.rpartition("-")[0] for one in ran] == ["train", "shout", "look"]
    memory = {one.metadata.name.rpartition("-")[0]: one.spec.containers[0].resources.limits for one in ran}
    assert memory["train"] == {"cpu": "1", "memory": "1Gi"}
    helped = {one.metadata.name.rpartition("-")[0]: one.spec.init_containers or [] for one in ran}
    brought = [] if store == "s3" else ["python:3.11"]
    assert [one.image for one in helped["shout"]] == brought, "busybox has no Python: one is brought"
    assert helped["train"] == []


# --- compiled pipelines -------------------------------------------------------------------------------------

ALL = os.environ.get("RUNS") == "all"
SLICE = (
    "conditions_and_or_not",  # conditions, skips
    "sdk-2.0.1-artifact_chain",
    "sdk-2.10.1-one_of_in_loop",
    "sdk-2.17.0-kubernetes_claims",
    "sdk-2.17.0-kubernetes_secrets",
    "sdk-2.17.3-workspace_steps",
    "sdk-2.4.0-ignore_failure_chain",
    "sdk-2.4.0-retries",
    "sdk-2.7.0-placeholders_anywhere",
)
NODES = "it asks for more than a small node has"
OTHERWISE = {
    "container": "one of its images is nobody's",
    "custom_artifacts": "it needs an image with a package of the team",
    "exit_handler_around_loop": "its image has no Python: the operator sees what is wrong, after exit code 0",
    "dynamic_settings": NODES,
    "environment_values": NODES,
    "kubernetes_volumes": "it has ephemeral volumes, which clusters before 1.21 do not know",
    "settings": NODES,
}
"""Pipelines that come to something else than on the embedded cluster, and why they have to."""


def chosen(paths: list[Path]) -> list[Path]:
    """What is compared: a slice, or everything that can run."""
    runnable = [path for path in paths if pipeline_of(path) not in {**NOT_RUN, **OTHERWISE}]
    return [path for path in runnable if ALL or path.stem in SLICE]


@pytest.fixture
def shared_directory(shared_volume: SharedVolume, tmp_path: Path) -> Path:
    """An empty directory that pods and this machine share."""
    store = tmp_path / "store"
    store.mkdir()
    store.chmod(0o777)
    return store


@pytest.fixture(scope="module")
def volumes(real_cluster: RealCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Claims of compiled pipelines get volumes, whether the cluster has any or not."""
    with provisioned(real_cluster.core, NAMESPACES, tmp_path_factory.mktemp("volumes")):
        yield


@pytest.fixture
def golden_run(
    airflow_home: Any,
    real_cluster: RealCluster,
    run_dag: Callable[..., DagResult],
    shared_directory: Path,
    with_packages: dict[str, Any],
    volumes: None,
    request: pytest.FixtureRequest,
) -> Callable[[Path, str], str]:
    """Runs a compiled file as often as there are configurations; gives the text of all runs."""
    runs = GoldenRuns(real_cluster.airflow, real_cluster.core, run_dag, shared_directory, with_packages)

    def run(path: Path, name: str) -> str:
        return runs.text(path, name, request.getfixturevalue("s3_variables") if name in WITH_S3 else {})

    return run


@pytest.fixture(scope="module")
def s3_variables(s3_for_pods: S3Server) -> dict[str, str]:
    """How pods reach the S3 server on which the objects are."""
    return variables_of(s3_for_pods)


@pytest.mark.parametrize("path", chosen(DOCUMENTS), ids=lambda path: path.stem)
def test_a_document_comes_to_the_same_as_on_the_embedded_cluster(
    path: Path, golden_run: Callable[[Path, str], str]
) -> None:
    name = pipeline_of(path)
    assert golden_run(path, name) == (RUNS / f"{name}.txt").read_text()


@pytest.mark.skipif(not ALL, reason="the KFP SDK is not reached from everywhere that a cluster is")
@pytest.mark.parametrize("path", chosen(PIPELINES), ids=lambda path: path.stem)
def test_a_pipeline_comes_to_the_same_as_on_the_embedded_cluster(
    path: Path, kfp_sdk: KfpSdk, golden_run: Callable[[Path, str], str]
) -> None:
    compiled = kfp_sdk.compile(chosen(PIPELINES))[path.resolve()]
    assert golden_run(compiled, path.stem) == (RUNS / f"{path.stem}.txt").read_text()
