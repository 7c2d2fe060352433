"""Node and pod affinity, as Kubernetes' scheduler judges them for a cluster of one node.

Only what is required counts: wishes choose among nodes, and there is one. It has no taints, so every
toleration is granted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

__all__ = ["matches_node", "pod_obstacle"]

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

Labels = Mapping[str, str]


def matches_node(spec: Mapping[str, Any], labels: Labels, name: str) -> bool:
    """Whether a pod's node selector and required node affinity let it on the node.

    Args:
        labels, name: of the node.
    """
    selector = spec.get("nodeSelector") or {}
    if any(labels.get(key) != value for key, value in selector.items()):
        return False
    required = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(_REQUIRED)
    if required is None:
        return True
    return any(_term_matches(term, labels, name) for term in required.get("nodeSelectorTerms") or ())


def pod_obstacle(
    pod: Mapping[str, Any],
    others: Iterable[Mapping[str, Any]],
    labels: Labels,
    namespace_labels: Callable[[str], Labels],
) -> str:
    """What a pod's affinities to other pods, and theirs to it, have against the node; empty: nothing.

    Args:
        others: pods on the node.
        labels: of the node.
        namespace_labels: gives the labels of a namespace.
    """
    placed = list(others)
    for term in _terms(pod, "podAffinity"):
        # The first pod of a group that wants to be together has nobody to join.
        if not any(_selects(term, pod, other, labels, namespace_labels) for other in (*placed, pod)):
            return "1 node(s) didn't match pod affinity rules"
    for term in _terms(pod, "podAntiAffinity"):
        if any(_selects(term, pod, other, labels, namespace_labels) for other in placed):
            return "1 node(s) didn't match pod anti-affinity rules"
    for other in placed:
        if any(
            _selects(term, other, pod, labels, namespace_labels) for term in _terms(other, "podAntiAffinity")
        ):
            return "1 node(s) didn't satisfy existing pods anti-affinity rules"
    return ""


def _terms(pod: Mapping[str, Any], kind: str) -> Iterable[Mapping[str, Any]]:
    terms: Iterable[Mapping[str, Any]] = ((pod["spec"].get("affinity") or {}).get(kind) or {}).get(
        _REQUIRED
    ) or ()
    return terms


def _selects(
    term: Mapping[str, Any],
    owner: Mapping[str, Any],
    other: Mapping[str, Any],
    labels: Labels,
    namespace_labels: Callable[[str], Labels],
) -> bool:
    """Whether a term of `owner` is about `other`, here where both would be on one node."""
    if term.get("topologyKey") not in labels:
        return False
    namespace = other["metadata"]["namespace"]
    selector = term.get("namespaceSelector")
    named = term.get("namespaces") or ([] if selector is not None else [owner["metadata"]["namespace"]])
    if namespace not in named and (
        selector is None or not _selector_matches(selector, namespace_labels(namespace))
    ):
        return False
    wanted = term.get("labelSelector")
    return wanted is not None and _selector_matches(wanted, other["metadata"].get("labels") or {})


def _selector_matches(selector: Mapping[str, Any], labels: Labels) -> bool:
    equal = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in equal.items()) and all(
        _expression_matches(each, labels) for each in selector.get("matchExpressions") or ()
    )


def _term_matches(term: Mapping[str, Any], labels: Labels, name: str) -> bool:
    expressions, fields = term.get("matchExpressions") or (), term.get("matchFields") or ()
    if not expressions and not fields:
        return False  # a term that says nothing selects nothing
    return all(_expression_matches(each, labels) for each in expressions) and all(
        _expression_matches(each, {"metadata.name": name}) for each in fields
    )


def _expression_matches(expression: Mapping[str, Any], labels: Labels) -> bool:
    value = labels.get(expression.get("key", ""))
    values = expression.get("values") or ()
    match expression.get("operator"):
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            return _compares(operator, value, values)
    return False


def _compares(operator: str, value: str | None, values: Any) -> bool:
    try:
        number, bound = int(value or ""), int(values[0])
    except (ValueError, IndexError):
        return False
    return number > bound if operator == "Gt" else number < bound
