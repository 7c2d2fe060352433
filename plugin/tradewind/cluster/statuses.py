"""Reading a pod's status: the few facts that the rest of the package needs, from the API's JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tradewind.cluster.pods import Pod

__all__ = [
    "address",
    "conditions",
    "container_names",
    "container_statuses",
    "has_ended",
    "has_started",
    "image_id",
    "init_runs",
    "init_statuses",
    "phase",
    "terminated",
    "waiting",
]


def address(pod: Pod) -> str:
    """Say for people which pod it is."""
    return f"{pod['metadata']['name']} in namespace {pod['metadata']['namespace']}"


def phase(pod: Pod) -> str:
    """Pending, Running, Succeeded, Failed or Unknown."""
    return str((pod.get("status") or {}).get("phase") or "Unknown")


def container_statuses(pod: Pod) -> list[dict[str, Any]]:
    """The statuses of the containers proper."""
    return list((pod.get("status") or {}).get("containerStatuses") or [])


def init_statuses(pod: Pod) -> list[dict[str, Any]]:
    """The statuses of the init containers."""
    return list((pod.get("status") or {}).get("initContainerStatuses") or [])


def init_runs(pod: Pod) -> bool:
    """Say whether an init container is running."""
    return any((status.get("state") or {}).get("running") is not None for status in init_statuses(pod))


def container_names(pod: Pod, *, init: bool = True) -> list[str]:
    """Names of the pod's containers, init containers first."""
    spec = pod.get("spec") or {}
    first = (spec.get("initContainers") or []) if init else []
    return [item["name"] for item in (*first, *(spec.get("containers") or []))]


def conditions(pod: Pod) -> dict[str, dict[str, Any]]:
    """The pod's conditions by type."""
    return {item["type"]: item for item in (pod.get("status") or {}).get("conditions") or []}


def terminated(pod: Pod, container: str) -> dict[str, Any] | None:
    """How a container ended, None when it has not."""
    return _state(container_statuses(pod), container, "terminated")


def waiting(pod: Pod) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and waiting states of all containers that wait, init containers first."""
    for status in (*init_statuses(pod), *container_statuses(pod)):
        state = (status.get("state") or {}).get("waiting")
        if state:
            yield status["name"], state


def image_id(pod: Pod, container: str) -> str:
    """What the node has run as the container's image, with its digest; empty where it is not known."""
    found = (item.get("imageID") for item in container_statuses(pod) if item["name"] == container)
    return str(next(found, "") or "")


def has_started(pod: Pod, container: str) -> bool:
    """Say whether the container runs or has run, so that it has a log."""
    statuses = (*init_statuses(pod), *container_statuses(pod))
    return any(_state(statuses, container, state) is not None for state in ("running", "terminated"))


def has_ended(pod: Pod, container: str) -> bool:
    """Say whether nothing more will come from the container."""
    return terminated(pod, container) is not None or phase(pod) in ("Succeeded", "Failed")


def _state(statuses: Any, container: str, state: str) -> dict[str, Any] | None:
    for status in statuses:
        if status["name"] == container:
            found = (status.get("state") or {}).get(state)
            return dict(found) if found is not None else None
    return None
