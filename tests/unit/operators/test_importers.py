"""Importers: what becomes of uri and metadata, and what their artifacts mean for the cache."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from tradewind.errors import FatalError
from tradewind.operators.caching import cache_key
from tradewind.operators.importer import imported
from tradewind.operators.inputs import StepInputs
from tradewind.plan.bindings import Binding, Constant, PipelineInput, Template
from tradewind.plan.model import ArtifactOutput, Command, Importer, ParameterInput, Step


def importer(uri: Binding, metadata: dict[str, Any] | None = None, *, reimport: bool = False) -> Step:
    return Step(
        id="importer",
        display_name="importer",
        component="importer",
        scope="",
        action=Importer(uri, "system.Model", metadata=metadata or {}, reimport=reimport),
        container=None,
        parameters={"metadata": ParameterInput("NUMBER_INTEGER")},
        output_artifacts={"artifact": ArtifactOutput("system.Model")},
    )


def reference(step: Step, job: str = "job-1", **parameters: Any) -> dict[str, Any]:
    context = {"pipeline_job_uuid": job, "pipeline_job_name": "p-1"}
    view: Any = SimpleNamespace(parameters={"bucket": "b"}, context=context)
    result = imported(step, StepInputs(parameters, {}), view, {})
    return result["artifacts"]["artifact"][0]


def test_uri_and_metadata_hold_values_of_the_run() -> None:
    uri = Template("s3://{{$.inputs.parameters['bucket']}}/x", {"bucket": PipelineInput("bucket")})
    one = "{{$.inputs.parameters['metadata']}}"
    metadata = {"rows": one, "note": f"{one} rows of {{{{$.pipeline_job_name}}}}", "list": [{"n": one}]}
    assert reference(importer(uri, metadata), metadata=3) == {
        "name": "artifact",
        "type": {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"},
        "uri": "s3://b/x",
        "metadata": {"rows": 3, "note": "3 rows of p-1", "list": [{"n": 3}]},
    }


@pytest.mark.parametrize("uri", ["", "data", None, 5, "s3:bucket"])
def test_what_is_no_uri(uri: Any) -> None:
    with pytest.raises(FatalError, match="no URI"):
        reference(importer(Constant(uri)))


def test_a_reimported_artifact_is_new_in_every_run() -> None:
    reader = Step("read", "read", "read", "", Command(("true",)), None)

    def key(step: Step, job: str) -> str:
        return cache_key(reader, StepInputs({}, {"data": [reference(step, job)]}), {})

    known, again = importer(Constant("s3://b/x")), importer(Constant("s3://b/x"), reimport=True)
    assert key(known, "job-1") == key(known, "job-2")
    assert key(again, "job-1") != key(again, "job-2")
    assert key(again, "job-1") == key(again, "job-1")


EVERYWHERE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def read(data: dsl.Input[dsl.Dataset]) -> list:
    with open(data.path) as file:
        return [file.read(), data.metadata]

@dsl.pipeline
def inner(data: dsl.Input[dsl.Dataset]):
    read(data=data)

@dsl.pipeline(name="everywhere")
def everywhere(folder: str, which: str = "b"):
    with dsl.ParallelFor(["a", "b"]) as name:
        each = dsl.importer(f"file://{folder}/{name}", dsl.Dataset, metadata={"name": name, "of": [folder]})
        read(data=each.output)
    with dsl.If(which == "b"):
        found = dsl.importer(f"file://{folder}/{which}", dsl.Dataset)
        inner(data=found.output)
    with dsl.If(which == "a"):
        dsl.importer(f"file://{folder}/{which}", dsl.Dataset)

volume = {"name": "files", "hostPath": {"path": "FOLDER"}}
mount = {"name": "files", "mountPath": "FOLDER"}
dag = pipeline_dag(everywhere, pod={"volumes": [volume], "volume_mounts": [mount]})
"""


def test_importers_in_loops_and_under_conditions(on_cluster: str, run_dag: Any, tmp_path: Any) -> None:
    for name in ("a", "b"):
        (tmp_path / name).write_text(f"rows of {name}")
    result = run_dag(EVERYWHERE.replace("FOLDER", str(tmp_path)), conf={"folder": str(tmp_path)})
    assert result.state == "success", result.errors
    for index, name in enumerate(("a", "b")):
        given = result.xcom("for-loop-2.read", map_index=index)["parameters"]["Output"]
        assert given == [f"rows of {name}", {"name": name, "of": [str(tmp_path)]}]
    assert result.xcom("condition-3.inner.read")["parameters"]["Output"] == ["rows of b", {}]
    assert result.tasks["condition-4.importer-3"] == "skipped"
