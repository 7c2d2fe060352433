"""Label and field selectors, as predicates over objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from tradewind.local.cluster.api.errors import bad_request

__all__ = ["Predicate", "field_selector", "label_selector"]

Predicate = Callable[[Mapping[str, Any]], bool]

_SET = re.compile(r"^(?P<key>[^\s!=,()]+)\s+(?P<operator>in|notin)\s*\((?P<values>[^()]*)\)$")
_EQUAL = re.compile(r"^(?P<key>[^\s!=,()<>]+)\s*(?P<operator>==|=|!=)\s*(?P<value>[^\s!=,()]*)$")
_COMPARE = re.compile(r"^(?P<key>[^\s!=,()<>]+)\s*(?P<operator>[<>])\s*(?P<value>-?\d+)$")
_EXISTS = re.compile(r"^(?P<absent>!?)\s*(?P<key>[^\s!=,()<>]+)$")

FIELDS: Mapping[str, tuple[str, ...]] = {
    "pods": (
        "metadata.name",
        "metadata.namespace",
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    ),
    "events": (
        "metadata.name",
        "metadata.namespace",
        "involvedObject.kind",
        "involvedObject.namespace",
        "involvedObject.name",
        "involvedObject.uid",
        "involvedObject.apiVersion",
        "involvedObject.resourceVersion",
        "involvedObject.fieldPath",
        "reason",
        "reportingComponent",
        "source",
        "type",
    ),
    "secrets": ("metadata.name", "metadata.namespace", "type"),
    "namespaces": ("metadata.name", "status.phase"),
}


def label_selector(text: str) -> Predicate:
    """Parse a label selector: `a=b,c!=d,e in (f,g),h,!i`.

    Raises:
        ApiError: 400, it cannot be parsed.
    """
    tests = [_label_test(part.strip()) for part in re.split(r",(?![^(]*\))", text) if part.strip()]

    def matches(body: Mapping[str, Any]) -> bool:
        labels = body["metadata"].get("labels") or {}
        return all(test(labels) for test in tests)

    return matches


def _label_test(part: str) -> Predicate:
    if match := _SET.match(part):
        key, values = match["key"], {value.strip() for value in match["values"].split(",")}
        if match["operator"] == "in":
            return lambda labels: key in labels and labels[key] in values
        return lambda labels: labels.get(key) not in values
    if match := _EQUAL.match(part):
        key, value = match["key"], match["value"]
        if match["operator"] == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if match := _COMPARE.match(part):
        key, bound, above = match["key"], int(match["value"]), match["operator"] == ">"
        return lambda labels: _is_beyond(labels.get(key), bound, above=above)
    if match := _EXISTS.match(part):
        key, absent = match["key"], bool(match["absent"])
        return lambda labels: (key not in labels) if absent else (key in labels)
    raise bad_request(f"unable to parse requirement: {part!r} is not a label selector")


def _is_beyond(value: str | None, bound: int, *, above: bool) -> bool:
    if value is None or not re.fullmatch(r"-?\d+", value):
        return False
    return int(value) > bound if above else int(value) < bound


def field_selector(resource: str, text: str) -> Predicate:
    """Parse a field selector: `status.phase=Running,metadata.name!=x`.

    Raises:
        ApiError: 400, it cannot be parsed or the resource has no such field to select by.
    """
    tests: list[tuple[str, str, bool]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.match(r"^([\w.]+)\s*(==|=|!=)\s*(.*)$", part)
        if match is None:
            raise bad_request(f"invalid selector: {part!r}; can't understand it")
        if match[1] not in FIELDS.get(resource, ("metadata.name", "metadata.namespace")):
            raise bad_request(f'field label not supported: "{match[1]}"')
        tests.append((match[1], match[3], match[2] != "!="))

    def matches(body: Mapping[str, Any]) -> bool:
        return all((_field(body, path) == value) == wanted for path, value, wanted in tests)

    return matches


def _field(body: Mapping[str, Any], path: str) -> str:
    if path == "source":
        path = "source.component"
    value: Any = body
    for name in path.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)
