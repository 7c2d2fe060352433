"""Airflow's side of Tradewind: `pipeline_dag` makes a DAG of a pipeline.

Airflow reads `tradewind.airflow.provider` while it is still setting up its own configuration, and
`tradewind.airflow.plugin` inside every task process. This file is imported with both, so it imports nothing:
`pipeline_dag` is fetched when somebody asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.airflow.factory import pipeline_dag

__all__ = ["pipeline_dag"]


def __getattr__(name: str) -> Any:
    if name == "pipeline_dag":
        from tradewind.airflow.factory import pipeline_dag

        return pipeline_dag
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
