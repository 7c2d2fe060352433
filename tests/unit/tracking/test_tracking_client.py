"""MLflow's own client: it reads what we wrote, and user code that uses it lands in the step's run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from dataclasses import replace

from fixtures.mlflow import MlflowServer
from tradewind.tracking import (
    MlflowRest,
    PipelineRunRecord,
    StepRecord,
    Tracker,
    planned_uri,
    pod_environment,
)

START = 1_700_000_000_000

USER_CODE = """
import mlflow
mlflow.log_metric("by_hand", 0.25)
mlflow.end_run()
with mlflow.start_run(run_name="second"):
    mlflow.log_param("x", 1)
mlflow.start_run(run_name="left open")
import os
os._exit(3)
"""

READER = """
import json, sys
import mlflow
uri, run_id = sys.argv[1:]
mlflow.set_tracking_uri(uri)
run = mlflow.get_run(run_id)
dataset = run.inputs.dataset_inputs[0].dataset
model = mlflow.get_logged_model(run.outputs.model_outputs[0].model_id)
frame = mlflow.search_runs([run.info.experiment_id], "tags.`tradewind.kind` = 'pipeline'")
print(json.dumps({
    "params": run.data.params, "metrics": run.data.metrics, "status": run.info.status,
    "dataset": [dataset.name, mlflow.data.get_source(dataset).uri],
    "model": [model.name, str(model.status), model.metrics[0].key],
    "columns": sorted(column for column in frame.columns if column.startswith("metrics.train")),
}))
"""


def python(code: str, *arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**clean, "MLFLOW_DISABLE_TELEMETRY": "true", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_real_client_and_the_records_see_the_same_runs(mlflow_server: MlflowServer) -> None:
    rest = MlflowRest(mlflow_server.uri)
    tracker = Tracker(rest)
    record = PipelineRunRecord("dag", uuid.uuid4().hex, f"client-{uuid.uuid4().hex}", "run", start_ms=START)
    parent = tracker.write_run(record)
    step = StepRecord("dag", record.run_id, "train", start_ms=START, params={"depth": 2}, uses_mlflow=True)
    run = tracker.describe_step(step, tracker.begin_step(step, parent, model_outputs=["model"]))

    user = python(USER_CODE, environment=pod_environment(mlflow_server.uri, run))
    assert user.returncode == 3, user.stderr

    model_uri = planned_uri(run, "model", "system.Model")
    model = {"name": "model", "type": {"schemaTitle": "system.Model"}, "uri": model_uri}
    data = {
        "name": "rows",
        "type": {"schemaTitle": "system.Dataset"},
        "uri": "s3://bucket/rows",
        "digest": "d:1",
    }
    end = replace(
        step,
        status="FINISHED",
        end_ms=START + 9,
        metrics={"loss": 1.0},
        inputs={"rows": [data]},
        artifacts={"model": [model]},
    )
    tracker.finish_step(end, run, parent)
    tracker.finish_run(replace(record, status="FINISHED", end_ms=START + 10), parent)

    nested = rest.post(
        "runs/search",
        {
            "experiment_ids": [parent.experiment_id],
            "filter": f"tags.mlflow.parentRunId = '{run.run_id}'",
            "order_by": ["attributes.run_name"],
        },
    )["runs"]
    assert [(item["info"]["run_name"], item["info"]["status"]) for item in nested] == [
        *(("left open", "KILLED"), ("second", "FINISHED"))
    ]
    mirrored = rest.get("runs/get", {"run_id": parent.run_id})["run"]["data"]["metrics"]
    assert {item["key"] for item in mirrored} == {"train/loss", "train/by_hand"}

    reader = python(READER, mlflow_server.uri, run.run_id, environment={})
    assert reader.returncode == 0, reader.stderr
    assert json.loads(reader.stdout.splitlines()[-1]) == {
        "params": {"depth": "2"},
        "metrics": {"by_hand": 0.25, "loss": 1.0},
        "status": "FINISHED",
        "dataset": ["rows", "s3://bucket/rows"],
        "model": ["train-model", "READY", "loss"],
        "columns": ["metrics.train/by_hand", "metrics.train/loss"],
    }
    rest.close()
