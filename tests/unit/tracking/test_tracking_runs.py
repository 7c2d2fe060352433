"""What stands in MLflow after a pipeline run, read back from a real server."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fixtures.mlflow import MlflowServer
from tradewind.errors import ConfigurationError
from tradewind.tracking import (
    MlflowRest,
    PipelineRunRecord,
    RejectedError,
    StepRecord,
    TrackedRun,
    Tracker,
    planned_uri,
)

START = 1_700_000_000_000


@pytest.fixture
def rest(mlflow_server: MlflowServer) -> Iterator[MlflowRest]:
    rest = MlflowRest(mlflow_server.uri)
    yield rest
    rest.close()


@pytest.fixture
def tracker(rest: MlflowRest) -> Tracker:
    return Tracker(rest)


def run_record(**more: Any) -> PipelineRunRecord:
    """A pipeline run of its own experiment; the run id has what Airflow's may have."""
    values: dict[str, Any] = {
        "dag_id": "churn",
        "run_id": f"manual__2024-01-01T00:00:00+00:00'\"`{uuid.uuid4().hex}",
        "experiment": f"churn-{uuid.uuid4().hex}",
        "name": "churn 1",
        "start_ms": START,
    }
    return PipelineRunRecord(**{**values, **more})


def step_record(run: PipelineRunRecord, step: str = "train", **more: Any) -> StepRecord:
    return StepRecord(run.dag_id, run.run_id, step, **{"start_ms": START + 1000, **more})


def done(record: StepRecord, status: str = "FINISHED", **more: Any) -> StepRecord:
    return replace(record, **{"status": status, "end_ms": START + 3000, **more})


def reference(title: str, uri: str = "", **more: Any) -> dict[str, Any]:
    return {"name": "it", "type": {"schemaTitle": f"system.{title}"}, "uri": uri, "metadata": {}, **more}


class Seen:
    """A run as the server tells it."""

    def __init__(self, rest: MlflowRest, run_id: str) -> None:
        run = rest.get("runs/get", {"run_id": run_id})["run"]
        data = run["data"]
        self.info = run["info"]
        self.status = self.info["status"]
        self.params = {item["key"]: item.get("value", "") for item in data.get("params", [])}
        self.tags = {item["key"]: item.get("value", "") for item in data.get("tags", [])}
        self.metrics = {item["key"]: item["value"] for item in data.get("metrics", [])}
        self.datasets = run.get("inputs", {}).get("dataset_inputs", [])
        self.models_read = [item["model_id"] for item in run.get("inputs", {}).get("model_inputs", [])]
        self.models_made = [item["model_id"] for item in run.get("outputs", {}).get("model_outputs", [])]


def artifact(rest: MlflowRest, run: TrackedRun, path: str) -> bytes:
    root = run.artifact_uri.removeprefix("mlflow-artifacts:/")
    return rest.send("GET", f"/api/2.0/mlflow-artifacts/artifacts/{root}/{path}", None, "")


def all_runs(rest: MlflowRest, experiment_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rest.post("runs/search", {"experiment_ids": [experiment_id]}).get(
        "runs", []
    )
    return found


# --- pipeline runs --------------------------------------------------------------------------------------


def test_a_pipeline_run_from_start_to_end(rest: MlflowRest, tracker: Tracker) -> None:
    params = {"rows": 500, "text": "{{ x }}", "flag": True, "none": None, "odd [key]": [1, 2]}
    record = run_record(
        params=params, tags={"team": "ml"}, note="Nightly *run*.", airflow_url="http://af/dags/churn"
    )
    run = tracker.write_run(record)
    seen = Seen(rest, run.run_id)
    assert seen.status == "RUNNING"
    assert seen.info["run_name"] == "churn 1"
    assert int(seen.info["start_time"]) == START
    assert seen.params == {
        "rows": "500",
        "text": "{{ x }}",
        "flag": "true",
        "none": "null",
        "odd _key_": "[1, 2]",
    }
    assert seen.tags["mlflow.note.content"] == "[DAG run in Airflow](http://af/dags/churn)\n\nNightly *run*."
    assert (seen.tags["tradewind.kind"], seen.tags["team"]) == ("pipeline", "ml")
    assert seen.tags["tradewind.run_id"] == record.run_id

    end = replace(record, status="FINISHED", end_ms=START + 9000, outputs={"score": 0.9, "which": "forest"})
    assert tracker.finish_run(end) == run
    seen = Seen(rest, run.run_id)
    assert (seen.status, int(seen.info["end_time"])) == ("FINISHED", START + 9000)
    assert seen.metrics == {"score": 0.9}
    assert seen.tags["tradewind.output.which"] == "forest"
    assert len(all_runs(rest, run.experiment_id)) == 1


def test_a_retried_run_is_the_same_run_and_open_again(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record(params={"rows": 1, "depth": 3})
    run = tracker.write_run(record)
    tracker.finish_run(replace(record, status="FAILED", end_ms=START + 1), run)
    again = tracker.write_run(replace(record, params={"rows": 2, "depth": 3, "new": 1}))
    assert again == run
    seen = Seen(rest, run.run_id)
    assert seen.status == "RUNNING"
    # MLflow never changes a param: the first value stays, the new one is told.
    assert seen.params == {"rows": "1", "depth": "3", "new": "1"}
    assert json.loads(seen.tags["tradewind.changed_params"]) == {"rows": "2"}
    tracker.finish_run(replace(record, status="FINISHED", end_ms=START + 2), run)
    tracker.reopen_run(run)
    assert Seen(rest, run.run_id).status == "RUNNING"
    tracker.finish_run(replace(record, status="KILLED", end_ms=START + 3), run)
    seen = Seen(rest, run.run_id)
    assert (seen.status, int(seen.info["end_time"])) == ("KILLED", START + 3)


def test_the_end_closes_what_was_left_open(rest: MlflowRest, tracker: Tracker) -> None:
    record, other = run_record(), run_record()
    parent, stranger = (
        tracker.write_run(record),
        tracker.write_run(replace(other, experiment=record.experiment)),
    )
    lost = tracker.begin_step(step_record(record, "lost"), parent, model_outputs=["model"])
    ended = tracker.begin_step(step_record(record, "ended"), parent)
    tracker.finish_step(done(step_record(record, "ended"), "FAILED"), ended, parent)
    # As `mlflow.start_run()` in the step's code makes it, with the context that the pod gets.
    tags = [
        {"key": "tradewind.run", "value": lost.group},
        {"key": "mlflow.parentRunId", "value": lost.run_id},
    ]
    body = {"experiment_id": parent.experiment_id, "start_time": START, "tags": tags}
    nested = rest.post("runs/create", body)["run"]["info"]["run_id"]

    tracker.finish_run(replace(record, status="FAILED", end_ms=START + 5000), parent)
    assert [Seen(rest, run).status for run in (parent.run_id, lost.run_id, ended.run_id, nested)] == [
        *("FAILED", "KILLED", "FAILED", "KILLED")
    ]
    assert Seen(rest, stranger.run_id).status == "RUNNING"
    assert model_statuses(rest, parent.experiment_id) == {"lost-model": "LOGGED_MODEL_UPLOAD_FAILED"}


def test_a_deleted_experiment_is_told_and_not_revived(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    run = tracker.write_run(record)
    rest.post("experiments/delete", {"experiment_id": run.experiment_id})
    with pytest.raises(ConfigurationError, match="was deleted") as caught:
        Tracker(rest).write_run(replace(record, run_id="another"))
    assert f"--experiment-id {run.experiment_id}" in caught.value.remedy


# --- steps ----------------------------------------------------------------------------------------------


def test_a_step_from_start_to_end(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    step = step_record(record, "prep.train", params={"depth": 5}, airflow_url="http://af/task")
    run = tracker.describe_step(step, tracker.begin_step(step, parent))
    seen = Seen(rest, run.run_id)
    assert (seen.status, seen.params) == ("RUNNING", {"depth": "5"})
    assert seen.tags["mlflow.parentRunId"] == parent.run_id
    assert (seen.tags["tradewind.task_id"], seen.tags["tradewind.try_number"]) == ("prep.train", "1")

    artifacts = {"metrics": [reference("Metrics", metadata={"accuracy": 0.9, "ok": True, "words": "x"})]}
    tracker.finish_step(done(step, artifacts=artifacts, outputs={"Output": 3, "name": "forest"}), run, parent)
    seen = Seen(rest, run.run_id)
    assert (seen.status, int(seen.info["end_time"])) == ("FINISHED", START + 3000)
    assert seen.metrics == {"accuracy": 0.9, "ok": 1.0, "Output": 3.0}
    assert seen.tags["tradewind.output.name"] == "forest"
    mirrored = {"prep.train/accuracy": 0.9, "prep.train/ok": 1.0, "prep.train/Output": 3.0}
    assert Seen(rest, parent.run_id).metrics == mirrored


def test_only_the_try_that_worked_is_mirrored(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    first = step_record(record, error="")
    run = tracker.describe_step(first, tracker.begin_step(first, parent))
    tracker.finish_step(
        done(first, "FAILED", metrics={"loss": 9.0}, error="Exit code 1\n```boom```"), run, parent
    )
    failed = Seen(rest, run.run_id)
    assert (failed.status, failed.metrics) == ("FAILED", {"loss": 9.0})
    assert failed.tags["tradewind.error"] == "Exit code 1\n```boom```"
    assert "````text\nExit code 1" in failed.tags["mlflow.note.content"]
    assert Seen(rest, parent.run_id).metrics == {}

    second = step_record(record, try_number=2)
    again = tracker.describe_step(second, tracker.begin_step(second, parent))
    tracker.finish_step(done(second, metrics={"loss": 1.0}), again, parent)
    assert again.run_id != run.run_id
    assert Seen(rest, again.run_id).info["run_name"] == "train (try 2)"
    assert Seen(rest, parent.run_id).metrics == {"train/loss": 1.0}


def test_an_old_record_written_late_does_not_replace_newer_metrics(
    rest: MlflowRest, tracker: Tracker
) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    old = done(step_record(record), metrics={"loss": 9.0})
    new = done(step_record(record, try_number=2), metrics={"loss": 1.0}, end_ms=START + 60_000)
    tracker.write_step(new, parent)
    tracker.write_step(old, parent)
    assert Seen(rest, parent.run_id).metrics == {"train/loss": 1.0}


def test_mapped_steps_do_not_share_metrics(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    for index in range(2):
        tracker.write_step(done(step_record(record, map_index=index, metrics={"loss": index})), parent)
    assert Seen(rest, parent.run_id).metrics == {"train/0/loss": 0.0, "train/1/loss": 1.0}
    names = {run["info"]["run_name"] for run in all_runs(rest, parent.experiment_id)}
    assert names == {"churn 1", "train [0]", "train [1]"}


def test_writing_everything_twice_changes_nothing(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record(params={"rows": 1})
    parent = tracker.write_run(record)
    step = step_record(record, params={"depth": 2})
    run = tracker.describe_step(step, tracker.begin_step(step, parent, model_outputs=["model"]))
    model = reference("Model", planned_uri(run, "model", "system.Model"))
    data = reference("Dataset", "s3://bucket/x", digest="sha256:abc")
    end = done(step, metrics={"loss": 1.0}, artifacts={"model": [model], "data": [data]})
    tracker.finish_step(end, run, parent)
    before = [rest.get("runs/get", {"run_id": item.run_id}) for item in (parent, run)]
    # From JSON, as it comes back from XCom, and without the run's id.
    again = StepRecord.from_dict(json.loads(json.dumps(end.to_dict())))
    assert tracker.write_step(again, TrackedRun.from_dict(parent.to_dict())).run_id == run.run_id
    resumed = tracker.begin_step(step, parent, model_outputs=["model"], resumed=True)
    assert tracker.describe_step(step, resumed) == run
    tracker.write_step(again, parent, run)
    assert tracker.write_run(record) == parent
    assert [rest.get("runs/get", {"run_id": item.run_id}) for item in (parent, run)] == before
    assert len(all_runs(rest, parent.experiment_id)) == 2


def test_a_cache_hit_is_finished_at_once_and_says_where_it_came_from(
    rest: MlflowRest, tracker: Tracker
) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    source = {"mlflow_run_id": "ab12", "experiment_id": "3", "run": "churn/monday", "url": "http://af/(x)"}
    hit = done(step_record(record), metrics={"loss": 1.0}, cached_from=source)
    run = tracker.write_step(hit, parent)
    seen = Seen(rest, run.run_id)
    assert seen.status == "FINISHED"
    assert (seen.tags["tradewind.cached"], seen.tags["tradewind.cached_from"]) == ("true", "ab12")
    note = seen.tags["mlflow.note.content"]
    assert "`churn/monday`" in note
    assert "(#/experiments/3/runs/ab12?workflowType=machine_learning)" in note
    assert "(http://af/%28x%29)" in note
    assert Seen(rest, parent.run_id).metrics == {"train/loss": 1.0}


def test_artifacts_that_mlflow_does_not_keep_are_named(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    artifacts = {
        "model": [reference("Model", "s3://bucket/run/model")],
        "parts": [reference("Artifact", "file:///data/0"), reference("Artifact", "file:///data/1")],
        "here": [reference("Artifact", "mlflow-artifacts:/1/ab/artifacts/here")],
    }
    run = tracker.write_step(done(step_record(record), artifacts=artifacts), tracker.write_run(record))
    tags = Seen(rest, run.run_id).tags
    assert {name: tags[name] for name in tags if name.startswith("tradewind.artifact.")} == {
        "tradewind.artifact.model": "s3://bucket/run/model",
        "tradewind.artifact.parts/0": "file:///data/0",
        "tradewind.artifact.parts/1": "file:///data/1",
    }


def test_the_status_is_right_although_the_code_ended_its_run_itself(
    rest: MlflowRest, tracker: Tracker
) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    step = step_record(record)
    for status in ("FAILED", "KILLED"):
        run = tracker.describe_step(step, tracker.begin_step(step, parent))
        rest.post("runs/update", {"run_id": run.run_id, "status": "FINISHED", "end_time": 1})
        tracker.finish_step(done(step, status), run, parent)
        seen = Seen(rest, run.run_id)
        assert (seen.status, int(seen.info["end_time"])) == (status, START + 3000)


# --- artifacts ------------------------------------------------------------------------------------------


def model_statuses(rest: MlflowRest, experiment_id: str) -> dict[str, str]:
    models = rest.post("logged-models/search", {"experiment_ids": [experiment_id]}).get("models", [])
    return {model["info"]["name"]: model["info"]["status"] for model in models}


def test_models_are_announced_and_then_ready_or_failed(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    step = step_record(record, "prep.train", params={"depth": 5})
    run = tracker.describe_step(step, tracker.begin_step(step, parent, model_outputs=["best", "worst"]))
    assert set(model_statuses(rest, run.experiment_id).values()) == {"LOGGED_MODEL_PENDING"}
    uri = planned_uri(run, "best", "system.Model")
    assert uri == run.models["best"] + "/best"
    best = reference("Model", uri, metadata={"framework": "sklearn"}, digest="sha256:ab")
    elsewhere = reference("Model", "s3://bucket/worst")
    end = done(step, metrics={"loss": 1.0}, artifacts={"best": [best], "worst": [elsewhere]})
    tracker.finish_step(end, run, parent)
    assert model_statuses(rest, run.experiment_id) == {
        "prep-train-best": "LOGGED_MODEL_READY",
        "prep-train-worst": "LOGGED_MODEL_UPLOAD_FAILED",
    }
    made = Seen(rest, run.run_id).models_made
    assert made == Seen(rest, parent.run_id).models_made
    model = rest.get(f"logged-models/{made[0]}")["model"]
    assert model["info"]["source_run_id"] == run.run_id
    assert {"key": "framework", "value": "sklearn"} in model["info"]["tags"]
    assert [(metric["key"], metric["value"]) for metric in model["data"]["metrics"]] == [("loss", 1.0)]
    assert model["data"]["params"] == [{"key": "depth", "value": "5"}]

    # The step that reads the model: its metrics are the model's, too.
    check = step_record(record, "evaluate")
    checked = tracker.describe_step(check, tracker.begin_step(check, parent))
    tracker.finish_step(
        done(check, inputs={"model": [best]}, metrics={"f1": 0.5, "nan": float("nan")}), checked, parent
    )
    assert Seen(rest, checked.run_id).models_read == made
    metrics = rest.get(f"logged-models/{made[0]}")["model"]["data"]["metrics"]
    assert {metric["key"]: metric["value"] for metric in metrics} == {"loss": 1.0, "f1": 0.5}


def test_a_failed_step_fails_its_models(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    step = step_record(record)
    run = tracker.describe_step(step, tracker.begin_step(step, parent, model_outputs=["model"]))
    tracker.finish_step(done(step, "FAILED"), run, parent)
    assert model_statuses(rest, run.experiment_id) == {"train-model": "LOGGED_MODEL_UPLOAD_FAILED"}


def test_datasets_stand_on_the_step_and_on_the_pipeline_run(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    uri = "mlflow-artifacts:/1/x/artifacts/train_set"
    data = reference("Dataset", uri, name="train_set", digest="sha256:" + "ab" * 32, metadata={"num_rows": 5})
    made = tracker.write_step(done(step_record(record, "split"), artifacts={"train_set": [data]}), parent)
    read = tracker.write_step(
        done(step_record(record), inputs={"rows": [data, {**data, "digest": None}]}), parent
    )
    (dataset,) = Seen(rest, made.run_id).datasets
    assert dataset["tags"] == [{"key": "mlflow.data.context", "value": "output"}]
    assert (dataset["dataset"]["name"], dataset["dataset"]["digest"]) == ("train_set", "ab" * 6)
    assert json.loads(dataset["dataset"]["source"]) == {"uri": uri}
    assert json.loads(dataset["dataset"]["profile"]) == {"num_rows": 5}
    assert {item["tags"][0]["value"] for item in Seen(rest, read.run_id).datasets} == {"input"}
    assert len(Seen(rest, parent.run_id).datasets) == 2


def test_confusion_matrix_and_roc_are_files_of_the_run(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    metadata = {
        "confusionMatrix": {
            "annotationSpecs": [{"displayName": "a"}, {"displayName": "b"}],
            "rows": [{"row": [1, 2]}, {"row": [3, 4]}],
        },
        "confidenceMetrics": [{"confidenceThreshold": 0.5, "recall": 1.0, "falsePositiveRate": 0.0}],
    }
    cm = reference("ClassificationMetrics", metadata=metadata)
    run = tracker.write_step(done(step_record(record), artifacts={"cm": [cm]}), parent)
    assert json.loads(artifact(rest, run, "charts/cm/confusion_matrix.json"))["matrix"] == [[1, 2], [3, 4]]
    assert json.loads(artifact(rest, run, "charts/cm/roc_curve.json"))["auc"] == 1.0
    for name in ("confusion_matrix", "roc_curve"):
        assert artifact(rest, run, f"charts/cm/{name}.svg").startswith(b"<svg")


def test_files_reach_runs_whose_artifacts_are_not_served_by_the_proxy(
    rest: MlflowRest, tracker: Tracker, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("direct")
    name = f"direct-{uuid.uuid4().hex}"
    rest.post("experiments/create", {"name": name, "artifact_location": folder.as_uri()})
    run = tracker.write_run(run_record(experiment=name))
    tracker.upload(run, "a folder/report ä.md", b"# Hello")
    assert (folder / run.run_id / "artifacts" / "a folder" / "report ä.md").read_bytes() == b"# Hello"


# --- odd and large --------------------------------------------------------------------------------------


def test_odd_and_large_values_arrive_or_say_that_they_were_cut(rest: MlflowRest, tracker: Tracker) -> None:
    values: dict[str, Any] = {f"p{i}": i for i in range(250)}
    values |= {
        "nul\0": "a\0b\ud800",
        "🚀": "🚀" * 7000,
        "": "",
        "../x": "'\"{{ y }}\n$(id)",
        "k" * 400: "ä" * 6000,
    }
    record = run_record(params=values, tags={"long": "t" * 9000, "tradewind.kind": "mine"})
    run = tracker.write_run(record)
    seen = Seen(rest, run.run_id)
    assert len(seen.params) == len(values)
    assert seen.params["nul_"] == "a\ufffdb\ufffd"
    assert seen.params["__/x"] == "'\"{{ y }}\n$(id)"
    assert "ä" * 6000 in seen.params.values()
    assert any(value.endswith("[cut: 7000 characters]") for value in seen.params.values())
    assert seen.tags["long"].endswith("[cut: 9000 characters]")
    assert seen.tags["tradewind.kind"] == "pipeline"


def test_more_metrics_than_a_batch_takes_and_odd_numbers(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    metrics = {f"m{i}": float(i) for i in range(1100)}
    metrics |= {"nan": float("nan"), "inf": float("inf"), "(a": 1.0, "[a": 2.0}
    outputs = {f"o{i}": "x" * 8000 for i in range(110)}
    run = tracker.write_step(done(step_record(record), metrics=metrics, outputs=outputs), parent)
    seen = Seen(rest, run.run_id)
    assert len(seen.metrics) == len(metrics) == len(Seen(rest, parent.run_id).metrics)
    assert sum(tag.startswith("tradewind.output.") for tag in seen.tags) == 110


def test_a_refused_part_does_not_keep_the_rest_from_being_written(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    step = step_record(record)
    run = tracker.describe_step(step, tracker.begin_step(step, parent))
    rest.post("runs/delete", {"run_id": parent.run_id})
    with pytest.raises(RejectedError, match="active"):
        tracker.finish_step(done(step, metrics={"loss": 1.0}), run, parent)
    seen = Seen(rest, run.run_id)
    assert (seen.status, seen.metrics) == ("FINISHED", {"loss": 1.0})


def test_a_step_without_results_costs_few_calls(rest: MlflowRest, tracker: Tracker) -> None:
    record = run_record()
    parent = tracker.write_run(record)
    step = step_record(record, params={"a": 1})
    before = rest.calls
    run = tracker.describe_step(step, tracker.begin_step(step, parent))
    tracker.finish_step(done(step), run, parent)
    assert rest.calls - before <= 4
    before = rest.calls
    tracker.write_step(done(step_record(record, "hit"), cached_from={}), parent)
    assert rest.calls - before <= 4
