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
from tradewind.plan.values import text_problem

__all__ = [
    "CACHING",
    "EXPERIMENT",
    "PIPELINE_ROOT",
    "RUN_OPTIONS",
    "RunOptions",
    "is_artifact_root",
    "settings_of_run",
]

CACHING = "tradewind.caching"
PIPELINE_ROOT = "tradewind.pipeline_root"
EXPERIMENT = "tradewind.experiment"
RUN_OPTIONS = (CACHING, PIPELINE_ROOT, EXPERIMENT)

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/\S*")


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run.

    Attributes:
        caching: False: no step uses an earlier result; True: steps do, whatever pipeline and deployment say;
            None: as these say.
        pipeline_root: URI below which the run's artifacts are kept, "mlflow" for MLflow's store; None: as
            pipeline and deployment say.
        experiment: MLflow experiment of the run; None: as the pipeline says.
    """

    caching: bool | None = None
    pipeline_root: str | None = None
    experiment: str | None = None

    @classmethod
    def of(cls, dag_run: Any) -> RunOptions:
        """Read a run's configuration.

        Raises:
            FatalError: an option has a value that it cannot have.
        """
        given = getattr(dag_run, "conf", None)
        options = given if isinstance(given, Mapping) else {}
        caching, root, experiment = map(options.get, (CACHING, PIPELINE_ROOT, EXPERIMENT))
        if caching is not None and not isinstance(caching, bool):
            raise FatalError(
                f"The run's configuration says {CACHING} = {caching!r}",
                remedy="It must be true or false. Trigger the DAG again.",
            )
        if root is not None and not is_artifact_root(root):
            raise FatalError(
                f"The run's configuration says {PIPELINE_ROOT} = {root!r}",
                remedy="It must be a URI, such as s3://bucket/folder, or mlflow. Trigger the DAG again.",
            )
        if experiment is not None and not (isinstance(experiment, str) and experiment.strip()):
            raise FatalError(
                f"The run's configuration says {EXPERIMENT} = {experiment!r}",
                remedy="It must be the name of an MLflow experiment. Trigger the DAG again.",
            )
        for name, text in ((PIPELINE_ROOT, root), (EXPERIMENT, experiment)):
            if problem := text_problem(text or ""):
                raise FatalError(
                    f"The run's configuration says {name} = {text!r}, which {problem}",
                    remedy="Trigger the DAG again.",
                )
        return cls(caching, root, experiment)


def is_artifact_root(value: object) -> bool:
    """Whether artifacts may be kept below this."""
    return isinstance(value, str) and (value == MLFLOW_STORE or _URI.fullmatch(value) is not None)


def settings_of_run(pipeline: RunSettings, dag_run: Any) -> RunSettings:
    """Return a pipeline's settings as this run has them.

    Raises:
        FatalError: an option has a value that it cannot have.
    """
    asked = RunOptions.of(dag_run)
    if asked.pipeline_root is not None:
        pipeline = replace(pipeline, artifact_store=asked.pipeline_root)
    return pipeline if asked.experiment is None else replace(pipeline, experiment=asked.experiment)
