"""What all tasks of one pipeline's DAG have in common, as plain data.

`pipeline_dag` fills a `RunSettings` when the DAG file is parsed and hands the same object to every operator.
It holds what the author of the DAG said and nothing else: whatever is None is looked up in Airflow's
configuration when a task runs (`tradewind.operators.configuration`), so that a deployment can change its mind
without new DAGs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tradewind.plan.run_config import RunConfig

__all__ = [
    "MLFLOW_STORE",
    "RUN_END",
    "RUN_START",
    "STEPS_DONE",
    "Deferrable",
    "FinalStatusWords",
    "HelperFor",
    "PodSecurity",
    "RunSettings",
    "TrackingMode",
]

RUN_START = "run_start"
RUN_END = "run_end"
STEPS_DONE = "steps_done"

MLFLOW_STORE = "mlflow"
"""As an artifact store: that of the MLflow server, whatever else is configured."""

TrackingMode = Literal["on", "off", "required"]

FinalStatusWords = Literal["documented", "engine"]
"""Of a final status: SUCCEEDED and FAILED as KFP documents it, COMPLETE and FAILED as its engine says."""

Deferrable = Literal["default", "true", "false", "never"]
"""Whether steps wait for their pods without a worker: as Airflow's `[operators] default_deferrable` has it,
or as this says; "never": even where a pipeline or a step asks for it, since there is no triggerer.
"""

HelperFor = Literal["artifacts", "outputs", "nothing"]
"""Container components that Python is brought to: those with artifacts, all that have outputs, or none."""

PodSecurity = Literal["restricted", "baseline"]
"""Level of the Pod Security Standards that pods keep to by themselves; the second one is that of a pod of
which nothing in particular is said."""


@dataclass(frozen=True, slots=True)
class RunSettings:
    """Settings of a pipeline's DAG.

    Attributes:
        pipeline: the pipeline's name, as in `pipelineInfo.name`.
        experiment: MLflow experiment; empty: the pipeline's name.
        tracking: "on": what MLflow cannot take is written later; "required": it fails the step; None: as the
            deployment has it (`[tradewind] tracking`).
        caching: switches the step cache for the whole pipeline; None: as the deployment has it. A step's own
            caching options can only switch it off.
        cache_ttl: age in seconds from which an earlier result no longer counts; None: as the deployment has
            it.
        artifact_store: URI below which steps keep artifacts, or `MLFLOW_STORE`; None: as the pipeline has it
            (`pipeline_root`), or the deployment; MLflow's artifact store if none of them says anything.
        cluster: Airflow connection of the Kubernetes cluster; None: as the deployment has it.
        namespace: of the pods; None: as the deployment or the connection has it.
        pod: KubernetesPodOperator arguments for every step of the pipeline; a step's own win over them.
        pipeline_root: root of the pipeline's artifacts as compiled into it (`defaultPipelineRoot`).
        config: what the pipeline itself says about its runs.
        final_status: the words in which exit tasks are told how things ended; None: as the deployment has it.
        deferrable: steps wait for their pods in the triggerer, without a worker; None: as the deployment has
            it. A step's own pod arguments win.
        retry_on: kinds of ends that are worth another try (`tradewind.cluster.retry_policy`); None: as the
            deployment has it.
    """

    pipeline: str
    experiment: str = ""
    tracking: TrackingMode | None = None
    caching: bool | None = None
    cache_ttl: float | None = None
    artifact_store: str | None = None
    cluster: str | None = None
    namespace: str | None = None
    pod: Mapping[str, Any] = field(default_factory=dict)
    pipeline_root: str = ""
    config: RunConfig = field(default_factory=RunConfig)
    final_status: FinalStatusWords | None = None
    deferrable: bool | None = None
    retry_on: Collection[str] | None = None

    @property
    def experiment_name(self) -> str:
        """The MLflow experiment's name."""
        return self.experiment or self.pipeline
