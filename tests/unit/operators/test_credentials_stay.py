"""Credentials in the address of MLflow are the workers' own: they are in no pod, no log, no XCom, no error.

What all of a deployment's secrets come to on a real cluster is in tests/cluster/test_secrets.py.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.airflow import DagResult
from fixtures.steps import deployment
from tradewind.errors import ConfigurationError
from tradewind.operators.mlflow import MlflowAccess

CANARY = "canary0password"
PIPELINE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def show() -> str:
    import os
    return " ".join(f"{name}={value}" for name, value in os.environ.items() if "MLFLOW" in name)

@dsl.pipeline(name="away")
def away():
    show()

dag = pipeline_dag(away, caching=False)
"""


def test_nothing_shows_them_while_mlflow_is_away(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    run_dag: Callable[..., DagResult],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("AIRFLOW__LOGGING__MIN_LENGTH_MASKED_SECRET", "100000")  # masks nothing
    caplog.set_level(logging.INFO)
    uri = f"http://me:{CANARY}@127.0.0.1:9"
    with deployment(cluster.kubeconfig, uri, namespace=namespace, end_budget_seconds="1"):
        result = run_dag(PIPELINE)
    captured = capfd.readouterr()
    said = captured.out + captured.err + caplog.text
    assert "127.0.0.1:9 cannot be reached" in said
    shown = result.xcom("show")["parameters"]["Output"]
    assert "MLFLOW_TRACKING_URI=http://127.0.0.1:9" in shown
    xcoms = [result.xcom(task, key) for task in result.tasks for key in ("return_value", "pending")]
    assert any(xcoms)
    for text in (said, shown, json.dumps(xcoms, default=str), str(result.errors)):
        assert CANARY not in text


@pytest.mark.parametrize("field", ["pod_uri", "ui_uri"])
def test_an_address_that_is_shown_must_be_without(field: str) -> None:
    shown = {"pod_uri": "http://mlflow", "ui_uri": "http://mlflow"}
    with pytest.raises(ConfigurationError, match="user or password: http://mlflow") as caught:
        MlflowAccess(f"http://me:{CANARY}@mlflow", **{**shown, field: f"http://me:{CANARY}@mlflow"})
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(MlflowAccess(f"http://me:{CANARY}@mlflow", **shown))
