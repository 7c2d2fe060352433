"""What `kubectl get` prints: the server makes the table, as Kubernetes' own printers do."""

from __future__ import annotations

import time
from calendar import timegm
from collections.abc import Callable, Mapping, Sequence
from typing import Any

__all__ = ["table", "wants_table"]

Row = Callable[[Mapping[str, Any]], list[Any]]


def wants_table(accept: str) -> bool:
    """Whether the `Accept` header asks for a table in a version that we have."""
    return any("as=Table" in part and "v=v1;" in f"{part.replace(' ', '')};" for part in accept.split(","))


def table(resource: str, items: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """A `Table` of the objects; each row also carries its object's metadata."""
    columns, row = _TABLES.get(resource, _PLAIN)
    definitions = [
        {
            "name": name.lstrip("+"),
            "type": "integer" if name == "Data" else "string",
            "format": "name" if name == "Name" else "",
            "description": name.lstrip("+"),
            "priority": 1 if name.startswith("+") else 0,  # priority 1 shows with -o wide
        }
        for name in columns
    ]
    rows = [
        {
            "cells": row(item),
            "object": {
                "kind": "PartialObjectMetadata",
                "apiVersion": "meta.k8s.io/v1",
                "metadata": item["metadata"],
            },
        }
        for item in items
    ]
    head = {"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": dict(metadata)}
    return {**head, "columnDefinitions": definitions, "rows": rows}


def _age(stamp: str | None) -> str:
    if not stamp:
        return "<unknown>"
    seconds = max(0, int(time.time() - timegm(time.strptime(stamp[:19], "%Y-%m-%dT%H:%M:%S"))))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    return f"{hours}h" if days < 2 else f"{days}d"


def _created(item: Mapping[str, Any]) -> str:
    return _age(item["metadata"].get("creationTimestamp"))


def _pod(item: Mapping[str, Any]) -> list[Any]:
    status = item.get("status", {})
    statuses = status.get("containerStatuses", [])
    ready = sum(1 for entry in statuses if entry.get("ready"))
    restarts = sum(entry.get("restartCount", 0) for entry in statuses)
    spec = item["spec"]
    return [
        item["metadata"]["name"],
        f"{ready}/{len(spec['containers'])}",
        pod_reason(item),
        str(restarts),
        _created(item),
        status.get("podIP") or "<none>",
        spec.get("nodeName") or "<none>",
        "<none>",
        "<none>",
    ]


def pod_reason(item: Mapping[str, Any]) -> str:
    """The STATUS column, by the rules of Kubernetes' printPod."""
    status = item.get("status", {})
    reason = str(status.get("reason") or status.get("phase", "Unknown"))
    initial = status.get("initContainerStatuses", [])
    for index, entry in enumerate(initial):
        state = entry.get("state", {})
        if state.get("terminated", {}).get("exitCode") == 0:
            continue
        if "terminated" in state:
            end = state["terminated"]
            reason = f"Init:{end.get('reason') or 'ExitCode:' + str(end['exitCode'])}"
        elif state.get("waiting", {}).get("reason") not in (None, "PodInitializing"):
            reason = f"Init:{state['waiting']['reason']}"
        else:
            reason = f"Init:{index}/{len(initial)}"
        break
    else:
        for entry in reversed(status.get("containerStatuses", [])):
            state = entry.get("state", {})
            reason = (
                state.get("waiting", {}).get("reason") or state.get("terminated", {}).get("reason") or reason
            )
    if item["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return reason


def _event(item: Mapping[str, Any]) -> list[Any]:
    about = item.get("involvedObject", {})
    return [
        _age(item.get("lastTimestamp") or item["metadata"].get("creationTimestamp")),
        item.get("type", ""),
        item.get("reason", ""),
        f"{about.get('kind', '').lower()}/{about.get('name', '')}",
        about.get("fieldPath", ""),
        item.get("source", {}).get("component", ""),
        item.get("message", ""),
        _age(item.get("firstTimestamp")),
        str(item.get("count", 1)),
        item["metadata"]["name"],
    ]


def _node(item: Mapping[str, Any]) -> list[Any]:
    return [item["metadata"]["name"], "Ready", "<none>", _created(item), "embedded"]


def _claim(item: Mapping[str, Any]) -> list[Any]:
    spec = item.get("spec", {})
    size = spec.get("resources", {}).get("requests", {}).get("storage", "")
    phase = item.get("status", {}).get("phase", "")
    return [item["metadata"]["name"], phase, spec.get("volumeName", ""), size, _created(item)]


_PLAIN: tuple[Sequence[str], Row] = (
    ("Name", "Age"),
    lambda item: [item["metadata"]["name"], _created(item)],
)

_TABLES: Mapping[str, tuple[Sequence[str], Row]] = {
    "pods": (
        ("Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"),
        _pod,
    ),
    "namespaces": (
        ("Name", "Status", "Age"),
        lambda item: [item["metadata"]["name"], item["status"]["phase"], _created(item)],
    ),
    "nodes": (("Name", "Status", "Roles", "Age", "Version"), _node),
    "secrets": (
        ("Name", "Type", "Data", "Age"),
        lambda item: [item["metadata"]["name"], item["type"], len(item.get("data") or {}), _created(item)],
    ),
    "configmaps": (
        ("Name", "Data", "Age"),
        lambda item: [
            item["metadata"]["name"],
            len(item.get("data") or {}) + len(item.get("binaryData") or {}),
            _created(item),
        ],
    ),
    "events": (
        (
            *("Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen"),
            *("+Count", "+Name"),
        ),
        _event,
    ),
    "persistentvolumeclaims": (("Name", "Status", "Volume", "Capacity", "Age"), _claim),
}
