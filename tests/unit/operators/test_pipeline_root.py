"""Where a run keeps its artifacts: what the pipeline, the DAG, the deployment and the run itself say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures.steps import deployment
from tradewind import dsl
from tradewind.airflow import pipeline_dag
from tradewind.errors import FatalError, InvalidPipelineError
from tradewind.operators.run_options import settings_of_run
from tradewind.operators.settings import RunSettings
from tradewind.operators.storage import artifact_root

ROOTED = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def make(root: str, data: dsl.Output[dsl.Dataset]) -> str:
    with open(data.path, "w") as file:
        file.write("rows")
    return root

@dsl.component
def use(data: dsl.Input[dsl.Dataset]) -> str:
    with open(data.path) as file:
        return file.read()

@dsl.pipeline(name="rooted", pipeline_root="file://FOLDER/pipeline")
def rooted():
    made = make(root=dsl.PIPELINE_ROOT_PLACEHOLDER + "/x")
    use(data=made.outputs["data"])

volume = {"name": "files", "hostPath": {"path": "FOLDER"}}
mount = {"name": "files", "mountPath": "FOLDER"}
dag = pipeline_dag(rooted, pod={"volumes": [volume], "volume_mounts": [mount]})
"""


def root(settings: RunSettings, conf: dict[str, Any] | None = None, **tracking: str) -> str:
    return artifact_root(settings_of_run(settings, SimpleNamespace(conf=conf or {})), tracking)


def test_the_special_goes_before_the_general(airflow_home: Any, tmp_path: Path) -> None:
    plain, rooted = RunSettings("p"), RunSettings("p", pipeline_root="s3://pipeline/")
    run = {"tradewind.pipeline_root": "gs://run"}
    with deployment(tmp_path, artifact_store="s3://deployment"):
        assert root(plain) == "s3://deployment"
        assert root(rooted) == "s3://pipeline"
        assert root(RunSettings("p", artifact_store="s3://dag", pipeline_root="s3://pipeline")) == "s3://dag"
        assert root(rooted, run) == "gs://run"
        assert root(RunSettings("p", artifact_store="mlflow"), artifact_uri="mlflow-artifacts:/1/a") == (
            "mlflow-artifacts:/1/a"
        )
    with deployment(tmp_path):
        assert root(plain, artifact_uri="mlflow-artifacts:/1/a") == "mlflow-artifacts:/1/a"
        assert root(plain) == "mlflow-artifacts:/tradewind"


@pytest.mark.parametrize("wrong", ["/a/path", 5, "s3:bucket", "s3://a b"])
def test_a_run_cannot_be_given_what_is_no_uri(wrong: Any) -> None:
    with pytest.raises(FatalError, match=r"tradewind\.pipeline_root"):
        settings_of_run(RunSettings("p"), SimpleNamespace(conf={"tradewind.pipeline_root": wrong}))


@pytest.mark.parametrize(("given", "says"), [("minio://mlpipeline/v2", "KFP server"), ("/tmp/x", "no URI")])
def test_a_root_that_no_pod_can_reach_is_refused(given: str, says: str) -> None:
    @dsl.component
    def work(): ...

    @dsl.pipeline(name="p", pipeline_root=given)
    def pipeline():
        work()

    with pytest.raises(InvalidPipelineError, match=says):
        pipeline_dag(pipeline)
    assert pipeline_dag(pipeline, artifact_store="mlflow").get_task("run_start").pipeline.artifact_store


def test_a_run_may_have_a_root_of_its_own(
    on_cluster: str, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    own = f"file://{tmp_path}/run"
    dag = ROOTED.replace("FOLDER", str(tmp_path))
    result = run_dag(dag, conf={"tradewind.pipeline_root": own})
    assert result.state == "success", result.errors
    made = result.xcom("make")
    assert made["parameters"] == {"Output": f"{own}/x"}
    assert made["artifacts"]["data"][0]["uri"].startswith(f"{own}/rooted/")
    (kept,) = (tmp_path / "run").rglob("data")
    assert kept.read_text() == "rows"
    assert result.xcom("use")["parameters"] == {"Output": "rows"}
    assert not (tmp_path / "pipeline").exists()
