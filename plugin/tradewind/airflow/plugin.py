"""The Airflow plugin: what Airflow's own processes load of Tradewind.

Airflow loads plugins in its servers and again in every task process, where each millisecond counts. So this
module imports nothing but Airflow's base class; `on_load` decides whether this process is a long-lived parent
of task processes and only then loads what they would otherwise load one by one.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk.plugins_manager import AirflowPlugin

__all__ = ["TradewindPlugin"]


class TradewindPlugin(AirflowPlugin):
    """Registered under the entry point `airflow.plugins`."""

    name = "tradewind"

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        """Load heavy modules ahead where task processes are forked from; see `tradewind.airflow.preload`."""
        from tradewind.airflow.preload import preload_if_parent

        preload_if_parent()
