"""Every golden pipeline that can run here, compiled by the KFP SDK, as a real DAG run on a real cluster.

What each run came to is kept in `tests/golden/runs`: states, what every step was given, printed and gave.
`make golden-runs` writes it anew: look at the diff, and work out from the pipeline what has to come out. A
slice of them is run by default, all with `RUNS=all`, those compiled by older SDKs included.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.airflow import DagResult
from fixtures.cluster import core_api_of
from fixtures.golden_runs import RunReport, pods_and_logs
from fixtures.kfp_sdk import KfpSdk
from fixtures.s3 import S3Server
from fixtures.steps import deployment
from golden.compiled import DOCUMENTS, PIPELINES
from tradewind import ir, plan
from tradewind.local.cluster import Cluster, start

RUNS = Path(__file__).parents[1] / "golden" / "runs"
MODE = os.environ.get("RUNS", "slice")  # or "all", or "write"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

NOT_RUN = {
    "accelerator_count": "refused",
    "artifact_lists": "refused: a run cannot be given artifacts",
    "artifact_loops": "refused: a run cannot be given artifacts",
    "single_component": "refused: a run cannot be given artifacts",
    "refused": "refused",
    "kubernetes_placement": "asks for nodes with labels that the embedded cluster's only node does not have",
    "packages": "installs from package indexes and repositories that do not exist",
    "pipeline_arguments": "its pipeline root is a bucket that does not exist",
    "use_venv": "installs from a package index that does not exist",
    "target_image": "the components' code lies in an image of a registry that does not exist",
}
SLICE = (
    "artifact_chain",
    "conditions_and_or_not",
    "exit_handler_around_loop",
    "exit_handlers_several",
    "ignore_failure_chain",
    "images_without_python",
    "kubernetes_secrets",
    "loop_artifacts",
    "one_of_in_loop",
    "parameters",
    "placeholders_anywhere",
    "subpipeline_outputs",
)
CONFIGURATIONS: dict[str, list[dict[str, Any]]] = {
    "caching": [{}, {}],  # what the first run made, the second one takes from the cache
    "condition_chain": [{}, {"score": 55}, {"score": 30}],
    "condition_importer": [{}, {"least": 0.95}, {"pinned": "s3://models/base"}],
    "condition_in_loop": [{}, {"files": [{"path": "", "kind": "csv"}, {"path": "c", "kind": "txt"}]}],
    "condition_nested": [{}, {"rows": 0}, {"rows": 5}, {"rows": 15}, {"live": False}],
    "condition_on_subpipeline": [{}, {"rows": 99}, {"rows": 100, "least": 0.9}],
    "condition_operators": [{}, {"limit": 5.0, "most": 5, "name": "", "fast": True}],
    "conditions": [{}, {"kind": "c", "on": False, "n": 0}],
    "conditions_and_or_not": [{}, {"rows": 9}, {"kind": "c"}, {"kind": 'it\'s \\ "quoted"', "fast": False}],
    "exit_handler_around_loop": [{}, {"site": 'a"b'}],
    "exit_handler_conditions": [{}, {"rows": 3}, {"rows": 0}],
    "exit_handler_in_subpipeline": [{}, {"size": 200}],
    "exit_handlers": [{}, {"note": "bad"}],
    "exit_handlers_several": [{}, {"broken": "load"}, {"broken": "report"}],
    "hyperparameter_search": [{}, {"depths": [2], "rates": [0.1]}, {"depths": []}],
    "ignore_failure": [{}, {"x": 0}],
    "ignore_failure_chain": [{}, {"url": "nowhere"}],
    "literals": [{"kind": "tree"}, {"kind": "forest", "depth": 8}],
    "loop_chain": [{}, {"numbers": [1, 3]}, {"numbers": []}],
    "loop_in_condition": [{}, {"parallel": False}, {"deep": True}, {"rows": 0}],
    "loop_with_subpipelines": [{}, {"best": 0}],
    "loops": [{"deep": [{"inner": [{"k": 1}, {"k": 2}]}, {"inner": []}]}],
    "nested_deep": [{"rows": 3}],
    "one_of": [{}, {"kind": "b"}, {"kind": "z"}],
    "one_of_in_loop": [{}, {"numbers": []}],
    "one_of_nested": [{}, {"deep": True}, {"kind": "linear", "least": 0.9}],
    "optional_inputs": [{}, {"text": "t", "count": 2, "names": ["n"], "on": True}],
    "order_across_scopes": [{}, {"on": False}],
    "parameters": [{"text": "a 'b' \"c\" $(d) {{ ds }}"}, {"text": "", "ratio": 2, "hint": "h", "table": {}}],
    "kubernetes_run_values": [{"secret": "database"}, {"secret": "database", "go": False}],
    "single_container": [{"text": "hi there"}],
    "subpipeline_defaults": [{}, {"text": "given", "count": 7}],
}
"""Configurations of several runs of one pipeline; else there is one run without any."""
BUCKETS = {
    "data": ("a/rows.csv", "b/rows.csv", "2026/rows.csv"),
    "models": ("base", "v7"),
    "bucket": ("data", "model"),
    "more": ("rows.csv",),
}
"""Objects in S3, which importers bring in."""
WITH_S3 = (
    "condition_importer",
    "import_artifacts",
    "importer_everywhere",
    "importer_text",
    "workspace_importer",
)

FILE = """
from tradewind.airflow import pipeline_dag
dag = pipeline_dag({path!r}, dag_id={name!r}, caching={caching})
"""


@pytest.fixture(scope="module")
def golden_cluster(tmp_path_factory: pytest.TempPathFactory, _python_template: Path) -> Iterator[Cluster]:
    """A cluster with the accelerators that the pipelines ask for."""
    home = tmp_path_factory.mktemp("golden-cluster")
    (home / "template").symlink_to(_python_template)
    started = start(home, max_pods=8, resources=("nvidia.com/gpu=8", "cloud-tpus.google.com/v3=4"))
    yield started
    started.stop(wipe=True)


@pytest.fixture(scope="module")
def s3_variables(s3_server: S3Server) -> dict[str, str]:
    """How pods reach the S3 server on which the objects are."""
    client = s3_server.client()
    for bucket, keys in BUCKETS.items():
        client.create_bucket(Bucket=bucket)
        for key in keys:
            client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return s3_server.environ


def furnish(api: Any, namespace: str) -> None:
    """Make what the pipelines with settings of Kubernetes expect to be there."""
    for name in ("database", "database-secret"):
        secret = {"metadata": {"name": name}, "stringData": {"user": f"user of {name}", "password": "p"}}
        api.create_namespaced_secret(namespace, secret)
    for name, data in (("settings", {"region": "north"}), ("database-secret", {"a": "b"}), ("database", {})):
        api.create_namespaced_config_map(namespace, {"metadata": {"name": name}, "data": data})
    for name in ("archive", "fixed", "a", "b"):
        spec = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}
        claim = {"metadata": {"name": name}, "spec": spec}
        api.create_namespaced_persistent_volume_claim(namespace, claim)


@pytest.fixture
def golden_run(
    airflow_home: Any,
    golden_cluster: Cluster,
    run_dag: Callable[..., DagResult],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Callable[..., str]:
    """Runs a compiled file as often as there are configurations; gives the text of all runs."""

    def run(path: Path, name: str) -> str:
        api = core_api_of(golden_cluster)
        built = plan.build(ir.load(path))
        variables = dict(request.getfixturevalue("s3_variables")) if name in WITH_S3 else {}
        if name == "custom_artifacts":  # as in an image that has the team's package
            variables["PYTHONPATH"] = str(PIPELINES[0].parent)
        store = tmp_path / "store"
        store.mkdir()
        volume = {"mountPath": str(store), "hostPath": {"path": str(store)}}
        texts = []
        for number, conf in enumerate(CONFIGURATIONS.get(name, [{}])):
            namespace = f"golden-{re.sub('[^a-z0-9]', '-', path.stem.lower())}-{number}"
            api.create_namespace({"metadata": {"name": namespace}})
            if name.startswith("kubernetes"):
                furnish(api, namespace)
            options = {
                "namespace": namespace,
                "artifact_store": store.as_uri(),
                "artifact_store_volume": json.dumps(volume),
                "pod_defaults": json.dumps({"on_finish_action": "keep_pod", "env_vars": variables}),
            }
            with deployment(golden_cluster.kubeconfig, **options):
                file = FILE.format(path=str(path), name=name, caching=name == "caching")
                result = run_dag(file, conf=conf)
            pods, logs = pods_and_logs(api, namespace)
            api.delete_namespace(namespace)
            names = {f"{store.as_uri()}/{built.name}/": "store:", str(store): "<store>"}
            names |= {namespace: "<namespace>"}
            report = RunReport(built, result, pods, logs, names)
            assert report.started() == report.executed()
            texts.append(f"run with {json.dumps(conf)}\n{report.text()}")
        return "\n".join(texts)

    return run


def pipeline_of(path: Path) -> str:
    """The pipeline that a file is a compilation of."""
    match = re.fullmatch(r"sdk-[\d.]+-(\w+)", path.stem)
    return match[1] if match else path.stem


def chosen(paths: list[Path]) -> list[Path]:
    """What can run, of that the slice or everything; files of older SDKs only where nothing is written."""
    runnable = [path for path in paths if pipeline_of(path) not in NOT_RUN]
    if MODE == "all":
        return runnable
    return [
        path
        for path in runnable
        if path.stem in SLICE or (MODE == "write" and pipeline_of(path) == path.stem)
    ]


def compare(name: str, text: str) -> None:
    golden = RUNS / f"{name}.txt"
    if MODE == "write":
        golden.write_text(text)
    assert golden.exists(), f"no {golden.name}: run `make golden-runs`, and look at what it writes"
    assert text == golden.read_text()


@pytest.mark.parametrize("path", chosen(PIPELINES), ids=lambda path: path.stem)
def test_a_pipeline_comes_to_what_it_says(
    path: Path, kfp_sdk: KfpSdk, golden_run: Callable[..., str]
) -> None:
    compiled = kfp_sdk.compile(chosen(PIPELINES))[path.resolve()]
    compare(path.stem, golden_run(compiled, path.stem))


@pytest.mark.parametrize("path", chosen(DOCUMENTS), ids=lambda path: path.stem)
def test_a_document_comes_to_what_it_says(path: Path, golden_run: Callable[..., str]) -> None:
    compare(pipeline_of(path), golden_run(path, pipeline_of(path)))


def test_every_run_has_its_pipeline() -> None:
    known = {pipeline_of(path) for path in (*PIPELINES, *DOCUMENTS)}
    assert set(SLICE) | set(NOT_RUN) | set(CONFIGURATIONS) <= known
    assert {path.stem for path in RUNS.glob("*.txt")} == known - set(NOT_RUN)
