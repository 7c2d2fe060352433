"""A container's environment variables, worked out: sources looked up, `$(NAME)` expanded."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from decimal import ROUND_CEILING
from typing import Any

from tradewind.local.cluster.quantities import quantity

__all__ = ["Lookup", "MissingSource", "container_variables", "data_of", "expand", "field_value"]

Lookup = Callable[[str, str], "Mapping[str, Any] | None"]
"""Finds a secret or config map of the pod's namespace: (resource, name)."""

_REFERENCE = re.compile(r"\$\$|\$\(([^()$]*)\)")
_VARIABLE = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")


class MissingSource(Exception):
    """A secret, config map or key is not there (yet), or a reference cannot be resolved."""


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Replace `$(NAME)` where NAME is known; `$$` stands for `$`."""

    def value(match: re.Match[str]) -> str:
        if match[0] == "$$":
            return "$"
        return variables.get(match[1], match[0])

    return _REFERENCE.sub(value, text)


def container_variables(
    container: Mapping[str, Any], pod: Mapping[str, Any], lookup: Lookup
) -> dict[str, str]:
    """The variables of a container itself: envFrom, then env. References are to earlier ones of these alone.

    Raises:
        MissingSource: with the kubelet's words.
    """
    variables: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        variables |= _from_source(source, lookup)
    for variable in container.get("env") or []:
        if variable.get("valueFrom"):
            value = _from_reference(variable["valueFrom"], container, pod, lookup)
            if value is None:
                continue
            variables[variable["name"]] = value
        else:
            variables[variable["name"]] = expand(variable.get("value") or "", variables)
    return variables


def data_of(resource: str, body: Mapping[str, Any]) -> dict[str, bytes]:
    """The entries of a secret or config map as bytes."""
    if resource == "secrets":
        return {key: base64.b64decode(value or "") for key, value in (body.get("data") or {}).items()}
    data = {key: str(value).encode() for key, value in (body.get("data") or {}).items()}
    return data | {key: base64.b64decode(value) for key, value in (body.get("binaryData") or {}).items()}


def _from_source(source: Mapping[str, Any], lookup: Lookup) -> dict[str, str]:
    prefix = source.get("prefix") or ""
    for field, resource, word in (
        ("secretRef", "secrets", "secret"),
        ("configMapRef", "configmaps", "configmap"),
    ):
        reference = source.get(field)
        if reference is None:
            continue
        found = lookup(resource, reference.get("name", ""))
        if found is None:
            if reference.get("optional"):
                return {}
            raise MissingSource(f'{word} "{reference.get("name", "")}" not found')
        entries = {
            prefix + key: value.decode("utf-8", "surrogateescape")
            for key, value in data_of(resource, found).items()
        }
        return {key: value for key, value in entries.items() if _VARIABLE.fullmatch(key)}
    return {}


def _from_reference(
    source: Mapping[str, Any], container: Mapping[str, Any], pod: Mapping[str, Any], lookup: Lookup
) -> str | None:
    for field, resource, word in (
        ("secretKeyRef", "secrets", "secret"),
        ("configMapKeyRef", "configmaps", "configmap"),
    ):
        reference = source.get(field)
        if reference is None:
            continue
        found = lookup(resource, reference.get("name", ""))
        data = data_of(resource, found) if found is not None else {}
        if reference["key"] in data:
            return data[reference["key"]].decode("utf-8", "surrogateescape")
        if reference.get("optional"):
            return None
        if found is None:
            raise MissingSource(f'{word} "{reference.get("name", "")}" not found')
        name = f"{pod['metadata']['namespace']}/{reference['name']}"
        kind = "Secret" if resource == "secrets" else "ConfigMap"
        raise MissingSource(f"couldn't find key {reference['key']} in {kind} {name}")
    if "resourceFieldRef" in source:
        return _resource_value(source["resourceFieldRef"], container)
    return field_value(source["fieldRef"]["fieldPath"], pod)


def field_value(path: str, pod: Mapping[str, Any]) -> str:
    """A field of the pod by the paths that the downward API knows.

    Raises:
        MissingSource: not such a path.
    """
    if match := re.fullmatch(r"metadata\.(labels|annotations)\['([^']*)'\]", path):
        return str((pod["metadata"].get(match[1]) or {}).get(match[2], ""))
    if path in ("metadata.labels", "metadata.annotations"):
        items = pod["metadata"].get(path.partition(".")[2]) or {}
        return "\n".join(f'{key}="{value}"' for key, value in sorted(items.items()))
    known = {
        "metadata.name": pod["metadata"]["name"],
        "metadata.namespace": pod["metadata"]["namespace"],
        "metadata.uid": pod["metadata"]["uid"],
        "spec.nodeName": pod["spec"].get("nodeName", ""),
        "spec.serviceAccountName": pod["spec"].get("serviceAccountName", ""),
        "status.hostIP": "127.0.0.1",
        "status.podIP": "127.0.0.1",
        "status.podIPs": "127.0.0.1",
    }
    if path not in known:
        raise MissingSource(f"unsupported fieldPath: {path}")
    return str(known[path])


def _resource_value(reference: Mapping[str, Any], container: Mapping[str, Any]) -> str:
    group, _, name = str(reference["resource"]).partition(".")
    resources = container.get("resources") or {}
    given = (resources.get(group) or {}).get(name) or (resources.get("limits") or {}).get(name) or "0"
    try:
        amount = quantity(str(given)) / quantity(str(reference.get("divisor") or "1"))
    except (ValueError, ZeroDivisionError) as error:
        raise MissingSource(str(error)) from error
    return str(int(amount.to_integral_value(rounding=ROUND_CEILING)))
