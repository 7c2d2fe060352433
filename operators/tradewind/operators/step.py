"""The operator of a step: thin where DAGs are parsed, a pod where they run.

At parse time a `StepOperator` holds a plan's step and the pipeline's settings, and imports nothing that a DAG
file would have to pay for. All work is in `tradewind.operators.execution`, loaded when the task runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from tradewind.operators.links import ArtifactsLink, CachedFromLink, MlflowRunLink
from tradewind.operators.nest import NO_LOOPS, LoopNest

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.execution import StepExecution
    from tradewind.operators.settings import RunSettings
    from tradewind.plan.model import Step

__all__ = ["StepOperator"]


class StepOperator(BaseOperator):
    """Runs one step of a pipeline: resolves its inputs, asks the cache, and starts a pod when one is needed.

    Returns (as XCom) the step's output parameters and artifact references, see docs/architecture.md. Nothing
    of it is an Airflow template: values of a run are data.

    Args:
        step: the step, as in the pipeline's plan.
        pipeline: the settings that all tasks of the DAG share.
        nest: the loops of the plan; None for a pipeline without any.
        pod: KubernetesPodOperator arguments for this step; they win over those of the pipeline and the
            deployment. Strings in them may be templates, they come from the DAG's author.
        kwargs: arguments of any Airflow task: retries, pool, execution_timeout, ...
    """

    ui_color = "#e8f1fb"
    template_fields: Collection[str] = ()
    shallow_copy_attrs = ("step", "pipeline", "nest", "pod")
    operator_extra_links: ClassVar[Collection[BaseOperatorLink]] = (  # type: ignore[misc]
        MlflowRunLink(),
        ArtifactsLink(),
        CachedFromLink(),
    )

    def __init__(
        self,
        *,
        step: Step,
        pipeline: RunSettings,
        nest: LoopNest | None = None,
        pod: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.pipeline = pipeline
        self.nest = nest or NO_LOOPS
        self.pod = pod or {}
        self.links: dict[str, str] = {}
        self._execution: StepExecution | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step.

        Raises:
            AirflowFailException: trying again cannot help.
            AirflowException: the step failed; Airflow's retries apply.
        AirflowSkipException: a condition does not hold.
        """
        from tradewind.operators.execution import StepExecution

        self._execution = StepExecution(self, context)
        try:
            return self._execution.run()
        finally:
            # Airflow keeps each link with a request of its own, whether it leads somewhere or not.
            found = [link for link in self.operator_extra_links if self.links.get(link.xcom_key)]
            self.operator_extra_links = found  # type: ignore[misc]

    def on_kill(self) -> None:
        """End the step's pod: the task was killed, marked by hand, timed out, or its run was deleted."""
        if self._execution is not None:
            self._execution.kill()
