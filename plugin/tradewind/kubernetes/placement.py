"""Where a pod may run, and what it is labelled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.dsl.channel import Channel
from tradewind.dsl.platform import Reference
from tradewind.dsl.task import PipelineTask
from tradewind.kubernetes.setting import Setting, present

__all__ = [
    "add_node_affinity",
    "add_node_affinity_json",
    "add_node_selector",
    "add_node_selector_json",
    "add_pod_affinity",
    "add_pod_annotation",
    "add_pod_label",
    "add_toleration",
    "add_toleration_json",
]

Expressions = Sequence[Mapping[str, Any]]
"""Like a pod's `matchExpressions`: key, operator, values."""

_NODE_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt")
_POD_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_NODE_AFFINITY = (
    "requiredDuringSchedulingIgnoredDuringExecution",
    "preferredDuringSchedulingIgnoredDuringExecution",
)


def add_node_selector(task: PipelineTask, label_key: str, label_value: str) -> PipelineTask:
    """Run on nodes with this label only."""
    setting = Setting(task, "add_node_selector")
    key, value = setting.text("label_key", label_key), setting.text("label_value", label_value, empty=True)
    setting.config.setdefault("nodeSelector", {}).setdefault("labels", {})[key] = value
    return task


def add_node_selector_json(
    task: PipelineTask, node_selector_json: Mapping[str, str] | Channel
) -> PipelineTask:
    """Run on nodes with these labels only. In place of all that `add_node_selector` says.

    Args:
        node_selector_json: label values by key; may be a value of the run.
    """
    setting = Setting(task, "add_node_selector_json")
    given = setting.json("node_selector_json", node_selector_json, (dict,))
    setting.config.setdefault("nodeSelector", {})["nodeSelectorJson"] = Reference(given)
    return task


def add_node_affinity(
    task: PipelineTask,
    match_expressions: Expressions | None = None,
    match_fields: Expressions | None = None,
    weight: int | None = None,
) -> PipelineTask:
    """Run on nodes that match; where this is called several times, one of the calls has to match.

    Args:
        match_expressions: about labels of nodes.
        match_fields: about fields of nodes.
        weight: from 1 to 100: it is a wish, not a demand.
    """
    setting = Setting(task, "add_node_affinity")
    entry = present(
        matchExpressions=_expressions(setting, "match_expressions", match_expressions, _NODE_OPERATORS),
        matchFields=_expressions(setting, "match_fields", match_fields, _NODE_OPERATORS),
    )
    if weight is not None:
        entry["weight"] = setting.number("weight", weight, 1, 100)
    return setting.add("nodeAffinity", entry)


def add_node_affinity_json(
    task: PipelineTask, node_affinity_json: Mapping[str, Any] | Channel
) -> PipelineTask:
    """Run on nodes that match. In place of what an earlier call of this function says.

    Args:
        node_affinity_json: like a pod's `affinity.nodeAffinity`; may be a value of the run.
    """
    setting = Setting(task, "add_node_affinity_json")
    given = setting.json("node_affinity_json", node_affinity_json, (dict,))
    if isinstance(given, dict) and (unknown := sorted(given.keys() - set(_NODE_AFFINITY))):
        setting.complain(f"a node affinity has no {unknown[0]!r}", f"it has {' and '.join(_NODE_AFFINITY)}")
    terms = setting.config.setdefault("nodeAffinity", [])
    terms[:] = [term for term in terms if "nodeAffinityJson" not in term]
    terms.append({"nodeAffinityJson": Reference(given)})
    return task


def add_pod_affinity(
    task: PipelineTask,
    topology_key: str,
    match_pod_labels: Mapping[str, str] | None = None,
    match_pod_expressions: Expressions | None = None,
    namespaces: Sequence[str] = (),
    match_namespace_labels: Mapping[str, str] | None = None,
    match_namespace_expressions: Expressions | None = None,
    weight: int | None = None,
    anti: bool = False,
) -> PipelineTask:
    """Run near other pods, or away from them. KFP's schema has it, its SDK does not.

    Args:
        topology_key: label of nodes; those with the same value are near each other.
        match_pod_labels, match_pod_expressions: which pods.
        namespaces, match_namespace_labels, match_namespace_expressions: of which namespaces; default: its
            own.
        weight: from 1 to 100: it is a wish, not a demand.
        anti: away from them.
    """
    setting = Setting(task, "add_pod_affinity")
    entry = present(
        matchPodLabels=setting.texts("match_pod_labels", match_pod_labels or {}),
        matchPodExpressions=_expressions(
            setting, "match_pod_expressions", match_pod_expressions, _POD_OPERATORS
        ),
        topologyKey=setting.text("topology_key", topology_key),
        namespaces=[setting.text("namespaces", name) for name in namespaces],
        matchNamespaceLabels=setting.texts("match_namespace_labels", match_namespace_labels or {}),
        matchNamespaceExpressions=_expressions(
            setting, "match_namespace_expressions", match_namespace_expressions, _POD_OPERATORS
        ),
    )
    if weight is not None:
        entry["weight"] = setting.number("weight", weight, 1, 100)
    return setting.add("podAffinity", entry | {"anti": setting.flag("anti", anti)})


def add_toleration(
    task: PipelineTask,
    key: str | None = None,
    operator: str | None = None,
    value: str | None = None,
    effect: str | None = None,
    toleration_seconds: int | None = None,
) -> PipelineTask:
    """Run also on nodes with a taint.

    Args:
        key: of the taint; None: of any.
        operator: "Equal", the default, or "Exists" for any value.
        value: of the taint.
        effect: "NoSchedule", "PreferNoSchedule" or "NoExecute"; None: any.
        toleration_seconds: for how long a taint with NoExecute is tolerated; None: for ever.
    """
    setting = Setting(task, "add_toleration")
    if operator and not setting.choice("operator", operator, ("Equal", "Exists")):
        return task
    if effect and not setting.choice("effect", effect, ("NoSchedule", "PreferNoSchedule", "NoExecute")):
        return task
    if not key and operator != "Exists":
        setting.complain("a toleration without a key tolerates everything", 'say so with operator="Exists"')
    entry = present(
        key=setting.text("key", key or "", empty=True),
        operator=operator,
        value=setting.text("value", value or "", empty=True),
        effect=effect,
    )
    if toleration_seconds is not None:
        number = setting.number("toleration_seconds", toleration_seconds, -(2**31), 2**63 - 1)
        entry["tolerationSeconds"] = str(number)
    return setting.add("tolerations", entry)


def add_toleration_json(
    task: PipelineTask, toleration_json: Mapping[str, Any] | Sequence[Mapping[str, Any]] | Channel
) -> PipelineTask:
    """Run also on nodes with these taints.

    Args:
        toleration_json: one toleration or a list of them. A value of the run is in the words of a pod's YAML
            (`tolerationSeconds`), a constant in those of `add_toleration`.
    """
    setting = Setting(task, "add_toleration_json")
    given = setting.json("toleration_json", toleration_json, (dict, list))
    if isinstance(given, Channel):
        return setting.add("tolerations", {"tolerationJson": Reference(given)})
    names = ("key", "operator", "value", "effect", "toleration_seconds")
    for each in given if isinstance(given, list) else [given or {}]:
        each = dict(each)
        if "tolerationSeconds" in each:
            each.setdefault("toleration_seconds", each.pop("tolerationSeconds"))
        if unknown := sorted(each.keys() - set(names)):
            setting.complain(f"a toleration has no {unknown[0]!r}", f"it has {', '.join(names)}")
        elif given is not None:
            add_toleration(task, **each)
    return task


def add_pod_label(task: PipelineTask, label_key: str, label_value: str) -> PipelineTask:
    """Label the pod."""
    return _metadata(Setting(task, "add_pod_label"), "labels", "label", label_key, label_value)


def add_pod_annotation(task: PipelineTask, annotation_key: str, annotation_value: str) -> PipelineTask:
    """Annotate the pod."""
    setting = Setting(task, "add_pod_annotation")
    return _metadata(setting, "annotations", "annotation", annotation_key, annotation_value)


def _metadata(setting: Setting, field: str, word: str, key: Any, value: Any) -> PipelineTask:
    name, text = setting.text(f"{word}_key", key), setting.text(f"{word}_value", value, empty=True)
    setting.config.setdefault("podMetadata", {}).setdefault(field, {})[name] = text
    return setting.task


def _expressions(
    setting: Setting, argument: str, given: Expressions | None, operators: tuple[str, ...]
) -> list[dict[str, Any]]:
    entries = []
    for expression in given or ():
        unknown = sorted(expression.keys() - {"key", "operator", "values"})
        if unknown:
            setting.complain(f"{argument} has no {unknown[0]!r}", "it has key, operator and values")
        entries.append(
            present(
                key=setting.text(f"key of {argument}", expression.get("key")),
                operator=setting.choice(f"operator of {argument}", expression.get("operator"), operators),
                values=[setting.text(f"values of {argument}", each) for each in expression.get("values", ())],
            )
        )
    return entries
