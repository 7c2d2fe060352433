"""A pod's status, put together from what its supervisor reports. Pure functions from data to data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.local.cluster.api.admission import utc_now

__all__ = [
    "ended_status",
    "lost_status",
    "reported_status",
    "scheduled_status",
    "unschedulable_status",
    "waiting_status",
]

Status = dict[str, Any]
TERMINAL = ("Succeeded", "Failed")


def _condition(
    old: Mapping[str, Any], kind: str, *, met: bool, reason: str = "", message: str = ""
) -> dict[str, Any]:
    """A condition whose transition time changes only when its status does."""
    before = next((item for item in old.get("conditions", []) if item["type"] == kind), None)
    status = "True" if met else "False"
    since = before["lastTransitionTime"] if before and before["status"] == status else utc_now()
    condition = {"type": kind, "status": status, "lastProbeTime": None, "lastTransitionTime": since}
    if reason:
        condition["reason"] = reason
    if message:
        condition["message"] = message
    return condition


def unschedulable_status(old: Mapping[str, Any], message: str) -> Status:
    """The pod waits for a place."""
    condition = _condition(old, "PodScheduled", met=False, reason="Unschedulable", message=message)
    return {**old, "phase": "Pending", "conditions": [condition]}


def scheduled_status(pod: Mapping[str, Any]) -> Status:
    """The pod has its node; nothing has started."""
    status = {
        **pod["status"],
        "phase": "Pending",
        "hostIP": "127.0.0.1",
        "startTime": pod["status"].get("startTime") or utc_now(),
    }
    return waiting_status({**pod, "status": status}, "ContainerCreating", "")


def waiting_status(pod: Mapping[str, Any], reason: str, message: str, container: str = "") -> Status:
    """No container has started; all (or one) wait for the given reason."""
    old = pod["status"]
    spec = pod["spec"]
    initial = spec.get("initContainers", [])
    first = initial or spec["containers"]

    def entries(group: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        made = []
        for item in group:
            waiting = {
                "reason": "PodInitializing" if initial and group is not initial else "ContainerCreating"
            }
            if item["name"] == container or (not container and group is first):
                waiting = {"reason": reason} | ({"message": message} if message else {})
            made.append(_container_entry(item, {"waiting": waiting}))
        return made

    status: Status = {**old, "phase": "Pending", "containerStatuses": entries(spec["containers"])}
    if initial:
        status["initContainerStatuses"] = entries(initial)
    return {**status, "conditions": _conditions(old, spec, status)}


def _container_entry(container: Mapping[str, Any], state: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": False,
        "started": False,
        "restartCount": 0,
        "state": dict(state),
        "lastState": {},
    }


def reported_status(pod: Mapping[str, Any], report: Mapping[str, Any]) -> Status:
    """The status after a supervisor's report."""
    old = pod["status"]
    status: Status = {**old, "phase": report["phase"], "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}]}
    for group in ("initContainerStatuses", "containerStatuses"):
        if report[group]:
            status[group] = [_with_image(item) for item in report[group]]
    for name in ("reason", "message"):
        if report[name]:
            status[name] = report[name]
    return {**status, "conditions": _conditions(old, pod["spec"], status)}


def _with_image(entry: Mapping[str, Any]) -> dict[str, Any]:
    shown = {**entry, "imageID": f"tradewind://{entry['image']}"}
    for state in entry["state"].values():
        if "containerID" in state:
            shown["containerID"] = state["containerID"]
    return shown


def ended_status(pod: Mapping[str, Any], reason: str, message: str) -> Status:
    """The pod failed before any container of it ran."""
    status = {**pod["status"], "phase": "Failed", "reason": reason, "message": message}
    return {**status, "conditions": _conditions(pod["status"], pod["spec"], status)}


def lost_status(pod: Mapping[str, Any]) -> Status:
    """The pod's supervisor is gone without a last word (the machine went down, or it was killed)."""
    message = "The container could not be located when the pod was terminated"
    gone = {"exitCode": 137, "reason": "ContainerStatusUnknown", "message": message}

    def entries(group: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        made = []
        for entry in group:
            started = entry["state"].get("running", {}).get("startedAt")
            state = {"terminated": {**gone, "startedAt": started, "finishedAt": utc_now()}}
            keep = "terminated" in entry["state"]
            made.append(dict(entry) if keep else {**entry, "ready": False, "started": False, "state": state})
        return made

    old = pod["status"]
    status: Status = {
        **old,
        "phase": "Failed",
        "containerStatuses": entries(old.get("containerStatuses", [])),
    }
    if old.get("initContainerStatuses"):
        status["initContainerStatuses"] = entries(old["initContainerStatuses"])
    return {**status, "conditions": _conditions(old, pod["spec"], status)}


def _conditions(
    old: Mapping[str, Any], spec: Mapping[str, Any], status: Mapping[str, Any]
) -> list[dict[str, Any]]:
    over = (
        "PodCompleted"
        if status["phase"] == "Succeeded"
        else "PodFailed"
        if status["phase"] == "Failed"
        else ""
    )
    unready = [entry["name"] for entry in status.get("containerStatuses", []) if not entry["ready"]]
    pending = [
        entry["name"]
        for entry in status.get("initContainerStatuses", [])
        if entry["state"].get("terminated", {}).get("exitCode") != 0
    ]
    reason = over or ("ContainersNotReady" if unready else "")
    message = f"containers with unready status: [{' '.join(unready)}]" if unready and not over else ""
    initial = {
        "reason": "ContainersNotInitialized",
        "message": f"containers with incomplete status: [{' '.join(pending)}]",
    }
    ready = status["phase"] == "Running" and not unready
    return [
        _condition(old, "Initialized", met=not pending, **(initial if pending else {})),
        _condition(old, "Ready", met=ready, reason=reason, message=message),
        _condition(old, "ContainersReady", met=ready, reason=reason, message=message),
        _condition(old, "PodScheduled", met=True),
    ]
