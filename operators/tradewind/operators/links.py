"""Links from a task instance in Airflow's UI to what it left in MLflow.

Airflow asks an operator's links for their address at the end of a task, in the worker, and keeps the answer
as an XCom under `xcom_key`; the web server only reads that. A running step pushes the same keys as soon as
its MLflow run exists, so that the links are there while it runs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

__all__ = [
    "ARTIFACTS_URL",
    "CACHED_FROM_URL",
    "MLFLOW_URL",
    "ArtifactsLink",
    "CachedFromLink",
    "MlflowRunLink",
    "keeping_links",
]

MLFLOW_URL = "mlflow_url"
ARTIFACTS_URL = "artifacts_url"
CACHED_FROM_URL = "cached_from"


class _StepLink(BaseOperatorLink):
    """A link whose address the operator found while it ran, in `operator.links`."""

    key: str = ""

    @property
    def xcom_key(self) -> str:
        """Key of the XCom that holds the address."""
        return self.key

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the address, empty when there is none (tracking is off, or MLflow was away)."""
        links: dict[str, Any] = getattr(operator, "links", None) or {}
        return str(links.get(self.key, ""))


class MlflowRunLink(_StepLink):
    """To the MLflow run of the step's last try, or of the whole pipeline run."""

    name = "MLflow run"
    key = MLFLOW_URL


class CachedFromLink(_StepLink):
    """Of a step that was cached: to the task in Airflow that made its result."""

    name = "Cached from"
    key = CACHED_FROM_URL


class ArtifactsLink(_StepLink):
    """To the artifacts of that run, in MLflow or in the store's own console."""

    name = "Artifacts"
    key = ARTIFACTS_URL


@contextlib.contextmanager
def keeping_links(operator: Any) -> Iterator[None]:
    """Have Airflow keep the links that an operator finds meanwhile. It keeps each with a request of its own,
    whether it leads somewhere or not.
    """
    try:
        yield
    finally:
        links = operator.operator_extra_links
        operator.operator_extra_links = [link for link in links if operator.links.get(link.xcom_key)]
