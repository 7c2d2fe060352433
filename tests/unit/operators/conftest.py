"""A deployment of the tests' own: the shared cluster, a namespace per test, MLflow where it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.steps import deployment


@pytest.fixture
def on_cluster(airflow_home: Any, cluster: Any, namespace: str) -> Iterator[str]:
    """Airflow configured for the embedded cluster, without MLflow; gives the namespace of the pods."""
    with deployment(cluster.kubeconfig, namespace=namespace):
        yield namespace


@pytest.fixture
def tracked(airflow_home: Any, cluster: Any, namespace: str, mlflow_server: Any) -> Iterator[str]:
    """Airflow configured for the embedded cluster and the shared MLflow server; gives the namespace."""
    with deployment(cluster.kubeconfig, mlflow_server.uri, namespace=namespace):
        yield namespace
