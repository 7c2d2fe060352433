"""Which resources the cluster has: the one table from which discovery, paths and checks are made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["KINDS", "Kind"]

ALL = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource of API version v1.

    Attributes:
        resource: plural, as in paths.
        subresources: verbs by name.
        dns_label: the name may have no dots and 63 characters at most.
    """

    resource: str
    name: str
    namespaced: bool = True
    short: tuple[str, ...] = ()
    verbs: tuple[str, ...] = ALL
    subresources: Mapping[str, tuple[str, ...]] | None = None
    categories: tuple[str, ...] = ()
    dns_label: bool = False

    def empty_list(self) -> dict[str, str]:
        return {"kind": f"{self.name}List", "apiVersion": "v1"}


_STATUS = ("get", "patch", "update")

KINDS: Mapping[str, Kind] = {
    kind.resource: kind
    for kind in (
        Kind("namespaces", "Namespace", namespaced=False, short=("ns",), dns_label=True),
        Kind("nodes", "Node", namespaced=False, short=("no",), verbs=("get", "list", "watch", "patch")),
        Kind(
            "pods",
            "Pod",
            short=("po",),
            categories=("all",),
            subresources={"log": ("get",), "status": _STATUS, "eviction": ("create",)},
        ),
        Kind("events", "Event", short=("ev",)),
        Kind("secrets", "Secret"),
        Kind("configmaps", "ConfigMap", short=("cm",)),
        Kind("serviceaccounts", "ServiceAccount", short=("sa",)),
        Kind(
            "persistentvolumeclaims",
            "PersistentVolumeClaim",
            short=("pvc",),
            subresources={"status": _STATUS},
        ),
    )
}
