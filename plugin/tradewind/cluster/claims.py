"""Persistent volume claims: volumes that outlive a pod, made and removed without one.

A claim is made under a name that its maker works out again whenever it comes back, so making it twice is
finding it. One that is about to go (a run that is cleared right after its end) makes room first.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tradewind.cluster.pods import Pods
from tradewind.cluster.refusals import ConflictError, MissingError
from tradewind.errors import RetryableError

__all__ = ["Claim", "Claims"]

Claim = dict[str, Any]
"""A PersistentVolumeClaim as the API's JSON has it."""

LEAVING_SECONDS = 60.0
PAUSE_SECONDS = 0.5


class Claims(Pods):
    """The persistent volume claims of one namespace; made like `Pods`."""

    resource = "persistentvolumeclaims"

    def ensure(self, manifest: Mapping[str, Any]) -> Claim:
        """Create a claim, or return the one that has its name.

        Raises:
            FatalError, RetryableError: the cluster refuses it, or one of that name does not go away.
        """
        name = manifest["metadata"]["name"]
        deadline = time.monotonic() + LEAVING_SECONDS
        while True:
            found = self.get(name)
            if found is None:
                try:
                    return self.create(manifest)
                except ConflictError:  # made by somebody else in between
                    continue
            if not found["metadata"].get("deletionTimestamp"):
                return found
            if time.monotonic() > deadline:
                raise RetryableError(
                    f"the volume claim {name} has been about to go for {LEAVING_SECONDS:.0f} s",
                    remedy="See which pod still uses it: kubectl describe pvc " + name,
                )
            time.sleep(PAUSE_SECONDS)

    def annotate(self, name: str, annotations: Mapping[str, str | None]) -> bool:
        """Set annotations, or remove those that are None. False when there is no such claim."""
        try:
            self._json("PATCH", name, body={"metadata": {"annotations": dict(annotations)}})
        except MissingError:
            return False
        return True
