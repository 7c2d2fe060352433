"""docs/teams.md: the example is a DAG that goes where it says, and who says more wins over who says less."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.airflow import LoadedFile
from tradewind.operators.access import pipeline_pod_arguments
from tradewind.operators.configuration import configuration
from tradewind.operators.settings import RunSettings

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "teams.md").read_text()


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    configuration.cache_clear()
    yield
    configuration.cache_clear()


def block(head: str) -> str:
    """The code block of the page whose first line is a comment with this file name."""
    found = re.search(rf"^```\w+\n(# {re.escape(head)}.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    assert found, head
    return found[1]


def test_a_teams_dag_file(load_dags: Callable[..., LoadedFile]):
    loaded = load_dags(block("scoring.py"), files={"fraud_airflow.py": block("fraud_airflow.py")})
    assert not loaded.error
    dag = loaded.dags["fraud-scoring"]
    step: Any = dag.task_dict["score"]
    assert (step.owner, step.pool) == ("fraud", "fraud")
    where = pipeline_pod_arguments(step.pipeline, step.pod)
    assert where["kubernetes_conn_id"] == "fraud_cluster"
    assert where["service_account_name"] == "tradewind-steps"
    assert where["namespace"] is None  # then it is the connection's
    connection = re.search(r"AIRFLOW_CONN_FRAUD_CLUSTER='(.*)'", PAGE)
    assert connection
    assert json.loads(connection[1])["extra"]["namespace"] == "fraud"


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl knows kustomizations")
def test_a_teams_namespace(tmp_path: Path):
    shutil.copytree(ROOT / "docker", tmp_path / "docker")
    (tmp_path / "fraud").mkdir()
    (tmp_path / "fraud" / "kustomization.yaml").write_text(block("fraud/kustomization.yaml"))
    done = subprocess.run(["kubectl", "kustomize", str(tmp_path / "fraud")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for each in yaml.safe_load_all(done.stdout):
        metadata = each["metadata"]
        assert (metadata["name"] if each["kind"] == "Namespace" else metadata["namespace"]) == "fraud"
        assert {subject["namespace"] for subject in each.get("subjects", ())} <= {"fraud"}


def test_who_says_where_pods_go(airflow_home: Any, monkeypatch: pytest.MonkeyPatch):
    def where(pipeline: RunSettings, step: dict[str, Any] | None = None) -> tuple[str, str]:
        configuration.cache_clear()
        arguments = pipeline_pod_arguments(pipeline, step)
        return arguments["kubernetes_conn_id"], arguments["namespace"]

    plain = RunSettings(pipeline="p")
    assert where(plain) == ("kubernetes_default", None)
    monkeypatch.setenv("AIRFLOW__TRADEWIND__NAMESPACE", "deployments")
    assert where(plain) == ("kubernetes_default", "deployments")
    monkeypatch.setenv("AIRFLOW__TRADEWIND__POD_DEFAULTS", json.dumps({"namespace": "defaults"}))
    assert where(plain) == ("kubernetes_default", "defaults")
    pipeline = RunSettings(pipeline="p", cluster="gpu", namespace="pipelines-own")
    assert where(pipeline) == ("gpu", "pipelines-own")
    step = {"kubernetes_conn_id": "big", "namespace": "steps-own"}
    assert where(pipeline, step) == ("big", "steps-own")


def test_the_runs_end_knows_where_steps_have_gone(load_dags: Callable[..., LoadedFile]):
    loaded = load_dags("""
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def work() -> int:
            return 1

        @dsl.pipeline(name="spread")
        def spread():
            work()
            work()
            work()

        steps = {
            "work": {"pod": {"kubernetes_conn_id": "gpu_cluster", "image_pull_policy": "Always"}},
            "work-2": {"pod": {"kubernetes_conn_id": "gpu_cluster"}},
            "work-3": {"pod": {"namespace": "{{ params.somewhere }}"}},
        }
        dag = pipeline_dag(spread, steps=steps)
    """)
    assert not loaded.error
    end: Any = loaded.dags["spread"].task_dict["run_end"]
    assert end.elsewhere == ({"kubernetes_conn_id": "gpu_cluster"},)
