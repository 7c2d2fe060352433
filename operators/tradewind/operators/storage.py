"""Where a step's artifacts go, and how a worker itself reaches the artifact store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from tradewind.cluster import StepIdentity
from tradewind.errors import ConfigurationError
from tradewind.operators.configuration import configuration
from tradewind.operators.mlflow import MlflowAccess
from tradewind.operators.settings import MLFLOW_STORE, RunSettings
from tradewind.operators.store_access import is_mounted, pod_access
from tradewind.operators.store_settings import connection_environment, store_settings
from tradewind.runtime.stores import scheme_of

if TYPE_CHECKING:
    from tradewind.plan.model import Step
    from tradewind.tracking import TrackedRun

__all__ = [
    "Places",
    "artifact_root",
    "cache_root",
    "fetch",
    "keeps_models",
    "require_store",
    "store_arguments",
    "store_environment",
]

FETCH_SECONDS = 60.0
MLFLOW_ROOT = "mlflow-artifacts:/tradewind"
"""In MLflow's artifact store, for what belongs to no MLflow run."""


@dataclass(frozen=True, slots=True)
class Places:
    """URIs of one step try.

    Attributes:
        outputs: of each output artifact, by name.
        result: of a result that is too large for the termination message.
        models: names of the outputs that MLflow keeps as logged models, file by file.
    """

    outputs: Mapping[str, str]
    result: str
    models: frozenset[str] = frozenset()

    @classmethod
    def plan(
        cls,
        step: Step,
        pipeline: RunSettings,
        identity: StepIdentity,
        try_number: int,
        tracked: TrackedRun | None,
    ) -> Places:
        """Choose the places.

        Args:
            tracked: the step's MLflow run, if MLflow could be reached.
        """
        root = _configured(pipeline)
        if root is None and tracked is not None and tracked.artifact_uri:
            from tradewind.tracking import planned_uri

            outputs = {
                name: planned_uri(tracked, name, output.schema_title)
                for name, output in step.output_artifacts.items()
            }
            result = f"{tracked.artifact_uri.rstrip('/')}/.tradewind/result.json"
            return cls(outputs, result, frozenset(tracked.models))
        parts = (
            pipeline.pipeline,
            identity.run_id,
            identity.task_id,
            *((str(identity.map_index),) if identity.map_index >= 0 else ()),
            f"try-{try_number}",
        )
        base = "/".join([(root or MLFLOW_ROOT).rstrip("/"), *(quote(part, safe="") for part in parts)])
        return cls(
            {name: f"{base}/{quote(name, safe='')}" for name in step.output_artifacts},
            f"{base}/.tradewind/result.json",
        )


def _configured(pipeline: RunSettings) -> str | None:
    """The store's URI, None for MLflow's: as the DAG has it, else the pipeline, else the deployment."""
    chosen = pipeline.artifact_store or pipeline.pipeline_root or store_settings().uri
    return None if chosen == MLFLOW_STORE else chosen


def artifact_root(pipeline: RunSettings, tracking: Mapping[str, Any] | None) -> str:
    """Return the URI below which a run's artifacts are kept: KFP's `{{$.pipeline_root}}`.

    Args:
        tracking: what `run_start` says of the run in MLflow, if anything.
    """
    root = _configured(pipeline) or (tracking or {}).get("artifact_uri") or MLFLOW_ROOT
    return str(root).rstrip("/")


def cache_root(pipeline: RunSettings) -> str | None:
    """Return the URI below which the step cache is kept, None when there is no artifact store."""
    root = _configured(pipeline)
    if root is not None:
        return root.rstrip("/")
    return MLFLOW_ROOT if MlflowAccess.configured(configuration()) is not None else None


def keeps_models(pipeline: RunSettings) -> bool:
    """Say whether MLflow keeps the artifacts, so that models become logged models."""
    return _configured(pipeline) is None


def require_store(step: Step, pipeline: RunSettings, pod: Mapping[str, Any] | None = None) -> None:
    """Check that there is a place for the step's output artifacts, one that outlives the pod.

    Args:
        pod: arguments of the pod, those of `store_arguments` included; None: they are not looked at.

    Raises:
        ConfigurationError: there is none.
    """
    if not step.output_artifacts:
        return
    root = _configured(pipeline)
    if root is not None and pod is not None and scheme_of(root) == "file" and not is_mounted(root, pod):
        raise ConfigurationError(
            f"step {step.id!r} would keep its artifacts at {root}, and its pod mounts no volume there",
            remedy="Set [tradewind] artifact_store_volume, or mount a volume by pod_defaults.",
        )
    if cache_root(pipeline) is None:
        raise ConfigurationError(
            f"step {step.id!r} has output artifacts, and there is no artifact store",
            remedy="Set [tradewind] mlflow_tracking_uri, or artifact_store.",
        )


def store_arguments(pipeline: RunSettings) -> dict[str, Any]:
    """Return the pod arguments by which the pipeline's pods reach their artifact store."""
    return pod_access(_configured(pipeline))


def store_environment(root: str | None = None) -> dict[str, str]:
    """Return the variables by which this worker reaches artifact stores, credentials included.

    Args:
        root: URI of the store that is meant; None: the deployment's.

    Raises:
        ConfigurationError: a connection that is named does not exist.
    """
    access = MlflowAccess.configured(configuration())
    environ = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_TRACKING_")}
    if access is not None:
        wanted = {
            "MLFLOW_TRACKING_URI": access.uri,
            "MLFLOW_TRACKING_TOKEN": access.token,
            "MLFLOW_TRACKING_USERNAME": access.username,
            "MLFLOW_TRACKING_PASSWORD": access.password,
        }
        environ |= {name: value for name, value in wanted.items() if value}
    return environ | connection_environment(root or store_settings().uri)


def fetch(uri: str) -> bytes:
    """Read a small object of the artifact store.

    Raises:
        FileNotFoundError: there is nothing at the URI.
        UnreachableError, ConfigurationError: the store is away or refuses.
    """
    from tradewind.artifacts import ArtifactStore

    return ArtifactStore(store_environment(uri), timeout_seconds=FETCH_SECONDS).read(uri)
