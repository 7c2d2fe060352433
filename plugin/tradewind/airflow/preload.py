"""Heavy modules loaded ahead in long-lived parents, from which task processes are forked.

A step's process needs the Kubernetes client and the provider's pod operator, which take seconds to import.
Airflow forks task processes: with the LocalExecutor from workers that were forked from the scheduler, with
Celery from the worker's pool. What is imported there before the fork costs a task nothing, and its memory is
shared.

Airflow loads plugins in the scheduler before the executor starts its workers, so `on_load` comes in time. In
a Celery worker it does so only with `[core] lazy_load_plugins = False`; without it Celery's own provider
still loads the Kubernetes client ahead. Other executors start each task in a pod of its own, where there is
no parent to prepare. API server, DAG processor and triggerer never run a step, so they stay as they are.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Sequence

__all__ = ["MODULES", "is_parent_of_tasks", "preload_if_parent"]

MODULES = (
    "airflow.providers.cncf.kubernetes.operators.pod",
    "airflow.providers.cncf.kubernetes.hooks.kubernetes",
    "kubernetes.client",
    "kubernetes.config",
    "kubernetes.watch",
    "airflow.sdk.execution_time.cache",
    "jinja2.ext",
    "tradewind.operators.execution",
    "tradewind.operators.looping",
    "tradewind.operators.opening",
    "tradewind.operators.closing",
    "tradewind.operators.pod",
    "tradewind.airflow.factory",
    "tradewind.dsl",
    "tradewind.ir",
    "tradewind.runtime.mlflow_store",
    "tradewind.runtime.shipping",
    "tradewind.tracking",
)
"""What a step's process imports, for its DAG file and around its pod. None of them starts a thread."""

log = logging.getLogger(__name__)


def is_parent_of_tasks(arguments: Sequence[str], executor: str) -> bool:
    """Say whether tasks are forked from a process.

    Args:
        arguments: its command line, as `sys.argv`.
        executor: `[core] executor`.
    """
    command = list(arguments[1:3])
    if command[:1] == ["scheduler"]:
        return "LocalExecutor" in executor
    return command == ["celery", "worker"]


def _store_driver() -> list[str]:
    """Return the modules that workers need for the artifact store, where it is an object store."""
    from airflow.sdk.configuration import conf
    from tradewind.runtime.stores import drivers, is_external

    store = conf.get("tradewind", "artifact_store", fallback="") or ""
    packages = drivers([store]) if is_external(store) else []
    return ["tradewind.runtime.fsspec_store", *packages] if packages else []


def preload_if_parent() -> None:
    """Load `MODULES`, if task processes are forked from this one and `[tradewind] preload` says so."""
    from airflow.sdk.configuration import conf

    if not is_parent_of_tasks(sys.argv, conf.get("core", "executor")):
        return
    if not conf.getboolean("tradewind", "preload", fallback=True):
        return
    for name in (*MODULES, *_store_driver()):
        try:
            importlib.import_module(name)
        except ImportError:
            # A step that needs the module will fail and say so; schedulers must not.
            log.warning("Tradewind cannot load %s ahead of its steps", name, exc_info=True)
