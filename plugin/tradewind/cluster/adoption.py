"""One pod per try, whoever asks: create it, or take over the one that is there.

A worker that dies leaves its pod behind. The retry of the task looks for it by its labels and takes it over,
running or finished, as long as nobody has taken in its end. A pod whose failure is worth another try is left
to `run_end`: Airflow may know of it, and whether it does or not, what comes now is that other try. The first
try does not look: it has nothing to find, and if it has (the same try, started twice), creating the pod is a
conflict that says so.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.cluster.names import COLLECTED_LABEL, STEP_LABEL, TRY_LABEL, StepIdentity
from tradewind.cluster.pods import Pod, Pods
from tradewind.cluster.refusals import ConflictError
from tradewind.errors import RetryableError

__all__ = ["OwnPod", "adopt", "create_or_adopt"]

_log = logging.getLogger(__name__)

LEAVING_SECONDS = 90.0
PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 8.0


@dataclass(frozen=True, slots=True)
class OwnPod:
    """A pod that this task now answers for.

    Attributes:
        try_number: of the try that created it.
        adopted: it was there already.
    """

    pod: Pod
    try_number: int
    adopted: bool


def adopt(pods: Pods, identity: StepIdentity, since: int, is_spent: Callable[[Pod], bool]) -> OwnPod | None:
    """Take over the newest pod of an earlier try whose end nobody has taken in; None when there is none.

    Args:
        since: pods of tries before this one are deleted instead: the task was cleared after them.
        is_spent: says that a pod has failed in a way that is worth another try.
    """
    candidates = []
    for pod in pods.select(identity.selector()):
        if not _adoptable(pod, identity):
            continue
        if _owned(pod).try_number < since:
            _log.info("Removing the pod %s: the task was cleared since", pod["metadata"]["name"])
            pods.delete(pod["metadata"]["name"])
        elif is_spent(pod):
            _log.info("The pod %s of an earlier try has failed: trying again", pod["metadata"]["name"])
        else:
            candidates.append(pod)
    if not candidates:
        return None
    pod = max(candidates, key=lambda item: str(item["metadata"].get("creationTimestamp")))
    _log.info("Taking over the pod %s of an earlier try", pod["metadata"]["name"])
    return _owned(pod)


def create_or_adopt(pods: Pods, manifest: Mapping[str, Any], identity: StepIdentity) -> OwnPod:
    """Create a pod, or take over the one that has its name.

    A pod of that name that is about to go, or whose end was taken in, makes room first.

    Args:
        manifest: named and labelled by `identity`.

    Raises:
        RetryableError: the pod that is in the way does not go, or the conflict is with something else and
            lasts.
        TradewindError: refused, or the API server is away.
    """
    name, try_number = manifest["metadata"]["name"], int(manifest["metadata"]["labels"][TRY_LABEL])
    deadline, pause = time.monotonic() + LEAVING_SECONDS, PAUSE_SECONDS
    while True:
        try:
            return OwnPod(pods.create(manifest), try_number, adopted=False)
        except ConflictError as error:
            conflict = error
        pod = pods.get(name)
        if pod is not None and _adoptable(pod, identity):
            _log.info("The pod %s is there already: taking it over", name)
            return _owned(pod)
        if time.monotonic() > deadline:
            raise _lasting(pods, name, pod, conflict)
        if pod is None:  # it has just gone; or two wanted a share of the same quota at once
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
            continue
        if not pod["metadata"].get("deletionTimestamp"):
            if pod["metadata"].get("labels", {}).get(STEP_LABEL) != identity.label:
                raise RetryableError(
                    f"another pod, not one of ours, is named {name!r}",
                    remedy=f"Delete or rename it: kubectl get pod {name} -n {pods.namespace}",
                )
            pods.delete(name)
        time.sleep(PAUSE_SECONDS)


def _lasting(pods: Pods, name: str, pod: Pod | None, conflict: ConflictError) -> RetryableError:
    if pod is None:
        return RetryableError(
            f"the cluster has not taken the pod {name!r} for {LEAVING_SECONDS:.0f} s: {conflict.message}",
            remedy="See what it conflicts with, such as a quota that many pods share.",
        )
    return RetryableError(
        f"another pod is named {name!r} and has not gone away for {LEAVING_SECONDS:.0f} s",
        remedy=f"Delete it: kubectl delete pod {name} -n {pods.namespace}",
    )


def _adoptable(pod: Pod, identity: StepIdentity) -> bool:
    metadata = pod["metadata"]
    labels = metadata.get("labels") or {}
    return (
        labels.get(STEP_LABEL) == identity.label
        and labels.get(COLLECTED_LABEL) != "true"
        and not metadata.get("deletionTimestamp")
    )


def _owned(pod: Pod) -> OwnPod:
    label = str((pod["metadata"].get("labels") or {}).get(TRY_LABEL, "1"))
    return OwnPod(pod, int(label) if label.isdigit() else 1, adopted=True)
