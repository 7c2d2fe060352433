"""Runs with a workspace, a deadline and imported artifacts, on real Airflow and the embedded cluster."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.steps import deployment
from tradewind.errors import ConfigurationError
from tradewind.operators.settings import RunSettings
from tradewind.operators.workspace import (
    open_workspace,
    release_workspace,
    require_reach,
    workspace_path_of,
)
from tradewind.operators.workspace_import import bringing_step, in_workspace
from tradewind.plan.bindings import Constant
from tradewind.plan.model import Container, Importer, PythonFunction, Step
from tradewind.plan.run_config import RunConfig, Workspace

SHARED = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def write(path: str, text: str) -> str:
    import os
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path

@dsl.component
def read(path: str) -> str:
    with open(path) as file:
        return file.read()

@dsl.component
def use(data: dsl.Input[dsl.Dataset]) -> list:
    with open(data.path) as file:
        return [data.path, file.read(), data.metadata, data.uri]

@dsl.component
def where(folder: str) -> str:
    return "file://" + folder

@dsl.pipeline(
    name="Shared work",
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(size="1Mi"), ttl_seconds_after_failure=3600
    ),
)
def shared(folder: str, owner: str = "me", text: str = "hello"):
    written = write(path=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/a/{owner}", text=text)
    read(path=written.output)
    outside = where(folder=folder)
    late = dsl.importer(
        f"{outside.output}/data.txt",
        dsl.Dataset,
        metadata={"owner": owner, "note": f"of {owner}"},
        download_to_workspace=True,
    )
    use(data=late.output)
    plain = dsl.importer(f"file://{folder}/data.txt", dsl.Dataset, reimport=True)
    use(data=plain.output)

volume = {"name": "files", "hostPath": {"path": "FOLDER"}}
mount = {"name": "files", "mountPath": "FOLDER"}
dag = pipeline_dag(shared, pod={"volumes": [volume], "volume_mounts": [mount]})
"""


def claims(core_api: Any, namespace: str) -> list[Any]:
    return core_api.list_namespaced_persistent_volume_claim(namespace).items


def created(cluster: Any, resource: str) -> int:
    return sum(
        entry["count"]
        for entry in cluster.requests()
        if entry["verb"] == "create" and entry["resource"] == resource
    )


def test_steps_share_a_volume_for_the_time_of_their_run(
    on_cluster: str, run_dag: Callable[..., Any], cluster: Any, core_api: Any, tmp_path: Path
) -> None:
    (tmp_path / "data.txt").write_text("rows")
    cluster.requests(reset=True)
    conf = {"folder": str(tmp_path), "text": "hi"}
    result = run_dag(SHARED.replace("FOLDER", str(tmp_path)), conf=conf)
    assert result.state == "success", result.errors
    assert result.xcom("write")["parameters"] == {"Output": "/kfp-workspace/a/me"}
    assert result.xcom("read")["parameters"] == {"Output": "hi"}
    uri = f"file://{tmp_path}/data.txt"
    path, text, metadata, used = result.xcom("use")["parameters"]["Output"]
    assert (text, used) == ("rows", uri)
    assert path.startswith("/kfp-workspace/.artifacts/")
    assert metadata == {"owner": "me", "note": "of me", "_kfp_workspace": True}
    path, text, metadata, used = result.xcom("use-2")["parameters"]["Output"]
    assert (text, used, metadata) == ("rows", uri, {})
    assert not path.startswith("/kfp-workspace")
    # One claim, and a pod for each step but the importer that stays outside.
    assert (created(cluster, "persistentvolumeclaims"), created(cluster, "pods")) == (1, 6)
    assert result.xcom("run_start")["run"]["workspace"].startswith("shared-work-")
    assert claims(core_api, on_cluster) == []


LATE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.container_component
def sleep(path: str):
    return dsl.ContainerSpec("busybox", ["sh", "-c", 'touch "$1/here" && sleep 300', "sh", path])

@dsl.pipeline(
    name="late",
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(
            size="1Mi", kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={"storageClassName": "fast"})
        ),
        ttl_seconds_after_failure=3600,
        active_deadline_seconds=12,
    ),
)
def late():
    sleep(path=dsl.WORKSPACE_PATH_PLACEHOLDER)
    sleep(path="/kfp-workspace")

dag = pipeline_dag(late)
"""


def test_a_run_ends_at_its_deadline_and_keeps_its_workspace_for_a_while(
    on_cluster: str, run_dag: Callable[..., Any], core_api: Any
) -> None:
    failed = run_dag(LATE)
    assert failed.state == "failed"
    # One after the other, in any order; on a slow machine even the first may come too late.
    ends = [str(failed.errors[step]) for step in ("sleep", "sleep-2")]
    assert all(re.search("DeadlineExceeded|the run has had its 12 s", end) for end in ends), ends
    assert any("the run has had its 12 s (active_deadline_seconds" in end for end in ends), ends
    assert core_api.list_namespaced_pod(on_cluster).items == []
    (claim,) = claims(core_api, on_cluster)
    assert claim.metadata.name == failed.xcom("run_start")["run"]["workspace"]
    assert claim.metadata.annotations["tradewind.dev/dag-run"] == failed.run_id
    assert claim.metadata.annotations["tradewind.dev/expires"] > "2026"
    assert claim.spec.storage_class_name == "fast"
    assert claim.spec.access_modes == ["ReadWriteOnce"]
    assert claim.spec.resources.requests == {"storage": "1Mi"}


def test_what_has_expired_is_removed_by_a_later_run(on_cluster: str, core_api: Any) -> None:
    log = logging.getLogger(__name__)
    config = RunConfig(workspace=Workspace("1Mi"), kept_after_success=3600)
    settings = RunSettings("p", config=config)
    first = open_workspace(settings, "dag", "run-1", log)
    assert open_workspace(settings, "dag", "run-1", log) == first  # the task ran again
    release_workspace(settings, "dag", "run-1", succeeded=True, log=log)
    open_workspace(settings, "dag", "run-1", log)  # a step was cleared: the run goes on
    (claim,) = claims(core_api, on_cluster)
    assert "tradewind.dev/expires" not in claim.metadata.annotations
    release_workspace(settings, "dag", "run-1", succeeded=True, log=log)
    past = {"metadata": {"annotations": {"tradewind.dev/expires": "2026-01-01T00:00:00Z"}}}
    core_api.patch_namespaced_persistent_volume_claim(first, on_cluster, past)
    second = open_workspace(settings, "dag", "run-2", log)
    assert [claim.metadata.name for claim in claims(core_api, on_cluster)] == [second]
    release_workspace(settings, "dag", "run-2", succeeded=False, log=log)
    assert claims(core_api, on_cluster) == []


def test_the_deployment_says_what_workspaces_are_like(
    airflow_home: Any, cluster: Any, namespace: str, core_api: Any
) -> None:
    of_deployment = '{"storageClassName": "nfs", "accessModes": ["ReadWriteMany"]}'
    settings = RunSettings("p", config=RunConfig(workspace=Workspace("2Gi", {"storageClassName": "own"})))
    with deployment(cluster.kubeconfig, namespace=namespace, workspace_claim=of_deployment):
        open_workspace(settings, "dag", "run", logging.getLogger(__name__))
    (claim,) = claims(core_api, namespace)
    assert (claim.spec.storage_class_name, claim.spec.access_modes) == ("own", ["ReadWriteMany"])


@pytest.mark.parametrize(
    ("uri", "path"),
    [
        ("gs://bucket/a/b", "/kfp-workspace/.artifacts/gcs/bucket/a/b"),
        ("s3://bucket//a", "/kfp-workspace/.artifacts/s3/bucket/a"),
        ("https://host/x?y", "/kfp-workspace/.artifacts/https:/host/x?y"),
    ],
)
def test_artifacts_lie_in_the_workspace_where_kfp_puts_them(uri: str, path: str) -> None:
    assert workspace_path_of(uri) == path


def test_no_artifact_leaves_the_workspace() -> None:
    path = workspace_path_of("s3://bucket/../../../etc/passwd")
    assert ".." not in path
    assert path.startswith("/kfp-workspace/.artifacts/")


def test_a_step_elsewhere_cannot_use_the_workspace(airflow_home: Any, tmp_path: Path) -> None:
    settings = RunSettings("p", namespace="training")
    with deployment(tmp_path):
        require_reach(settings, {"namespace": "training", "labels": {"a": "b"}})
        for own in ({"namespace": "other"}, {"kubernetes_conn_id": "gpu"}):
            with pytest.raises(ConfigurationError, match="of its own, and uses the run's workspace"):
                require_reach(settings, own)


def test_a_run_that_does_not_begin_leaves_no_workspace(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    core_api: Any,
    run_dag: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from tradewind.operators import mlflow

    monkeypatch.setattr(mlflow, "STEP_BUDGET_SECONDS", 0.5)
    dag = LATE.replace(
        "pipeline_dag(late)", "pipeline_dag(late, tracking='required', default_args={'retries': 0})"
    )
    dag = dag.replace("ttl_seconds_after_failure=3600", "ttl_seconds_after_success=3600")
    cluster.requests(reset=True)
    with deployment(cluster.kubeconfig, "http://127.0.0.1:9", namespace=namespace):
        result = run_dag(dag)
    assert result.tasks["run_start"] == "failed"
    assert created(cluster, "persistentvolumeclaims") == 1
    assert claims(core_api, namespace) == []


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_what_is_brought_takes_its_place_at_once(tmp_path: Path, kind: str) -> None:
    step = Step(
        "i", "i", "i", "", Importer(Constant("s3://b/x"), "system.Dataset", to_workspace=True), Container("")
    )
    result = {"artifacts": {"artifact": [{"name": "artifact", "uri": "s3://b/x", "metadata": {"a": 1}}]}}
    bringing, inputs = bringing_step(step, result, "token-1")
    assert inputs.parameters == {"target": "/kfp-workspace/.artifacts/s3/b/x"}
    assert inputs.artifacts["artifact"][0]["customPath"] == "/kfp-workspace/.artifacts/.incoming/token-1"
    assert in_workspace(result)["artifacts"]["artifact"] == [
        {
            "name": "artifact",
            "uri": "s3://b/x",
            "customPath": "/kfp-workspace/.artifacts/s3/b/x",
            "metadata": {"a": 1, "_kfp_workspace": True},
        }
    ]
    action = bringing.action
    assert isinstance(action, PythonFunction)
    scope: dict[str, Any] = {}
    exec(action.source.replace("from kfp import dsl", "from tradewind import dsl"), scope)  # type: ignore[union-attr]
    target = tmp_path / "deep" / "x"
    for text in ("old", "new"):  # the second time, a cleared importer
        brought = tmp_path / "incoming"
        if kind == "file":
            brought.write_text(text)
        else:
            brought.mkdir()
            (brought / "part").write_text(text)
        scope["bring"](SimpleNamespace(path=str(brought), uri="s3://b/x"), str(target))
        assert (target if kind == "file" else target / "part").read_text() == text
        assert sorted(path.name for path in tmp_path.iterdir()) == ["deep"]
    with pytest.raises(RuntimeError, match="cannot be brought"):
        scope["bring"](SimpleNamespace(path=str(tmp_path / "none"), uri="s3://b/x"), str(target))
