"""The verbs on resources: what a request does to the store and to the node. Knows JSON, not HTTP."""

from __future__ import annotations

import base64
import builtins
import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tradewind.local.cluster.api.admission import admit_new, admit_update, utc_now
from tradewind.local.cluster.api.errors import (
    already_exists,
    bad_request,
    conflict,
    expired,
    forbidden,
    not_found,
    object_too_large,
)
from tradewind.local.cluster.api.kinds import KINDS, Kind
from tradewind.local.cluster.api.patches import apply_patch
from tradewind.local.cluster.api.selectors import Predicate, field_selector, label_selector
from tradewind.local.cluster.claims import PROTECTION, is_used
from tradewind.local.cluster.store import Key, Object, Store

__all__ = ["PodNode", "Resources", "matcher"]

PERMANENT_NAMESPACES = ("default", "kube-system")


class PodNode(Protocol):
    """What the API needs of the node."""

    def stop_pod(self, key: Key, grace: float) -> None:
        """End a pod's containers; the object goes when they have ended."""

    def forget_pod(self, pod: Object) -> None:
        """The object is gone: kill what still runs and remove the files."""

    def holds_processes(self, key: Key) -> bool:
        """Whether containers of the pod run or may start at any moment."""


def matcher(resource: str, query: Mapping[str, str]) -> Predicate:
    """Label and field selectors of a query string, combined.

    Raises:
        ApiError: 400.
    """
    labels = label_selector(query.get("labelSelector", ""))
    fields = field_selector(resource, query.get("fieldSelector", ""))
    return lambda body: labels(body) and fields(body)


class Resources:
    """Create, read, change and delete objects.

    Args:
        store: where they are.
        node: what runs pods.
    """

    def __init__(self, store: Store, node: PodNode) -> None:
        self._store = store
        self._node = node

    # --- reading
    # ----------------------------------------------------------------------------------------------

    def get(self, kind: Kind, namespace: str, name: str) -> Object:
        found = self._store.get((kind.resource, namespace, name))
        if found is None:
            raise not_found(kind.resource, name)
        return found

    def list(
        self, kind: Kind, namespace: str, query: Mapping[str, str]
    ) -> tuple[list[Object], dict[str, Any]]:
        """Objects that match, and the list's metadata.

        Raises:
            ApiError: 400 for selectors, 410 for a `continue` token of a time that is forgotten.
        """
        matches = matcher(kind.resource, query)
        items = [item for item in self._store.select(kind.resource, namespace) if matches(item)]
        metadata: dict[str, Any] = {"resourceVersion": str(self._store.version)}
        if query.get("continue"):
            after = tuple(_read_continue(query["continue"]))
            items = [item for item in items if _place(item) > after]
        if not (query.get("limit") or "0").isdigit():
            raise bad_request(f"limit: Invalid value: {query['limit']!r}")
        limit = int(query.get("limit") or 0)
        if limit and len(items) > limit:
            metadata["remainingItemCount"] = len(items) - limit
            items = items[:limit]
            metadata["continue"] = base64.urlsafe_b64encode(json.dumps(_place(items[-1])).encode()).decode()
        return items, metadata

    # --- writing
    # ----------------------------------------------------------------------------------------------

    def create(self, kind: Kind, namespace: str, body: Any, *, dry_run: bool = False) -> Object:
        if kind.namespaced:
            self._require_active(kind, namespace, body)
        admitted = admit_new(kind, namespace, body)
        if len(json.dumps(admitted)) > 1536 * 1024:
            raise object_too_large()
        key = (kind.resource, namespace, admitted["metadata"]["name"])
        if self._store.get(key) is not None:
            raise already_exists(kind.resource, key[2])
        if dry_run:
            return admitted
        created = self._store.create(key, admitted)
        if kind.resource == "namespaces":
            self._add_defaults(key[2])
        return created

    def replace(self, kind: Kind, key: Key, body: Any, *, status_only: bool, dry_run: bool = False) -> Object:
        old = self.get(kind, key[1], key[2])
        version = ((body.get("metadata") or {}) if isinstance(body, dict) else {}).get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            why = (
                "the object has been modified; please apply your changes to the latest version and try again"
            )
            raise conflict(kind.resource, key[2], why)
        updated = admit_update(kind, old, body, status_only=status_only)
        if dry_run:
            return updated
        stored = self._store.update(key, updated)
        if stored["metadata"].get("deletionTimestamp") and not stored["metadata"].get("finalizers"):
            self._remove_if_ended(key)
        return stored

    def patch(
        self, kind: Kind, key: Key, content_type: str, body: Any, *, status_only: bool, dry_run: bool = False
    ) -> Object:
        old = self.get(kind, key[1], key[2])
        patched = apply_patch(content_type, self._store.copy(old), body)
        return self.replace(kind, key, patched, status_only=status_only, dry_run=dry_run)

    # --- deleting
    # ---------------------------------------------------------------------------------------------

    def delete(self, kind: Kind, key: Key, options: Mapping[str, Any]) -> Object:
        """Delete one object: pods with grace, namespaces with all that is in them, others at once."""
        old = self.get(kind, key[1], key[2])
        for name, actual in (options.get("preconditions") or {}).items():
            found = old["metadata"].get(name)
            if found != actual:
                why = f"Precondition failed: {name} in precondition: {actual}, in object meta: {found}"
                raise conflict(kind.resource, key[2], why)
        if options.get("dryRun"):
            return old
        if kind.resource == "namespaces":
            return self._delete_namespace(key, old)
        if kind.resource == "pods":
            return self._delete_pod(key, old, options.get("gracePeriodSeconds"))
        if kind.resource == "persistentvolumeclaims" and is_used(self._store, key):
            finalizers = [*(old["metadata"].get("finalizers") or []), PROTECTION]
            old = {**old, "metadata": {**old["metadata"], "finalizers": sorted(set(finalizers))}}
        if old["metadata"].get("finalizers"):
            return self._mark_deleted(key, old, 0)
        return self._store.delete(key)

    def delete_collection(
        self, kind: Kind, namespace: str, query: Mapping[str, str], options: Mapping[str, Any]
    ) -> tuple[builtins.list[Object], dict[str, Any]]:
        """Delete everything that matches."""
        items, metadata = self.list(kind, namespace, query)
        deleted = [self.delete(kind, (kind.resource, *_place(item)), options) for item in items]
        return deleted, metadata

    def _delete_pod(self, key: Key, pod: Object, wanted: Any) -> Object:
        grace = pod["spec"]["terminationGracePeriodSeconds"] if wanted is None else wanted
        if not isinstance(grace, int) or grace < 0:
            raise bad_request(f"gracePeriodSeconds: Invalid value: {grace!r}: must be at least 0")
        if not self._node.holds_processes(key):
            grace = 0
        if grace == 0:
            if pod["metadata"].get("finalizers"):
                return self._mark_deleted(key, pod, 0)
            deleted = self._store.delete(key)
            self._node.forget_pod(deleted)
            return deleted
        before = pod["metadata"].get("deletionGracePeriodSeconds")
        if before is not None and before <= grace:
            return pod
        marked = self._mark_deleted(key, pod, grace)
        self._node.stop_pod(key, grace)
        return marked

    def _mark_deleted(self, key: Key, body: Object, grace: int) -> Object:
        stamps = {"deletionTimestamp": utc_now(), "deletionGracePeriodSeconds": grace}
        return self._store.update(key, {**body, "metadata": {**body["metadata"], **stamps}})

    def _remove_if_ended(self, key: Key) -> None:
        if key[0] != "pods" or not self._node.holds_processes(key):
            deleted = self._store.delete(key)
            if key[0] == "pods":
                self._node.forget_pod(deleted)

    def _delete_namespace(self, key: Key, namespace: Object) -> Object:
        if key[2] in PERMANENT_NAMESPACES:
            raise forbidden("namespaces", key[2], "this namespace may not be deleted")
        marked = self._mark_deleted(key, namespace, 0)
        self._store.update(key, {**marked, "status": {"phase": "Terminating"}})
        for item_key in self._contents(key[2]):
            self.delete(KINDS[item_key[0]], item_key, {"gracePeriodSeconds": 0})
        return self._store.delete(key)

    def _contents(self, namespace: str) -> Iterator[Key]:
        for kind in KINDS.values():
            if kind.namespaced:
                for item in self._store.select(kind.resource, namespace):
                    yield (kind.resource, namespace, item["metadata"]["name"])

    # --- namespaces
    # -------------------------------------------------------------------------------------------

    def ensure_namespace(self, name: str) -> None:
        """Make a namespace unless it is there."""
        if self._store.get(("namespaces", "", name)) is None:
            self.create(KINDS["namespaces"], "", {"metadata": {"name": name}})

    def _add_defaults(self, namespace: str) -> None:
        account = {"metadata": {"name": "default"}}
        self.create(KINDS["serviceaccounts"], namespace, account)

    def _require_active(self, kind: Kind, namespace: str, body: Any) -> None:
        found = self._store.get(("namespaces", "", namespace))
        if found is None:
            raise not_found("namespaces", namespace)
        if found["status"]["phase"] == "Terminating":
            name = (body.get("metadata") or {}).get("name", "") if isinstance(body, dict) else ""
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise forbidden(kind.resource, name, why)


def _place(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


def _read_continue(token: str) -> list[str]:
    try:
        place: list[str] = json.loads(base64.urlsafe_b64decode(token))
    except ValueError as error:
        raise expired("The provided continue parameter is too old or not from this server.") from error
    return place
