"""Tests on a real cluster: skipped unless `KUBECONFIG` names one. Fixtures: `fixtures.real_cluster`.

Tests that take away from others what they need (the API server, the kubelet) are marked `disruptive` and run
alone: `make test-crashes`.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from fixtures.audit import audit_log
from fixtures.crashes import crash_mlflow, crashes
from fixtures.real_cluster import (
    fresh_namespace,
    host_for_pods,
    mlflow_for_pods,
    on_real_cluster,
    pod_history,
    real_cluster,
    real_namespace,
    s3_for_pods,
    shared_volume,
    tracked_on_real_cluster,
)

__all__ = [
    "audit_log",
    "crash_mlflow",
    "crashes",
    "fresh_namespace",
    "host_for_pods",
    "mlflow_for_pods",
    "on_real_cluster",
    "pod_history",
    "real_cluster",
    "real_namespace",
    "s3_for_pods",
    "shared_volume",
    "tracked_on_real_cluster",
]

HERE = Path(__file__).parent
SECONDS = 900
"""For one test, unless it says otherwise: machines that run a cluster beside the tests are slow."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "disruptive: takes the cluster away from others while it runs")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.cluster)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(SECONDS))
            if not os.environ.get("KUBECONFIG"):
                item.add_marker(pytest.mark.skip(reason="needs a real cluster: set KUBECONFIG"))
