"""What becomes of a pod that has ended: it is deleted, or stays with a mark that its result was taken in."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from airflow.providers.cncf.kubernetes.utils.pod_manager import OnFinishAction

from tradewind.cluster.names import COLLECTED_LABEL
from tradewind.errors import TradewindError

if TYPE_CHECKING:
    from tradewind.cluster.ends import PodEnd
    from tradewind.cluster.pods import Pods

__all__ = ["PodRemoval", "removes"]

WAIT_SECONDS = 15.0  # Airflow ends a process that goes on for twenty after it has told its end


def removes(action: OnFinishAction, end: PodEnd) -> bool:
    """Say whether `on_finish_action` deletes a pod that came to this end."""
    return (
        action == OnFinishAction.DELETE_POD
        or (action == OnFinishAction.DELETE_SUCCEEDED_POD and end.succeeded)
        or (action == OnFinishAction.DELETE_ACTIVE_POD and end.exit_code is None)
    )


class PodRemoval:
    """Removes one pod, beside whatever its step does then.

    It has to be begun: until Airflow has the step's end, the pod is the only one who has it.

    Args:
        pods: of the pod's namespace.
        name: of the pod.
        delete: else it is marked.
        after: called in the end, whatever came of it.
        log: learns of a pod that is left behind; `run_end` tries again.
    """

    def __init__(
        self, pods: Pods, name: str, *, delete: bool, after: Callable[[], None], log: logging.Logger
    ) -> None:
        self._pods = pods
        self._name = name
        self._delete = delete
        self._after = after
        self._log = log
        self._thread = threading.Thread(target=self._remove, name=f"remove-{name}", daemon=True)

    def begin(self) -> None:
        """Begin, unless that was done."""
        if self._thread.ident is None:
            self._thread.start()

    def wait(self) -> None:
        """Begin, if need be, and wait for the end; at most `WAIT_SECONDS`."""
        self.begin()
        self._thread.join(WAIT_SECONDS)

    def _remove(self) -> None:
        try:
            if self._delete:
                self._pods.delete(self._name)
            else:
                self._pods.label(self._name, {COLLECTED_LABEL: "true"})
        except TradewindError as error:
            self._log.warning("The pod %s is left behind: %s", self._name, error)
        self._after()
