"""The three patch formats: JSON Patch (RFC 6902), JSON Merge Patch (RFC 7386), and Kubernetes' strategic
merge patch.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any

from tradewind.local.cluster.api.errors import ApiError, bad_request, unsupported_media_type

__all__ = ["apply_patch"]

# The field that tells items of a list apart, by the list's field name (types.go of Kubernetes' core/v1,
# `patchMergeKey`).
MERGE_KEYS: Mapping[str, str] = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "ports": "containerPort",
    "conditions": "type",
    "ownerReferences": "uid",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "secrets": "name",
    "podIPs": "ip",
}
PRIMITIVE_LISTS = frozenset({"finalizers"})


def apply_patch(content_type: str, target: Any, patch: Any) -> Any:
    """Apply a patch of the given content type; the target is left as it is.

    Raises:
        ApiError: 415 for an unknown content type, 400 for a malformed patch, 422 for one that does not apply.
    """
    kind = content_type.partition(";")[0].strip()
    if kind == "application/json-patch+json":
        if not isinstance(patch, list):
            raise bad_request("a JSON patch is a list of operations")
        return _json_patch(copy.deepcopy(target), patch)
    if not isinstance(patch, Mapping):
        raise bad_request("a merge patch is an object")
    if kind == "application/merge-patch+json":
        return _merge(target, patch)
    if kind in ("application/strategic-merge-patch+json", "application/json", ""):
        return _strategic(target, patch)
    raise unsupported_media_type(content_type)


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return copy.deepcopy(patch)
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merge(merged.get(name), value)
    return merged


# --- strategic merge
# ----------------------------------------------------------------------------------------------


def _strategic(target: Any, patch: Mapping[str, Any]) -> dict[str, Any]:
    directive = patch.get("$patch")
    if directive == "replace":
        return {name: value for name, value in patch.items() if name != "$patch"}
    if directive == "delete":
        return {}
    merged = dict(target) if isinstance(target, Mapping) else {}
    if (kept := patch.get("$retainKeys")) is not None:
        merged = {name: value for name, value in merged.items() if name in kept}
    for name, value in patch.items():
        if name.startswith("$deleteFromPrimitiveList/"):
            field = name.partition("/")[2]
            merged[field] = [item for item in merged.get(field) or [] if item not in value]
        elif name.startswith("$"):
            continue  # $setElementOrder: order carries no meaning in lists with a merge key
        elif value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            merged[name] = _strategic(merged.get(name), value)
        elif (
            isinstance(value, list)
            and name in MERGE_KEYS
            and all(isinstance(item, Mapping) for item in value)
        ):
            merged[name] = _merge_list(merged.get(name) or [], value, MERGE_KEYS[name])
        elif isinstance(value, list) and name in PRIMITIVE_LISTS:
            merged[name] = list(dict.fromkeys([*(merged.get(name) or []), *value]))
        else:
            merged[name] = copy.deepcopy(value)
    return merged


def _merge_list(target: list[Any], patch: list[Any], key: str) -> list[Any]:
    if any(item == {"$patch": "replace"} for item in patch):
        return [item for item in patch if item != {"$patch": "replace"}]
    merged = list(target)
    for item in patch:
        if key not in item:
            raise bad_request(f"map: {dict(item)} does not contain declared merge key: {key}")
        place = next((index for index, old in enumerate(merged) if old.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if place is not None:
                del merged[place]
        elif place is None:
            merged.append(_strategic({}, item))
        else:
            merged[place] = _strategic(merged[place], item)
    return merged


# --- JSON patch
# ---------------------------------------------------------------------------------------------------


def _json_patch(document: Any, operations: list[Any]) -> Any:
    for operation in operations:
        try:
            name, path = operation["op"], operation["path"]
            action = _OPERATIONS[name]
        except (KeyError, TypeError) as error:
            raise bad_request(f"not an operation of a JSON patch: {operation}") from error
        try:
            document = action(document, _steps(path), operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            message = (
                f"the server rejected our request due to an error in our request: {name} {path}: {error}"
            )
            raise ApiError(422, "Invalid", message) from error
    return document


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise ValueError("a path starts with /")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")[1:]]


def _child(parent: Any, step: str) -> Any:
    return parent[int(step)] if isinstance(parent, list) else parent[step]


def _lookup(document: Any, steps: list[str]) -> Any:
    for step in steps:
        document = _child(document, step)
    return document


def _add(document: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    parent, last = _lookup(document, steps[:-1]), steps[-1]
    if isinstance(parent, list):
        index = len(parent) if last == "-" else int(last)
        if not 0 <= index <= len(parent):
            raise IndexError("list index out of range")
        parent.insert(index, value)
    else:
        parent[last] = value
    return document


def _remove(document: Any, steps: list[str]) -> Any:
    parent = _lookup(document, steps[:-1])
    if isinstance(parent, list):
        del parent[int(steps[-1])]
    else:
        del parent[steps[-1]]
    return document


def _replace(document: Any, steps: list[str], value: Any) -> Any:
    if not steps:
        return value
    return _add(_remove(document, steps), steps, value)


def _test(document: Any, steps: list[str], value: Any) -> Any:
    if _lookup(document, steps) != value:
        raise ValueError("testing value failed")
    return document


_Action = Callable[[Any, list[str], Mapping[str, Any]], Any]

_OPERATIONS: Mapping[str, _Action] = {
    "add": lambda document, steps, operation: _add(document, steps, operation["value"]),
    "remove": lambda document, steps, _operation: _remove(document, steps),
    "replace": lambda document, steps, operation: _replace(document, steps, operation["value"]),
    "test": lambda document, steps, operation: _test(document, steps, operation["value"]),
    "copy": lambda document, steps, operation: _add(
        document, steps, copy.deepcopy(_lookup(document, _steps(operation["from"])))
    ),
    "move": lambda document, steps, operation: _move(document, _steps(operation["from"]), steps),
}


def _move(document: Any, source: list[str], target: list[str]) -> Any:
    value = _lookup(document, source)
    return _add(_remove(document, source), target, value)
