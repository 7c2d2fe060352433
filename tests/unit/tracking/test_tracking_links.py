"""Links into MLflow's pages, planned URIs, the pod's environment."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

from tradewind.tracking import (
    TrackedRun,
    planned_uri,
    pod_environment,
    ui_compare_url,
    ui_experiment_url,
    ui_run_artifacts_url,
    ui_run_url,
)

BASE = "https://ana:secret@ml.example/mlflow/"
RUN = TrackedRun(
    "7", "ab12", "mlflow-artifacts:/7/ab12/artifacts", "hash", {"model": "mlflow-artifacts:/7/models/m-1"}
)


def query(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit("//x" + urlsplit(url).fragment).query)


def test_every_link_says_the_workflow_and_hides_credentials() -> None:
    links = [
        ui_run_url(BASE, "7", "ab12"),
        ui_run_artifacts_url(BASE, "7", "ab12"),
        ui_experiment_url(BASE, "7"),
        ui_compare_url(BASE, "7", ["ab12", "cd34"]),
    ]
    for link in links:
        assert link.startswith("https://ml.example/mlflow/#/")
        assert query(link)["workflowType"] == ["machine_learning"]
    assert "/experiments/7/runs/ab12?" in links[0]
    assert query(links[2])["searchFilter"] == ["tags.`tradewind.kind` = 'pipeline'"]
    assert json.loads(query(links[3])["runs"][0]) == ["ab12", "cd34"]


def test_planned_uris() -> None:
    assert planned_uri(RUN, "model", "system.Model") == "mlflow-artifacts:/7/models/m-1/model"
    assert planned_uri(RUN, "report", "system.HTML") == "mlflow-artifacts:/7/ab12/artifacts/report.html"
    assert planned_uri(RUN, "notes", "system.Markdown") == "mlflow-artifacts:/7/ab12/artifacts/notes.md"
    assert planned_uri(RUN, "data", "system.Dataset") == "mlflow-artifacts:/7/ab12/artifacts/data"


def test_the_pods_environment_holds_no_credentials() -> None:
    environment = pod_environment(BASE, RUN)
    assert environment["MLFLOW_TRACKING_URI"] == "https://ml.example/mlflow/"
    assert environment["MLFLOW_RUN_ID"] == "ab12"
    assert environment["MLFLOW_EXPERIMENT_ID"] == "7"
    assert json.loads(environment["MLFLOW_RUN_CONTEXT"])["mlflow.parentRunId"] == "ab12"
    assert "secret" not in json.dumps(environment)


def test_importing_brings_in_nothing_heavy() -> None:
    code = (
        "import sys, tradewind.tracking;"
        "heavy = {'mlflow', 'requests', 'airflow', 'kubernetes', 'yaml', 'numpy'};"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
