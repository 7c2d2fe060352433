"""The node object, and which pods it cannot take."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from tradewind.local.cluster.api.admission import utc_now
from tradewind.local.cluster.node.affinity import matches_node, pod_obstacle
from tradewind.local.cluster.store import Key, Object, Store

__all__ = ["Machine"]


class Machine:
    """This machine as a node.

    Requests for CPU and memory are not counted (a laptop that runs a pipeline made for a big cluster should
    run it, slowly); extended resources such as GPUs are, because a step that asks for one cannot do
    without.

    Args:
        resources: extended resources, as `nvidia.com/gpu=1`.
    """

    name = "tradewind"

    def __init__(self, resources: Sequence[str], pod_slots: int) -> None:
        pairs = (resource.partition("=") for resource in resources)
        self._resources = {name: int(amount) for name, _, amount in pairs}
        self._pod_slots = pod_slots
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        self._labels = {
            "kubernetes.io/hostname": self.name,
            "kubernetes.io/os": platform.system().lower(),
            "kubernetes.io/arch": machine,
        }

    def register(self, store: Store) -> None:
        """Write the node object anew."""
        key = ("nodes", "", self.name)
        old = store.get(key)
        capacity = {"cpu": str(os.cpu_count() or 1), "pods": str(self._pod_slots)}
        capacity |= {name: str(amount) for name, amount in self._resources.items()}
        condition = {
            "type": "Ready",
            "status": "True",
            "reason": "KubeletReady",
            "lastTransitionTime": utc_now(),
        }
        created = old["metadata"]["creationTimestamp"] if old else utc_now()
        node: Object = {
            "kind": "Node",
            "apiVersion": "v1",
            "metadata": {
                "name": self.name,
                "uid": "00000000-0000-4000-8000-000000000001",
                "creationTimestamp": created,
                "labels": self._labels,
            },
            "spec": {},
            "status": {
                "capacity": capacity,
                "allocatable": capacity,
                "conditions": [condition],
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            },
        }
        if old is None:
            store.create(key, node)
        else:
            store.update(key, node)

    def obstacle(
        self, pod: Object, others: Iterable[Object | None], get: Callable[[Key], Object | None]
    ) -> str:
        """Why the node cannot take a pod now, in the scheduler's words; empty when it can.

        Args:
            others: pods that have a place.
            get: finds claims and namespaces.
        """
        reason = self._obstacle(pod, [other for other in others if other is not None], get)
        return f"0/1 nodes are available: {reason}." if reason else ""

    def _obstacle(self, pod: Object, others: list[Object], get: Callable[[Key], Object | None]) -> str:
        spec = pod["spec"]
        for volume in spec.get("volumes") or []:
            claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
            if not claim:
                continue
            found = get(("persistentvolumeclaims", pod["metadata"]["namespace"], claim))
            if found is None:
                return f'persistentvolumeclaim "{claim}" not found'
            if found["status"].get("phase") != "Bound":
                return "pod has unbound immediate PersistentVolumeClaims"
        if not matches_node(spec, self._labels, self.name):
            return "1 node(s) didn't match Pod's node affinity/selector"
        for name, amount in _extended(spec).items():
            used = sum(_extended(other["spec"]).get(name, 0) for other in others)
            if used + amount > self._resources.get(name, 0):
                return f"1 Insufficient {name}"

        def namespace_labels(name: str) -> Mapping[str, str]:
            labels = ((get(("namespaces", "", name)) or {}).get("metadata") or {}).get("labels") or {}
            return {"kubernetes.io/metadata.name": name, **labels}

        return pod_obstacle(pod, others, self._labels, namespace_labels)


def _extended(spec: Mapping[str, Any]) -> dict[str, int]:
    amounts: dict[str, int] = {}
    for container in spec["containers"]:
        resources = container.get("resources") or {}
        for name, amount in {**(resources.get("requests") or {}), **(resources.get("limits") or {})}.items():
            if "/" in name and str(amount).isdigit():
                amounts[name] = amounts.get(name, 0) + int(amount)
    return amounts
