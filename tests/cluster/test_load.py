"""Many steps at once on the real cluster: none is lost, none runs twice. Figures: docs/limits.md."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.mlflow import MlflowServer
from fixtures.real_cluster import RealCluster

pytestmark = pytest.mark.disruptive

TESTS = Path(__file__).parents[1]


@pytest.mark.timeout(1800)
def test_a_loop_of_a_hundred_iterations_and_runs_at_once(
    real_cluster: RealCluster, fresh_namespace: str, mlflow_for_pods: MlflowServer
) -> None:
    account = real_cluster.airflow(fresh_namespace)
    where = ["--kubeconfig", str(account), "--namespace", fresh_namespace]
    load = [sys.executable, "-m", "bench.load", *where, "--mlflow", mlflow_for_pods.uri]
    done = subprocess.run(
        [*load, "--iterations", "100", "--runs", "10"],
        cwd=TESTS,
        env=dict(os.environ),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout
