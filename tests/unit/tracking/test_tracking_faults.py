"""MLflow away, answers lost, writers at once: in the end every key has one run, and it is complete."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fixtures.http_doubles import delaying, losing
from fixtures.mlflow import MlflowServer
from tradewind.errors import UnreachableError
from tradewind.tracking import MlflowRest, PipelineRunRecord, StepRecord, TrackedRun, Tracker, planned_uri
from tradewind.tracking.runs import FoundRun, Runs

START = 1_700_000_000_000


def run_record() -> PipelineRunRecord:
    experiment = f"faults-{uuid.uuid4().hex}"
    return PipelineRunRecord("dag", "run", experiment, "run", start_ms=START, params={"rows": 1})


def end_of(record: PipelineRunRecord, run: TrackedRun, *, model: bool = False) -> StepRecord:
    artifacts: dict[str, Any] = {}
    if model:
        uri = planned_uri(run, "model", "system.Model")
        artifacts["model"] = [{"name": "model", "type": {"schemaTitle": "system.Model"}, "uri": uri}]
    return replace(
        step_of(record), status="FINISHED", end_ms=START + 9, metrics={"loss": 1.0}, artifacts=artifacts
    )


def step_of(record: PipelineRunRecord) -> StepRecord:
    return StepRecord(record.dag_id, record.run_id, "train", start_ms=START, params={"depth": 2})


def begin(tracker: Tracker, record: PipelineRunRecord, parent: TrackedRun, **options: Any) -> TrackedRun:
    """Begin a step as operators do: what the pod has to know, then the rest."""
    step = step_of(record)
    return tracker.describe_step(step, tracker.begin_step(step, parent, **options))


def active_runs(rest: MlflowRest, experiment_id: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rest.post("runs/search", {"experiment_ids": [experiment_id]}).get(
        "runs", []
    )
    return found


def content(run: dict[str, Any]) -> dict[str, Any]:
    """What is the same in two runs that say the same."""
    data = run["data"]
    volatile = {"tradewind.created", "tradewind.key", "tradewind.run", "mlflow.parentRunId"}
    tags = {tag["key"]: tag.get("value") for tag in data["tags"] if tag["key"] not in volatile}
    info = {key: run["info"].get(key) for key in ("run_name", "status", "start_time", "end_time")}
    return {**info, "tags": tags, "params": data.get("params"), "metrics": data.get("metrics")}


def test_what_an_outage_kept_back_is_written_later_with_the_same_result(mlflow_outage: MlflowServer) -> None:
    rest = MlflowRest(mlflow_outage.uri, budget_seconds=60)
    tracker, impatient = Tracker(rest), Tracker(MlflowRest(mlflow_outage.uri, budget_seconds=1))

    def whole(record: PipelineRunRecord, *, away: bool) -> list[dict[str, Any]]:
        parent = tracker.write_run(record)
        run = begin(tracker, record, parent)
        end = end_of(record, run)
        if away:
            mlflow_outage.stop()
            for write in (
                lambda: impatient.finish_step(end, run, parent),
                lambda: impatient.begin_step(replace(step_of(record), step="other"), parent),
                lambda: impatient.write_run(record),
            ):
                started = time.monotonic()
                with pytest.raises(UnreachableError):
                    write()
                assert time.monotonic() - started < 20
            mlflow_outage.start()
            kept = StepRecord.from_dict(end.to_dict())
            tracker.write_step(kept, parent)
        else:
            tracker.finish_step(end, run, parent)
        tracker.finish_run(replace(record, status="FINISHED", end_ms=START + 10), parent)
        return [content(found) for found in active_runs(rest, parent.experiment_id)]

    calm, disturbed = whole(run_record(), away=False), whole(run_record(), away=True)
    assert len(calm) == 2
    by_name = {run["run_name"]: run for run in calm}
    assert by_name == {run["run_name"]: run for run in disturbed}


@pytest.mark.parametrize(
    "lost",
    [
        *("experiments/create", "runs/create", "runs/log-batch", "runs/update", "runs/search"),
        *("api/2.0/mlflow/logged-models", "runs/outputs", "runs/log-inputs"),
    ],
)
def test_an_answer_lost_after_the_commit_leaves_no_duplicate(mlflow_server: MlflowServer, lost: str) -> None:
    record = run_record()
    with losing(mlflow_server.uri, lost) as uri:
        rest = MlflowRest(uri)
        tracker = Tracker(rest)
        parent = tracker.write_run(record)
        run = begin(tracker, record, parent, model_outputs=["model"])
        tracker.finish_step(end_of(record, run, model=True), run, parent)
        tracker.finish_run(replace(record, status="FINISHED", end_ms=START + 10), parent)
        rest.close()
    direct = MlflowRest(mlflow_server.uri)
    runs = {found["info"]["run_id"]: found for found in active_runs(direct, parent.experiment_id)}
    assert set(runs) == {parent.run_id, run.run_id}
    assert {found["info"]["status"] for found in runs.values()} == {"FINISHED"}
    models = direct.post("logged-models/search", {"experiment_ids": [parent.experiment_id]})["models"]
    assert [model["info"]["status"] for model in models] == ["LOGGED_MODEL_READY"]
    direct.close()


def test_a_step_run_whose_answer_is_lost_is_found_again(mlflow_server: MlflowServer) -> None:
    record = run_record()
    direct = MlflowRest(mlflow_server.uri)
    parent = Tracker(direct).write_run(record)
    with losing(mlflow_server.uri, "runs/create") as uri:
        rest = MlflowRest(uri)
        run = begin(Tracker(rest), record, parent)
        rest.close()
    assert {item["info"]["run_id"] for item in active_runs(direct, parent.experiment_id)} == {
        *(parent.run_id, run.run_id)
    }
    direct.close()


def at_once(count: int, work: Callable[[], TrackedRun]) -> list[TrackedRun]:
    results: list[TrackedRun] = []
    failures: list[BaseException] = []
    gate = threading.Barrier(count)

    def body() -> None:
        try:
            gate.wait(10)
            results.append(work())
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=body) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures
    return results


def test_a_slow_writer_gives_way_to_a_faster_one_that_came_later(mlflow_server: MlflowServer) -> None:
    record = run_record()
    direct = MlflowRest(mlflow_server.uri)
    parent = Tracker(direct).write_run(record)
    results: list[TrackedRun] = []
    with delaying(mlflow_server.uri, "runs/create", seconds=0.7) as uri:
        slow = MlflowRest(uri)
        thread = threading.Thread(target=lambda: results.append(begin(Tracker(slow), record, parent)))
        thread.start()
        time.sleep(0.2)
        # Starts later and is done, sure of its run, before the other's run exists.
        fast = begin(Tracker(direct), record, parent)
        thread.join(30)
        slow.close()
    assert [run.run_id for run in results] == [fast.run_id]
    runs = {found["info"]["run_id"] for found in active_runs(direct, parent.experiment_id)}
    assert runs == {parent.run_id, fast.run_id}
    direct.close()


def test_a_run_that_a_dead_writer_left_behind_is_no_obstacle(mlflow_server: MlflowServer) -> None:
    record = run_record()
    rest = MlflowRest(mlflow_server.uri)
    tracker = Tracker(rest)
    parent = tracker.write_run(record)
    run = begin(tracker, record, parent)
    tags = active_runs(rest, parent.experiment_id)[0]["data"]["tags"]
    twin = [{**tag, "value": "0"} if tag["key"] == "tradewind.created" else tag for tag in tags]
    rest.post("runs/create", {"experiment_id": parent.experiment_id, "start_time": START, "tags": twin})
    assert tracker.write_step(end_of(record, run), parent).run_id == run.run_id
    tracker.finish_run(replace(record, status="FINISHED", end_ms=START + 10), parent)
    runs = {found["info"]["run_id"] for found in active_runs(rest, parent.experiment_id)}
    assert runs == {parent.run_id, run.run_id}
    rest.close()


def test_a_run_of_another_writer_gives_way_in_the_very_moment(
    mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_record()
    tracker = Tracker(MlflowRest(mlflow_server.uri))
    parent = tracker.write_run(record)
    ours, theirs = (tracker.begin_step(step_of(record), parent) for _ in range(2))
    settle, before = Runs.settle, []

    def settled(runs: Runs, begun: FoundRun) -> FoundRun:
        if before:
            return settle(runs, begun)
        before.append(begun)
        runs.delete(theirs.run_id)
        return replace(begun, run_id=theirs.run_id)

    monkeypatch.setattr(Runs, "settle", settled)
    assert tracker.describe_step(step_of(record), ours).run_id == ours.run_id
    tracker.rest.close()


def test_writers_at_once_end_in_one_run(mlflow_server: MlflowServer) -> None:
    record = run_record()

    def parent_of() -> TrackedRun:
        return Tracker(MlflowRest(mlflow_server.uri, budget_seconds=30)).write_run(record)

    (final,) = {parent.run_id: parent for parent in at_once(4, parent_of)}.values()
    direct = MlflowRest(mlflow_server.uri)

    def step() -> TrackedRun:
        return begin(Tracker(MlflowRest(mlflow_server.uri, budget_seconds=30)), record, final)

    (run_id,) = {run.run_id for run in at_once(4, step)}
    tracker = Tracker(direct)
    assert tracker.write_step(end_of(record, final), final).run_id == run_id
    tracker.finish_run(replace(record, status="FINISHED", end_ms=START + 10), final)
    kinds = Counter()
    for found in active_runs(direct, final.experiment_id):
        tags = {tag["key"]: tag["value"] for tag in found["data"]["tags"]}
        kinds[tags["tradewind.kind"]] += 1
        assert found["info"]["status"] == "FINISHED"
    assert kinds == {"pipeline": 1, "step": 1}
    direct.close()
