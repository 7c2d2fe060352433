"""The operator of a loop: the task over whose result the tasks of the body are mapped. Starts no pod."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.nest import LoopNest
    from tradewind.operators.settings import RunSettings
    from tradewind.plan.model import Loop

__all__ = ["LoopOperator"]


class LoopOperator(BaseOperator):
    """Works out the items of a loop. Returns indexes; the items stand beside, see docs/architecture.md.

    Args:
        loop: the loop, as in the pipeline's plan.
        nest: the loops of the plan.
        pipeline: the settings that all tasks of the DAG share.
        kwargs: arguments of any Airflow task.
    """

    ui_color = "#f3e8fd"
    template_fields: Collection[str] = ()
    shallow_copy_attrs = ("loop", "nest", "pipeline")

    def __init__(self, *, loop: Loop, nest: LoopNest, pipeline: RunSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loop = loop
        self.nest = nest
        self.pipeline = pipeline

    def execute(self, context: Context) -> list[int]:
        """Work out the items.

        Raises:
            AirflowFailException: there are none to be had, or too many.
        """
        from tradewind.operators.failures import airflow_errors
        from tradewind.operators.looping import make_iterations

        with airflow_errors():
            return make_iterations(self, context)
