"""Which processes load the Kubernetes client ahead of their tasks, and that doing so is safe."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from fixtures.airflow import AirflowHome
from tradewind.airflow.preload import MODULES, is_parent_of_tasks


@pytest.mark.parametrize(
    ("command", "executor", "parent"),
    [
        ("airflow scheduler", "LocalExecutor", True),
        ("airflow scheduler --skip-serve-logs", "LocalExecutor", True),
        ("airflow scheduler", "CeleryExecutor,LocalExecutor", True),
        ("airflow scheduler", "CeleryExecutor", False),
        ("airflow scheduler", "KubernetesExecutor", False),
        ("airflow celery worker", "CeleryExecutor", True),
        ("airflow celery flower", "CeleryExecutor", False),
        ("airflow api-server", "LocalExecutor", False),
        ("airflow dag-processor", "LocalExecutor", False),
        ("airflow triggerer", "LocalExecutor", False),
        ("airflow standalone", "LocalExecutor", False),
        ("airflow tasks test a b", "LocalExecutor", False),
        ("airflow", "LocalExecutor", False),
    ],
)
def test_only_parents_of_task_processes_are_prepared(command: str, executor: str, parent: bool):
    assert is_parent_of_tasks(command.split(), executor) is parent


def test_every_module_exists():
    for name in MODULES:
        assert importlib.util.find_spec(name), name


def _in_process(home: AirflowHome, arguments: list[str], **environment: str) -> dict[str, object]:
    """A process with an Airflow command line that makes a job, as Airflow's components do at their start."""
    code = f"""
import json, os, sys
sys.argv = {["airflow", *arguments]!r}
from airflow.jobs.job import Job
Job()
print(json.dumps({{
    "loaded": "airflow.providers.cncf.kubernetes.operators.pod" in sys.modules,
    "store": "s3fs" in sys.modules,
    "threads": len(os.listdir("/proc/self/task")) if os.path.isdir("/proc/self/task") else 1,
}}))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AIRFLOW_HOME": str(home.path), **environment},
    )
    found: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


def test_the_scheduler_has_loaded_it_before_it_forks_workers(airflow_home: AirflowHome):
    found = _in_process(airflow_home, ["scheduler"], AIRFLOW__TRADEWIND__ARTIFACT_STORE="s3://bucket/x")
    assert found == {"loaded": True, "store": True, "threads": 1}


def test_it_can_be_switched_off_and_others_are_left_alone(airflow_home: AirflowHome):
    assert not _in_process(airflow_home, ["scheduler"], AIRFLOW__TRADEWIND__PRELOAD="False")["loaded"]
    assert not _in_process(airflow_home, ["dag-processor"])["loaded"]
