"""The operator of a step: thin where DAGs are parsed, a pod where they run.

At parse time a `StepOperator` holds a plan's step and the pipeline's settings, and imports nothing that a DAG
file would have to pay for. All work is in `tradewind.operators.execution`, loaded when the task runs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from tradewind.cluster.retry_policy import retried_kinds
from tradewind.operators.links import ArtifactsLink, CachedFromLink, MlflowRunLink, keeping_links
from tradewind.operators.nest import NO_LOOPS, LoopNest

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.deferral import Resumption
    from tradewind.operators.execution import StepExecution
    from tradewind.operators.settings import RunSettings
    from tradewind.plan.model import Step

__all__ = ["StepOperator"]

_WAIT_FAILED = "__fail__"
"""Airflow's word for the method of a deferred task whose trigger failed, or took too long."""


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
        retry_on: kinds of ends that are worth another try (docs/failures.md); None: as the pipeline has it.
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
        retry_on: Collection[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.step = step
        self.pipeline = pipeline
        self.nest = nest or NO_LOOPS
        self.pod = pod or {}
        self.retried = None if retry_on is None else retried_kinds(retry_on, "retry_on")
        self.links: dict[str, str] = {}
        self._execution: StepExecution | None = None

    def execute(self, context: Context) -> dict[str, Any]:
        """Run the step.

        Raises:
            AirflowFailException: trying again cannot help.
            AirflowException: the step failed; Airflow's retries apply.
            AirflowSkipException: a condition does not hold.
            TaskDeferred: a trigger waits for the pod.
        """
        from tradewind.operators.execution import StepExecution

        self._execution = StepExecution(self, context)
        with keeping_links(self):
            return self._execution.run()

    def resume(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Go on after the wait of a trigger.

        Args:
            event: what the trigger tells.

        Raises:
            see `execute`.
        """
        from tradewind.operators.deferral import Resumption

        return self._go_on(context, Resumption.of_event(event))

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> dict[str, Any]:
        """Go on after a deferral, also where Airflow has ended the wait: the step's pod and record are ended,
        too.
        """
        if next_method != _WAIT_FAILED:
            found: dict[str, Any] = super().resume_execution(next_method, next_kwargs, context)
            return found
        from tradewind.operators.deferral import Resumption

        told = next_kwargs or {}
        if told.get("traceback"):
            self.log.error("The trigger failed:\n%s", "".join(told["traceback"]))
        error = getattr(told.get("error"), "value", told.get("error")) or "unknown"
        lost = Resumption(None, why=f"the wait for the pod failed: {error}", timed_out="timeout" in error)
        return self._go_on(context, lost)

    def _go_on(self, context: Context, resumption: Resumption) -> dict[str, Any]:
        from tradewind.operators.execution import StepExecution

        execution = self._execution = StepExecution(self, context)
        with keeping_links(self):
            return execution.resume(resumption)

    def on_kill(self) -> None:
        """End the step's pod: the task was killed, marked by hand, timed out, or its run was deleted."""
        if self._execution is not None:
            self._execution.kill()
