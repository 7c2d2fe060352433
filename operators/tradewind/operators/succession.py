"""Whether a step goes on after the process that has run it until now.

Airflow ends a task's process for two reasons, and does not say which. Either somebody wants the step to end:
it was marked, it was cleared, its run was deleted. Then its pod has to go, too. Or the step has been given to
another try, since nothing was heard of this one: Airflow's API server or its database was away. Then that try
takes over the pod, and hours of work would be lost with it. So Airflow is asked how it stands with the step.
When it does not answer it is away, and that is why the process has to end: its supervisor gives up after a
few heartbeats. What a person orders comes by an API server that answers.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from airflow.sdk.configuration import conf

from tradewind.cluster import StepIdentity
from tradewind.operators.xcoms import RunXComs

__all__ = ["counts", "goes_on"]

_COMING = frozenset({"scheduled", "queued", "running", "up_for_retry", "deferred"})


def goes_on(ti: Any, identity: StepIdentity, seconds: float) -> bool | None:
    """Say whether somebody comes for a step's pod once this process is gone; None: no answer.

    For a signal handler: it may have interrupted another request to Airflow, which keeps this one waiting.

    Args:
        seconds: how long to wait for the answer.
    """
    answers: list[str] = []

    def ask() -> None:
        try:
            answers.append(RunXComs(ti).state(identity.task_id, identity.map_index))
        except Exception:  # noqa: BLE001 - a dying process: whatever it is, there is no answer
            return

    thread = threading.Thread(target=ask, name="how-does-it-stand", daemon=True)
    thread.start()
    thread.join(seconds)
    return answers[0] in _COMING if answers else None


def counts(ti: Any, identity: StepIdentity, seconds: float) -> bool:
    """Say whether the end of a step, of which Airflow was told, counts there; False where that is unknown.

    It does not when the step was given to another try meanwhile. Airflow does so when nothing was heard for a
    while of the scheduler that had given out this one, so for a step that has just begun nobody is asked.

    Args:
        seconds: how long to wait for the answer.
    """
    silence = conf.getfloat("scheduler", "scheduler_health_check_threshold", fallback=30.0)
    began = getattr(ti, "start_date", None)
    if began is not None and time.time() - began.timestamp() < silence / 2:
        return True
    return goes_on(ti, identity, seconds) is False
