"""The two tasks around a pipeline's steps: one opens the run, one closes it.

`run_start` works out the run's parameters before any pod is paid for, and makes the parent run in MLflow. A
wrong parameter is one error here instead of a failed pod somewhere. `run_end` is a teardown: it runs whatever
happened, also after the run was marked by hand, and decides the run's state only where Airflow would take a
failure for a success (`tradewind.operators.outcome`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator, BaseOperatorLink

from tradewind.operators.links import ArtifactsLink, MlflowRunLink, keeping_links
from tradewind.operators.nest import LoopNest

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.settings import RunSettings
    from tradewind.plan.model import Loop, PipelineParameter, Plan

__all__ = ["RunEndOperator", "RunStartOperator"]

_LINKS: tuple[BaseOperatorLink, ...] = (MlflowRunLink(), ArtifactsLink())


class RunStartOperator(BaseOperator):
    """Resolves the run's parameters and opens its MLflow run. Returns what docs/architecture.md says.

    Args:
        pipeline: the settings that all tasks of the DAG share.
        parameters: the pipeline's parameters.
        loops: those whose number of iterations the parameters decide.
        templated_params: Jinja templates by parameter, from the DAG file; see
            `tradewind.operators.parameters`.
    """

    ui_color = "#e6f4ea"
    template_fields: Collection[str] = ()
    shallow_copy_attrs = ("pipeline", "parameters", "loops", "templated_params")
    operator_extra_links: ClassVar[Collection[BaseOperatorLink]] = _LINKS  # type: ignore[misc]

    def __init__(
        self,
        *,
        pipeline: RunSettings,
        parameters: Mapping[str, PipelineParameter],
        loops: Collection[Loop] = (),
        templated_params: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.parameters = parameters
        self.loops = tuple(loops)
        self.templated_params = templated_params or {}
        self.links: dict[str, str] = {}

    def execute(self, context: Context) -> dict[str, Any]:
        """Open the run.

        Raises:
            AirflowFailException: a parameter is missing or has the wrong type.
        """
        from tradewind.operators.failures import airflow_errors
        from tradewind.operators.opening import open_run

        with keeping_links(self), airflow_errors():
            return open_run(self, context)


class RunEndOperator(BaseOperator):
    """Closes the run: what MLflow has missed, the run's final state, pods that were left behind.

    Args:
        pipeline: the settings that all tasks of the DAG share.
        plan: the pipeline's plan.
        last_steps: ids of the steps that come last: those in which Airflow looks for the run's state.
        elsewhere: pod arguments of steps that say where a pod is, when not where the pipeline's are.
    """

    ui_color = "#e6f4ea"
    template_fields: Collection[str] = ()
    shallow_copy_attrs = ("pipeline", "plan", "nest", "last_steps", "elsewhere")
    operator_extra_links: ClassVar[Collection[BaseOperatorLink]] = _LINKS  # type: ignore[misc]

    def __init__(
        self,
        *,
        pipeline: RunSettings,
        plan: Plan,
        last_steps: Collection[str],
        elsewhere: Collection[Mapping[str, Any]] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pipeline = pipeline
        self.plan = plan
        self.nest = LoopNest.of(plan)
        self.last_steps = tuple(last_steps)
        self.elsewhere = tuple(elsewhere)
        self.links: dict[str, str] = {}

    def execute(self, context: Context) -> dict[str, Any] | None:
        """Close the run. Never fails because MLflow or the cluster is away, unless tracking is required.

        Raises:
            AirflowFailException: the run failed, and its last steps do not show it.
        """
        from tradewind.operators.closing import close_run
        from tradewind.operators.failures import airflow_errors

        with keeping_links(self), airflow_errors():
            return close_run(self, context)
