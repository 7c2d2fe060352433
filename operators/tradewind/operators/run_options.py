"""What a single run may be told about Tradewind itself, beside the pipeline's parameters.

It travels in the run's configuration, where Airflow's form, API and backfills can put it, under names with a
dot: no parameter of a pipeline can have such a name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tradewind.errors import FatalError
from tradewind.operators.settings import MLFLOW_STORE, RunSettings

__all__ = ["CACHING", "PIPELINE_ROOT", "RUN_OPTIONS", "RunOptions", "settings_of_run"]

CACHING = "tradewind.caching"
PIPELINE_ROOT = "tradewind.pipeline_root"
RUN_OPTIONS = (CACHING, PIPELINE_ROOT)

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/\S*")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run.

    Attributes:
        caching: False: no step uses an earlier result; True: steps do, whatever pipeline and deployment say;
            None: as these say.
        pipeline_root: URI below which the run's artifacts are kept, "mlflow" for MLflow's store; None: as
            pipeline and deployment say.
    """

    caching: bool | None = None
    pipeline_root: str | None = None

    @classmethod
    def of(cls, dag_run: Any) -> RunOptions:
        """Read a run's configuration.

        Raises:
            FatalError: an option has a value that it cannot have.
        """
        given = getattr(dag_run, "conf", None)
        options = given if isinstance(given, Mapping) else {}
        caching, root = options.get(CACHING), options.get(PIPELINE_ROOT)
        if caching is not None and not isinstance(caching, bool):
            raise FatalError(
                f"The run's configuration says {CACHING} = {caching!r}",
                remedy="It must be true or false. Trigger the DAG again.",
            )
        if root is not None and not (
            isinstance(root, str) and (root == MLFLOW_STORE or _URI.fullmatch(root))
        ):
            raise FatalError(
                f"The run's configuration says {PIPELINE_ROOT} = {root!r}",
                remedy="It must be a URI, such as s3://bucket/folder, or mlflow. Trigger the DAG again.",
            )
        return cls(caching, root)


def settings_of_run(pipeline: RunSettings, dag_run: Any) -> RunSettings:
    """Return a pipeline's settings as this run has them.

    Raises:
        FatalError: an option has a value that it cannot have.
    """
    root = RunOptions.of(dag_run).pipeline_root
    return pipeline if root is None else replace(pipeline, artifact_store=root)
