"""Volume claims: a directory each, which goes when the claim goes and nobody uses it any more."""

from __future__ import annotations

import asyncio
import shutil
import uuid

from tradewind.local.cluster.home import Home
from tradewind.local.cluster.store import Change, Key, Object, Store

__all__ = ["PROTECTION", "ClaimKeeper", "is_used"]

PROTECTION = "kubernetes.io/pvc-protection"
"""Finalizer of a claim that is deleted while a pod uses it, as in Kubernetes."""

_ENDED = ("Succeeded", "Failed")


def is_used(store: Store, key: Key) -> bool:
    """Whether a pod that has a place and has not ended mounts the claim."""
    return any(
        pod["spec"].get("nodeName") and pod["status"].get("phase") not in _ENDED and key[2] in _claims_of(pod)
        for pod in store.select("pods", key[1])
    )


def _claims_of(pod: Object) -> set[str]:
    volumes = pod["spec"].get("volumes") or []
    return {(volume.get("persistentVolumeClaim") or {}).get("claimName", "") for volume in volumes}


class ClaimKeeper:
    """Removes the directories of claims that are gone, and claims that waited for their last pod."""

    def __init__(self, store: Store, home: Home) -> None:
        self._store = store
        self._home = home
        store.listen(self._on_change)

    def open(self) -> None:
        """Catch up with what happened while nobody was there."""
        for claim in self._store.select("persistentvolumeclaims"):
            self._release(claim)

    def _on_change(self, change: Change) -> None:
        resource, namespace, name = change.key
        if resource == "persistentvolumeclaims" and change.kind == "DELETED":
            self._remove_directory(namespace, name)
        elif resource == "pods" and change.kind != "ADDED" and _claims_of(change.current):
            for claim in self._store.select("persistentvolumeclaims", namespace):
                self._release(claim)

    def _release(self, claim: Object) -> None:
        metadata = claim["metadata"]
        key = ("persistentvolumeclaims", metadata["namespace"], metadata["name"])
        others = [each for each in metadata.get("finalizers") or [] if each != PROTECTION]
        if metadata.get("deletionTimestamp") and not others and not is_used(self._store, key):
            self._store.delete(key)

    def _remove_directory(self, namespace: str, name: str) -> None:
        directory = self._home.claims / namespace / name
        doomed = directory.with_name(f".{uuid.uuid4().hex}")  # the name is free at once
        try:
            directory.rename(doomed)
        except FileNotFoundError:
            return  # no pod has ever used it
        asyncio.get_running_loop().run_in_executor(None, shutil.rmtree, doomed, True)
