"""Compiled golden pipelines as real DAG runs, and what they come to as text; on whatever cluster.

The text of a run is the same on the embedded cluster and on a real one: the tests of both compare it with
`tests/golden/runs`.
"""

from __future__ import annotations

import json
import re
import shutil
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fixtures.airflow import DagResult
from fixtures.golden_runs import RunReport, pods_and_logs
from fixtures.s3 import S3Server
from fixtures.steps import deployment
from golden.compiled import PIPELINES
from tradewind import ir, plan

__all__ = [
    "BUCKETS",
    "CONFIGURATIONS",
    "NAMESPACES",
    "NOT_RUN",
    "RUNS",
    "WITH_S3",
    "GoldenRuns",
    "pipeline_of",
    "variables_of",
]

RUNS = Path(__file__).parent / "runs"
"""What the runs come to, a file for each pipeline."""

NAMESPACES = "golden-"
"""How the names of the runs' namespaces begin."""

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
"""Pipelines that cannot run, and why."""
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


def variables_of(server: S3Server) -> dict[str, str]:
    """How pods reach an S3 server, which gets the objects that importers bring in."""
    client = server.client()
    for bucket, keys in BUCKETS.items():
        client.create_bucket(Bucket=bucket)
        for key in keys:
            client.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return server.environ


def pipeline_of(path: Path) -> str:
    """The pipeline that a file is a compilation of."""
    match = re.fullmatch(r"sdk-[\d.]+-(\w+)", path.stem)
    return match[1] if match else path.stem


class GoldenRuns:
    """Runs compiled pipelines on one cluster.

    Args:
        kubeconfig: gives that of Airflow for a namespace.
        api: of the cluster.
        run_dag: the fixture.
        store: directory that pods and this process share, empty.
        pod: arguments of every pod.
    """

    def __init__(
        self,
        kubeconfig: Callable[[str], Path],
        api: Any,
        run_dag: Callable[..., DagResult],
        store: Path,
        pod: Mapping[str, Any] | None = None,
    ) -> None:
        self._kubeconfig = kubeconfig
        self._api = api
        self._run_dag = run_dag
        self._store = store
        self._pod = dict(pod or {})

    def text(self, path: Path, name: str, variables: Mapping[str, str]) -> str:
        """Run a compiled pipeline as often as there are configurations; return the text of all runs.

        Args:
            name: of the pipeline.
            variables: of the pods' environment.
        """
        built = plan.build(ir.load(path))
        environment = {**self._pod.get("env_vars", {}), **variables}
        if name == "custom_artifacts":  # as in an image that has the team's package
            packages = self._store / "packages"
            packages.mkdir(exist_ok=True)
            shutil.copy(PIPELINES[0].with_name("_custom_artifact_classes.py"), packages)
            environment["PYTHONPATH"] = str(packages)
        return "\n".join(
            f"run with {json.dumps(conf)}\n{self._run(path, built, name, conf, number, environment).text()}"
            for number, conf in enumerate(CONFIGURATIONS.get(name, [{}]))
        )

    def _run(
        self,
        path: Path,
        built: plan.Plan,
        name: str,
        conf: Mapping[str, Any],
        number: int,
        environment: Mapping[str, str],
    ) -> RunReport:
        store = self._store
        # a name of its own each time: what was interrupted may have left its namespace on a lasting cluster
        namespace = (
            f"{NAMESPACES}{re.sub('[^a-z0-9]', '-', path.stem.lower())}-{number}-{uuid.uuid4().hex[:6]}"
        )
        self._api.create_namespace({"metadata": {"name": namespace}})
        try:
            if name.startswith("kubernetes"):
                furnish(self._api, namespace)
            volume = {"mountPath": str(store), "hostPath": {"path": str(store)}}
            defaults = {**self._pod, "on_finish_action": "keep_pod", "env_vars": environment}
            options = {
                "namespace": namespace,
                "artifact_store": store.as_uri(),
                "artifact_store_volume": json.dumps(volume),
                "pod_defaults": json.dumps(defaults),
            }
            with deployment(self._kubeconfig(namespace), **options):
                file = FILE.format(path=str(path), name=name, caching=name == "caching")
                result = self._run_dag(file, conf=conf)
            pods, logs = pods_and_logs(self._api, namespace)
        finally:
            self._api.delete_namespace(namespace)
        names = {f"{store.as_uri()}/{built.name}/": "store:", str(store): "<store>"}
        names |= {namespace: "<namespace>"}
        report = RunReport(built, result, pods, logs, names)
        started, executed = report.started(), report.executed()
        assert started == executed, f"pods {started}, steps {executed}"
        return report


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
