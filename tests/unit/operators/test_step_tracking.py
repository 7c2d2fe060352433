"""What steps say to MLflow, and what they don't say to anybody."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from fixtures.steps import RUN_START, StepRun, TaskInstance, command_step, deployment, python_step
from tradewind.operators.settings import RunSettings
from tradewind.plan.bindings import Constant, PipelineInput
from tradewind.plan.model import ArtifactOutput, Importer, ParameterInput, Step

PENDING = {"dag_id": "dag", "run_id": "run-1", "experiment": "e", "name": "run-1", "start_ms": 1}
TRACKED = {**RUN_START, "tracking": {"experiment": "e", "run_id": None, "pending": PENDING}}
NOWHERE = "http://127.0.0.1:9"


def importer(uri: Any, **metadata: Any) -> Step:
    return Step(
        id="fetch",
        display_name="fetch",
        component="importer",
        scope="",
        action=Importer(uri, "system.Dataset", metadata=metadata),
        container=None,
        parameters={"day": ParameterInput("STRING", Constant("today"))},
        output_artifacts={"artifact": ArtifactOutput("system.Dataset")},
    )


def test_an_importer_starts_no_pod(on_cluster: str, cluster: Any) -> None:
    cluster.requests(reset=True)
    start = {**RUN_START, "parameters": {"place": "s3://bucket/{{ ds }}"}}
    step = importer(PipelineInput("place"), day="{{$.inputs.parameters['day']}}")
    result = StepRun(step, start=start).execute()
    (artifact,) = result["artifacts"]["artifact"]
    assert artifact["uri"] == "s3://bucket/{{ ds }}"
    assert artifact["metadata"] == {"day": "today"}
    assert artifact["type"]["schemaTitle"] == "system.Dataset"
    assert not [item for item in cluster.requests() if item["userAgent"] == "tradewind"]


def test_an_importer_refuses_what_is_no_uri(on_cluster: str) -> None:
    with pytest.raises(AirflowFailException, match="no URI"):
        StepRun(importer(Constant("nonsense"))).execute()


def test_mlflow_being_away_does_not_fail_a_step(
    airflow_home: Any, cluster: Any, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tradewind.operators import mlflow

    monkeypatch.setattr(mlflow, "STEP_BUDGET_SECONDS", 0.3)
    run = StepRun(command_step("true"), start=TRACKED)
    with deployment(cluster.kubeconfig, NOWHERE, namespace=namespace):
        result = run.execute()
    assert result["parked"]["status"] == "FINISHED"


def test_mlflow_being_away_fails_a_step_that_requires_it(
    airflow_home: Any, cluster: Any, namespace: str, core_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tradewind.operators import mlflow

    monkeypatch.setattr(mlflow, "STEP_BUDGET_SECONDS", 0.3)
    settings = RunSettings("demo", tracking="required", caching=False)
    with (
        deployment(cluster.kubeconfig, NOWHERE, namespace=namespace),
        pytest.raises(AirflowException, match="cannot be reached"),
    ):
        StepRun(command_step("true"), settings=settings, start=TRACKED).execute()
    assert core_api.list_namespaced_pod(namespace).items == []


def test_a_step_with_artifacts_needs_a_store(on_cluster: str) -> None:
    step = python_step("def work(data: dsl.Output[dsl.Dataset]):\n    pass\n")
    with pytest.raises(AirflowFailException, match="no artifact store"):
        StepRun(step).execute()


def test_a_store_of_ones_own(airflow_home: Any, cluster: Any, namespace: str, tmp_path: Any) -> None:
    source = "def work(data: dsl.Output[dsl.Dataset]):\n    open(data.path, 'w').write('rows')\n"
    pod = {
        "volumes": [{"name": "store", "hostPath": {"path": str(tmp_path)}}],
        "volume_mounts": [{"name": "store", "mountPath": str(tmp_path)}],
    }
    with deployment(cluster.kubeconfig, namespace=namespace, artifact_store=f"file://{tmp_path}"):
        result = StepRun(python_step(source), pod=pod).execute()
    (artifact,) = result["artifacts"]["data"]
    path = artifact["uri"].removeprefix("file://")
    assert Path(path).read_text() == "rows"
    assert Path(path).is_relative_to(tmp_path / "demo" / "run-1" / "work" / "try-1")


def test_the_mlflow_token_reaches_the_pod_by_reference_only(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    core_api: Any,
    mlflow_server: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "canary-of-the-worker")
    core_api.create_namespaced_secret(
        namespace, {"metadata": {"name": "mlflow"}, "stringData": {"token": "canary-of-the-pod"}}
    )
    source = (
        "def work() -> str:\n    import os\n"
        "    return str(os.environ['MLFLOW_TRACKING_TOKEN'] == 'canary-' + 'of-the-pod')\n"
    )
    run = StepRun(python_step(source), pod={"on_finish_action": "keep_pod"}, start=TRACKED, ti=TaskInstance())
    options = {"namespace": namespace, "mlflow_token_secret": "mlflow/token"}
    with deployment(cluster.kubeconfig, mlflow_server.uri, **options):
        assert run.execute()["parameters"] == {"Output": "True"}
    (pod,) = core_api.list_namespaced_pod(namespace).items
    everything = json.dumps([pod.to_dict(), list(run.ti.xcoms.values())], default=str)
    assert "secret_key_ref" in everything
    assert "canary" not in everything.replace("'canary-' + 'of-the-pod'", "")
    assert "canary" not in caplog.text
    assert "canary" not in capfd.readouterr().out
