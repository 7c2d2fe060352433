"""Event objects: what people read in `kubectl describe pod`."""

from __future__ import annotations

import hashlib
import time
from calendar import timegm
from collections.abc import Mapping
from typing import Any

from tradewind.local.cluster.api.admission import utc_now
from tradewind.local.cluster.store import Object, Store

__all__ = ["Recorder"]


class Recorder:
    """Writes events about pods; the same one again counts up, as Kubernetes' recorder has it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def record(
        self, pod: Object, kind: str, reason: str, message: str, *, place: str = "", source: str = "kubelet"
    ) -> None:
        """Record one event that happens now.

        Args:
            kind: `Normal` or `Warning`.
            place: path of the container in the pod, such as `spec.containers{main}`.
        """
        self._write(
            pod, kind, reason, message, place, source, utc_now(), identity=f"{reason}\0{message}\0{place}"
        )

    def replay(self, pod: Object, event: Mapping[str, Any]) -> None:
        """Record an event that a supervisor noted; recording it again changes nothing."""
        identity = f"supervisor\0{event['sequence']}"
        if self._store.get(_key(pod, identity)) is None:
            place, stamp = event["fieldPath"], event["time"]
            self._write(
                pod,
                event["type"],
                event["reason"],
                event["message"],
                place,
                "kubelet",
                stamp,
                identity=identity,
            )

    def expire(self, seconds: float) -> None:
        """Drop events older than `seconds`."""
        limit = time.time() - seconds
        for event in self._store.select("events"):
            stamp = event.get("lastTimestamp") or event["metadata"]["creationTimestamp"]
            if timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S")) < limit:
                metadata = event["metadata"]
                self._store.delete(("events", metadata["namespace"], metadata["name"]))

    def _write(
        self,
        pod: Object,
        kind: str,
        reason: str,
        message: str,
        place: str,
        source: str,
        stamp: str,
        *,
        identity: str,
    ) -> None:
        key = _key(pod, identity)
        metadata = pod["metadata"]
        before = self._store.get(key)
        if before is not None:
            self._store.update(key, {**before, "count": before["count"] + 1, "lastTimestamp": stamp})
            return
        if self._store.get(("namespaces", "", metadata["namespace"])) is None:
            return  # removed with its namespace: nobody is left to read it
        about = {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
            "apiVersion": "v1",
            "resourceVersion": metadata["resourceVersion"],
        }
        if place:
            about["fieldPath"] = place
        event: Object = {
            "kind": "Event",
            "apiVersion": "v1",
            "metadata": {
                "name": key[2],
                "namespace": key[1],
                "uid": f"{metadata['uid'][:24]}{key[2][-12:]}",
                "creationTimestamp": stamp,
            },
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "source": {"component": source, "host": "tradewind"},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
            "type": kind,
            "eventTime": None,
            "reportingComponent": source,
            "reportingInstance": "tradewind",
        }
        self._store.create(key, event)


def _key(pod: Object, identity: str) -> tuple[str, str, str]:
    digest = hashlib.sha256(f"{pod['metadata']['uid']}\0{identity}".encode()).hexdigest()[:16]
    return "events", pod["metadata"]["namespace"], f"{pod['metadata']['name'][:230]}.{digest}"
