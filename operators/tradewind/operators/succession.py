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
from typing import Any

from tradewind.cluster import StepIdentity
from tradewind.operators.xcoms import RunXComs

__all__ = ["goes_on"]

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
