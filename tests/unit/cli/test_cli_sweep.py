"""`tradewind sweep`: what runs left behind in a cluster and in MLflow, told apart from what goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.steps import deployment
from tradewind.cli.main import main
from tradewind.cluster import StepIdentity
from tradewind.cluster.names import COLLECTED_LABEL, run_annotations
from tradewind.operators import workspace
from tradewind.plan.run_config import Workspace
from tradewind.tracking import MlflowRest, PipelineRunRecord, StepRecord, Tracker

HELLO = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def hello() -> str:
    return "hello"

@dsl.pipeline(name="{name}")
def swept():
    hello()

dag = pipeline_dag(swept)
"""


def leave_pod(core: Any, namespace: str, run: tuple[str, str], **labels: str) -> str:
    """Make a pod as a step does, which nobody waits for."""
    identity = StepIdentity(*run, "train")
    body = {
        "metadata": {
            "name": identity.pod_name(1),
            "labels": {**identity.labels(1), **labels},
            "annotations": run_annotations(*run),
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "base", "image": "busybox", "command": ["sleep", "600"]}],
        },
    }
    core.create_namespaced_pod(namespace, body)
    return f"{namespace}/{identity.pod_name(1)}"


def leave_mlflow_runs(rest: MlflowRest, run: tuple[str, str]) -> list[str]:
    """Begin a run and a step of it in MLflow; returns the ids of the two."""
    tracker = Tracker(rest)
    now = int(time.time() * 1000) - 1000
    parent = tracker.write_run(PipelineRunRecord(*run, "swept", "run", start_ms=now, status="RUNNING"))
    step = StepRecord(
        *run, step="train", display_name="train", map_index=-1, try_number=1, status="RUNNING", start_ms=now
    )
    return [parent.run_id, tracker.begin_step(step, parent).run_id]


@pytest.fixture
def sweep(
    airflow_home: Any, cluster: Any, namespace: str, mlflow_server: Any, capsys: pytest.CaptureFixture[str]
) -> Any:
    """`sweep(*arguments)` gives the exit code and what is listed, by kind and name."""

    def run(*arguments: str) -> tuple[int, dict[str, dict[str, Any]]]:
        capsys.readouterr()
        with deployment(cluster.kubeconfig, mlflow_server.uri, namespace=namespace):
            code = main(["sweep", "--older-than", "0", "--json", *arguments])
        listed = json.loads(capsys.readouterr().out)
        return code, {f"{each['kind']} {each['name'].split()[-1]}": each for each in listed}

    return run


@pytest.fixture
def runs(run_dag: Callable[..., Any], cluster: Any, namespace: str) -> dict[str, tuple[str, str]]:
    """A DAG run that has ended, one that goes on, and one that Airflow has never heard of."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    found = {}
    for state in ("success", "running"):
        name = f"swept-{uuid.uuid4().hex[:6]}"
        with deployment(cluster.kubeconfig, namespace=namespace):
            ended = run_dag(HELLO.format(name=name), dag_id=name)
        with create_session() as session:
            run = session.query(DagRun).filter_by(dag_id=ended.dag_id, run_id=ended.run_id).one()
            run.state = state
        found[state] = (ended.dag_id, ended.run_id)
    return {"ended": found["success"], "live": found["running"], "unknown": (name, "another")}


def test_what_runs_left_behind_is_told_from_what_goes_on(
    sweep: Any, runs: dict[str, tuple[str, str]], core_api: Any, namespace: str, mlflow_server: Any
) -> None:
    rest = MlflowRest(mlflow_server.uri)
    pods = {kind: f"pod {leave_pod(core_api, namespace, run)}" for kind, run in runs.items()}
    mlflow = {kind: leave_mlflow_runs(rest, run) for kind, run in runs.items()}
    code, listed = sweep()
    assert code == 0
    assert {name: listed[name]["run"] for name in listed if name in pods.values()} == {
        pods["ended"]: "ended",
        pods["unknown"]: "unknown",
    }
    assert listed[pods["ended"]]["run_id"] == runs["ended"][1]
    for kind in ("ended", "unknown"):
        assert {listed[f"MLflow run {run}"]["run"] for run in mlflow[kind]} == {kind}
    assert not {f"MLflow run {run}" for run in mlflow["live"]} & listed.keys()

    code, _ = sweep("--delete")
    assert code == 0
    _, listed = sweep()
    assert pods["ended"] not in listed
    assert pods["unknown"] in listed, "it may be another deployment's"
    assert {rest.get("runs/get", {"run_id": run})["run"]["info"]["status"] for run in mlflow["ended"]} == {
        "KILLED"
    }

    code, _ = sweep("--delete", "--unknown")
    assert code == 0
    _, listed = sweep()
    begun = {f"MLflow run {run}" for pair in mlflow.values() for run in pair}
    assert not {*pods.values(), *begun} & listed.keys()
    left = [pod.metadata.name for pod in core_api.list_namespaced_pod(namespace).items]
    assert [f"pod {namespace}/{name}" for name in left] == [pods["live"]]
    assert {rest.get("runs/get", {"run_id": run})["run"]["info"]["status"] for run in mlflow["live"]} == {
        "RUNNING"
    }


def test_what_is_kept_on_purpose_is_left_alone_unless_asked_for(
    sweep: Any, core_api: Any, namespace: str
) -> None:
    run = ("lost", f"run-{uuid.uuid4().hex}")
    pod = f"pod {leave_pod(core_api, namespace, run, **{COLLECTED_LABEL: 'true'})}"
    claims = {}
    ends = {"kept": "2999-01-01T00:00:00Z", "expired": "2001-01-01T00:00:00Z", "open": None}
    for name, until in ends.items():
        manifest = workspace.claim_manifest(name, Workspace("1Mi", {}), *run)
        if until:
            manifest["metadata"]["annotations"][workspace.EXPIRES_ANNOTATION] = until
        core_api.create_namespaced_persistent_volume_claim(namespace, manifest)
        claims[name] = f"volume claim {namespace}/{name}"
    _, listed = sweep()
    assert {claims["expired"], claims["open"]} <= listed.keys()
    assert not {pod, claims["kept"]} & listed.keys()
    _, listed = sweep("--kept")
    assert {pod, *claims.values()} <= listed.keys()
    assert listed[claims["kept"]]["why"] == "no Airflow knows its run; kept until 2999-01-01T00:00:00Z"
    assert sweep("--delete", "--unknown")[0] == 0
    _, listed = sweep("--kept")
    assert listed.keys() & {pod, *claims.values()} == {pod, claims["kept"]}


def test_what_is_young_is_left_alone(sweep: Any, core_api: Any, namespace: str) -> None:
    pod = f"pod {leave_pod(core_api, namespace, ('lost', 'run'))}"
    assert pod not in sweep("--older-than", "1h")[1]
    assert pod in sweep()[1]


def test_without_any_airflow_labels_and_age_decide(
    cluster: Any, core_api: Any, namespace: str, tmp_path: Path
) -> None:
    leave_pod(core_api, namespace, ("lost", "run"))
    arguments = ["--cluster", str(cluster.kubeconfig), "--namespace", namespace, "--older-than", "0"]

    def command(*more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "tradewind.cli.main", "sweep", *arguments, *more],
            env={"PATH": "/usr/bin:/bin", "TRADEWIND_HOME": str(tmp_path), "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
        )

    listed = command()
    assert listed.returncode == 0, listed.stderr
    assert "lost / run" in listed.stdout
    assert "no Airflow knows its run" in listed.stdout
    careful = command("--delete")
    assert "0 of 1 removed" in careful.stdout
    assert "add --unknown" in careful.stdout
    assert "1 of 1 removed" in command("--delete", "--unknown").stdout
    assert command().stdout == "Nothing is left behind\n"


def test_an_airflow_that_does_not_answer_makes_all_runs_unknown(
    sweep: Any, core_api: Any, namespace: str, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    from sqlalchemy.exc import OperationalError
    from sqlalchemy.orm import Session

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    pod = f"pod {leave_pod(core_api, namespace, ('lost', 'run'))}"
    monkeypatch.setattr(Session, "scalar", away)
    code, listed = sweep("--delete")
    assert code == 0
    assert listed[pod]["run"] == "unknown"
    assert pod in sweep()[1], "nothing is removed on a guess"


def test_a_cluster_that_cannot_be_reached_is_one_error(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        '{"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],'
        ' "users": [{"name": "u", "user": {}}], "contexts": [{"name": "c",'
        ' "context": {"cluster": "c", "user": "u"}}], "current-context": "c"}'
    )
    result = subprocess.run(
        [sys.executable, "-m", "tradewind.cli.main", "sweep", "--cluster", str(kubeconfig)],
        env={"PATH": "/usr/bin:/bin", "TRADEWIND_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 3, result.stdout + result.stderr
    assert "did not answer" in result.stderr
    assert "Traceback" not in result.stderr
