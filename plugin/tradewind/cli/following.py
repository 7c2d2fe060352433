"""Follows one run until it ends, and makes sure that an interrupted one leaves nothing running."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.progress import Screen, StepView, instance_name, step_views

__all__ = ["Outcome", "cancel", "follow"]

_POLL_SECONDS = 0.4
_CANCEL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended.

    Attributes:
        state: Airflow's word for it.
        seconds: from its start to its end.
        steps: as they ended.
        results: what each step returned, by its name as in `steps`; see docs/architecture.md.
        failed: task instances that failed, for their logs.
    """

    state: str
    seconds: float | None
    steps: Sequence[StepView]
    results: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    failed: Sequence[Mapping[str, Any]] = ()

    @property
    def ok(self) -> bool:
        return self.state == "success"


def follow(
    api: AirflowApi,
    dag_id: str,
    run_id: str,
    steps: Sequence[str],
    screen: Screen,
    check: Callable[[], None] = lambda: None,
) -> Outcome:
    """Show how a run goes until it has ended.

    Args:
        steps: ids of the pipeline's steps, in their order.
        check: called now and then; raises when waiting has become pointless.
    """
    results: dict[str, Mapping[str, Any]] = {}
    known = set(steps)
    while True:
        run = api.run(dag_id, run_id)
        instances = api.task_instances(dag_id, run_id)
        for instance in instances:
            task, name = instance["task_id"], instance_name(instance)
            if instance["state"] == "success" and task in known and name not in results:
                results[name] = api.xcom(dag_id, run_id, task, map_index=instance["map_index"]) or {}
        cached = [name for name, result in results.items() if result.get("cached_from")]
        views = step_views(instances, steps, cached)
        screen.steps(views)
        if run["state"] in ("success", "failed"):
            failed = [instance for instance in instances if instance["state"] == "failed"]
            return Outcome(run["state"], run.get("duration"), views, results, failed)
        check()
        time.sleep(_POLL_SECONDS)


def cancel(api: AirflowApi, dag_id: str, run_id: str) -> bool:
    """End a run: its tasks end their pods. Returns whether all had ended in time."""
    api.fail(dag_id, run_id)
    deadline = time.monotonic() + _CANCEL_SECONDS
    while time.monotonic() < deadline:
        states = [instance["state"] for instance in api.task_instances(dag_id, run_id)]
        if not {"running", "queued", "scheduled", "restarting"} & set(states):
            return True
        time.sleep(_POLL_SECONDS)
    return False
