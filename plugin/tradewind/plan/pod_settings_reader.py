"""From kfp-kubernetes' messages to `PodSettings`: old spellings and new ones, text or JSON, become one thing.

Names come as references; who reads says what to make of each. They are asked for in an order that only
depends on the message, so that reading twice numbers them alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from kfp.pipeline_spec.pipeline_spec_pb2 import TaskInputsSpec

from tradewind.plan.bindings import Binding, Constant
from tradewind.plan.pod_settings import (
    Claim,
    EphemeralClaim,
    KeyVariables,
    Mount,
    PodSettings,
    Scratch,
    SourceKind,
    StoredFiles,
)

__all__ = ["InputSpec", "Resolve", "read"]

InputSpec: TypeAlias = TaskInputsSpec.InputParameterSpec

Resolve = Callable[[InputSpec, str], Binding]
"""Gives the binding for a reference, and the reference's place in the settings."""

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"


def read(config: Any, resolve: Resolve) -> PodSettings:
    """Read the settings of one executor.

    Args:
        config: a message of `tradewind.ir.kubernetes`.
        resolve: called once for each name or JSON that a run may decide.
    """
    selector = config.node_selector
    selectors = tuple(
        _json_or(selector, "node_selector_json", "nodeSelector", dict(selector.labels), resolve)
    )
    return PodSettings(
        variables=(
            *_variables("secret", "secretAsEnv", config.secret_as_env, resolve),
            *_variables("config_map", "configMapAsEnv", config.config_map_as_env, resolve),
        ),
        field_variables=tuple((each.name, each.field_path) for each in config.field_path_as_env),
        mounts=tuple(_mounts(config, resolve)),
        labels=dict(config.pod_metadata.labels),
        annotations=dict(config.pod_metadata.annotations),
        node_selector=selectors[0] if selectors else None,
        node_affinity=tuple(
            binding
            for index, term in enumerate(config.node_affinity)
            for binding in _json_or(
                term, "node_affinity_json", f"nodeAffinity[{index}]", _node_term(term), resolve
            )
        ),
        pod_affinity=_pod_affinity(config.pod_affinity),
        tolerations=tuple(
            binding
            for index, each in enumerate(config.tolerations)
            for binding in _json_or(
                each, "toleration_json", f"tolerations[{index}]", _toleration(each), resolve
            )
        ),
        image_pull_policy=config.image_pull_policy,
        image_pull_secrets=tuple(
            _name(each, "secret", f"imagePullSecret[{index}]", resolve)
            for index, each in enumerate(config.image_pull_secret)
        ),
        timeout_seconds=config.active_deadline_seconds,
        security_context=_set_fields(config.security_context),
    )


def _name(part: Any, prefix: str, place: str, resolve: Resolve) -> Binding:
    """The name of a secret or config map, in the newer field or in the older one."""
    field = f"{prefix}_name_parameter"
    if part.HasField(field):
        return resolve(getattr(part, field), f"{place}.{part.DESCRIPTOR.fields_by_name[field].json_name}")
    old = f"{prefix}_name"
    reference = InputSpec()
    if getattr(part, old):
        reference.runtime_value.constant.string_value = getattr(part, old)
    return resolve(reference, f"{place}.{part.DESCRIPTOR.fields_by_name[old].json_name}")


def _claim(part: Any, place: str, resolve: Resolve) -> Claim:
    if part.HasField("pvc_name_parameter"):
        return Claim(resolve(part.pvc_name_parameter, f"{place}.pvcNameParameter"))
    reference = InputSpec()
    if part.HasField("task_output_parameter"):
        reference.task_output_parameter.CopyFrom(part.task_output_parameter)
    elif part.component_input_parameter:
        reference.component_input_parameter = part.component_input_parameter
    elif part.constant:
        reference.runtime_value.constant.string_value = part.constant
    return Claim(resolve(reference, place))


def _variables(kind: SourceKind, field: str, parts: Any, resolve: Resolve) -> Iterator[KeyVariables]:
    for index, part in enumerate(parts):
        yield KeyVariables(
            kind=kind,
            name=_name(part, kind, f"{field}[{index}]", resolve),
            variables=tuple((each.env_var, getattr(each, f"{kind}_key")) for each in part.key_to_env),
            optional=part.optional,
        )


def _mounts(config: Any, resolve: Resolve) -> Iterator[Mount]:
    stored: tuple[tuple[SourceKind, str, Any], ...] = (
        ("secret", "secretAsVolume", config.secret_as_volume),
        ("config_map", "configMapAsVolume", config.config_map_as_volume),
    )
    for kind, field, parts in stored:
        for index, part in enumerate(parts):
            name = _name(part, kind, f"{field}[{index}]", resolve)
            yield Mount(part.mount_path, StoredFiles(kind, name, part.optional))
    for index, part in enumerate(config.pvc_mount):
        yield Mount(part.mount_path, _claim(part, f"pvcMount[{index}]", resolve), part.sub_path)
    for part in config.generic_ephemeral_volume:
        volume = EphemeralClaim(
            name=part.volume_name,
            access_modes=tuple(part.access_modes),
            size=part.size,
            storage_class=None if part.default_storage_class else part.storage_class_name,
            labels=dict(part.metadata.labels),
            annotations=dict(part.metadata.annotations),
        )
        yield Mount(part.mount_path, volume)
    for part in config.empty_dir_mounts:
        yield Mount(part.mount_path, Scratch(part.volume_name, part.medium, part.size_limit))
    if config.HasField("enabled_shared_memory"):
        memory = config.enabled_shared_memory
        yield Mount("/dev/shm", Scratch(memory.volume_name or "shm", "Memory", memory.size))


def _json_or(part: Any, field: str, place: str, given: Any, resolve: Resolve) -> Iterator[Binding]:
    """What a run gives as JSON, or else what is written here, if anything is: KFP's rule."""
    if part.HasField(field):
        yield resolve(getattr(part, field), f"{place}.{part.DESCRIPTOR.fields_by_name[field].json_name}")
    elif given:
        yield Constant(given)


def _set_fields(part: Any) -> dict[str, Any]:
    return {field.json_name: value for field, value in part.ListFields()}


def _toleration(part: Any) -> dict[str, Any]:
    return {name: value for name, value in _set_fields(part).items() if name != "tolerationJson"}


def _expressions(parts: Any) -> list[dict[str, Any]]:
    return [
        {"key": part.key, "operator": part.operator} | ({"values": list(part.values)} if part.values else {})
        for part in parts
    ]


def _node_term(part: Any) -> dict[str, Any]:
    matches = {
        "matchExpressions": _expressions(part.match_expressions),
        "matchFields": _expressions(part.match_fields),
    }
    term = {name: expressions for name, expressions in matches.items() if expressions}
    if not term:
        return {}
    if part.HasField("weight"):
        return {_PREFERRED: [{"weight": part.weight, "preference": term}]}
    return {_REQUIRED: {"nodeSelectorTerms": [term]}}


def _selector(labels: Mapping[str, str], expressions: Any) -> dict[str, Any]:
    parts = {"matchLabels": dict(labels), "matchExpressions": _expressions(expressions)}
    return {name: part for name, part in parts.items() if part}


def _pod_affinity(parts: Any) -> dict[str, Any]:
    affinity: dict[str, Any] = {}
    for part in parts:
        term: dict[str, Any] = {
            "labelSelector": _selector(part.match_pod_labels, part.match_pod_expressions),
            "topologyKey": part.topology_key,
        }
        if part.namespaces:
            term["namespaces"] = list(part.namespaces)
        namespaces = _selector(part.match_namespace_labels, part.match_namespace_expressions)
        if namespaces:
            term["namespaceSelector"] = namespaces
        terms = affinity.setdefault("podAntiAffinity" if part.anti else "podAffinity", {})
        if part.HasField("weight"):
            terms.setdefault(_PREFERRED, []).append({"weight": part.weight, "podAffinityTerm": term})
        else:
            terms.setdefault(_REQUIRED, []).append(term)
    return affinity
