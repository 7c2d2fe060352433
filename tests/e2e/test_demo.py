"""The demo: what a newcomer sees, and that a second run stands beside the first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from fixtures.stack import LocalStack, gone, new_home, tradewind

pytestmark = pytest.mark.e2e

STEPS = ["load-and-split", "choose-best", "register"] + [
    f"{candidate}.{step}" for candidate in ("linear", "forest", "boosting") for step in ("train", "evaluate")
]


def metrics_of(run: dict[str, Any]) -> dict[str, float]:
    return {entry["key"]: entry["value"] for entry in run["data"]["metrics"]}


def alias_version(stack: LocalStack) -> str:
    query = {"name": "breast-cancer", "alias": "champion"}
    return str(stack.mlflow.get("registered-models/alias", query)["model_version"]["version"])


def test_the_demo_twice(stack: LocalStack) -> None:
    code, output = stack.run("run", "dags/breast_cancer.py")
    assert code == 0, output
    for step in STEPS:
        assert f"{step}: done in" in output
    for heading in ("Steps", "Parameters", "Metrics", "Artifacts", "MLflow run: http://"):
        assert f"\n{heading}" in output
    assert re.search(r"^  linear.evaluate/accuracy +0\.9\d+$", output, re.MULTILINE)

    (run,) = stack.runs("breast-cancer")
    metrics = metrics_of(run)
    for candidate in ("linear", "forest", "boosting"):
        assert 0.9 < metrics[f"{candidate}.evaluate/accuracy"] < 1
        assert 0.9 < metrics[f"{candidate}.evaluate/f1"] < 1
    assert run["info"]["status"] == "FINISHED"
    assert {step["info"]["status"] for step in stack.runs("breast-cancer", "step")} == {"FINISHED"}
    assert alias_version(stack) == "1"

    before = stack.pods_created()
    code, output = stack.run("run", "dags/breast_cancer.py")
    assert code == 0, output
    assert output.count(": cached in") == len(STEPS) - 1
    assert stack.pods_created() - before == 1  # only the registration runs again
    again, first = stack.runs("breast-cancer")
    assert first["info"]["run_id"] == run["info"]["run_id"]
    for name, value in metrics.items():
        if "/" in name and not name.startswith("register/"):
            assert metrics_of(again)[name] == value
    assert alias_version(stack) == "2"


def test_other_parameters_train_anew(stack: LocalStack) -> None:
    code, output = stack.run("run", "dags/hello.py", "-p", "name={{ ds }} $(id) 'x' \"y\" ☂\n2")
    assert code == 0, output
    (dag_run,) = [
        line.split()[1] for line in output.splitlines() if line.startswith("Run run_") and "of" in line
    ]
    returned = stack.airflow.xcom("hello", dag_run, "greet")
    assert returned["parameters"]["Output"] == "Hello, {{ ds }} $(id) 'x' \"y\" ☂\n2!"


def test_a_run_without_a_stack_brings_its_own(tmp_path: Path) -> None:
    home = new_home(tmp_path)
    process = tradewind(tmp_path, "run", "dags/hello.py")
    output, _ = process.communicate(timeout=280)
    assert process.returncode == 0, output
    assert "greet: done in" in output
    assert "MLflow run: http://" in output
    assert "tradewind up" in output
    gone(tmp_path)
    assert home.passwords.stat().st_mode & 0o777 == 0o600
    assert not home.state.exists()
