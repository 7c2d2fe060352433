"""Fixtures that start the real thing; each lives in a module of its own under tests/fixtures."""

from __future__ import annotations

pytest_plugins = [
    "fixtures.airflow",
    "fixtures.cluster",
    "fixtures.kfp_sdk",
    "fixtures.mlflow",
    "fixtures.s3",
]
