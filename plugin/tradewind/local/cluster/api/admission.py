"""What happens to an object before it is stored: metadata, defaults, and checks that list every problem at
once.
"""

from __future__ import annotations

import base64
import binascii
import random
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from tradewind.local.cluster.api.errors import ApiError, FieldProblem, bad_request, invalid
from tradewind.local.cluster.api.kinds import Kind
from tradewind.local.cluster.api.pod_rules import default_pod, pod_problems, pod_update_problems
from tradewind.local.cluster.quantities import quantity

__all__ = ["admit_new", "admit_update", "utc_now"]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_PART = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)")
_DATA_KEY = re.compile(r"[-._a-zA-Z0-9]+")
_SUFFIX = "bcdfghjklmnpqrstvwxz2456789"  # as Kubernetes: letters that spell no words

NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
    "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    r"'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
LABEL_VALUE_RULE = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', must "
    "start and end with an alphanumeric character, and have at most 63 characters"
)
KEY_RULE = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
DATA_LIMIT = 1024 * 1024
IMMUTABLE = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)


def utc_now() -> str:
    """The time as Kubernetes writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def admit_new(kind: Kind, namespace: str, body: Any) -> dict[str, Any]:
    """Make a new object fit to be stored.

    Args:
        namespace: from the path; "" for kinds without.
        body: as it came, any JSON value.

    Raises:
        ApiError: 400 or 422.
    """
    body = _checked_shape(kind, body)
    metadata = dict(body.get("metadata") or {})
    if not metadata.get("name") and metadata.get("generateName"):
        metadata["name"] = metadata["generateName"][:248] + "".join(random.choices(_SUFFIX, k=5))
    if kind.namespaced:
        given = metadata.setdefault("namespace", namespace)
        if given != namespace:
            raise bad_request(
                f"the namespace of the provided object does not match the namespace sent on the request"
                f" ({given} and {namespace})"
            )
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "resourceVersion", "selfLink"):
        metadata.pop(name, None)
    metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": utc_now()}
    admitted = {**body, "kind": kind.name, "apiVersion": "v1", "metadata": metadata}
    problems = [*_name_problems(kind, metadata), *_metadata_problems(metadata)]
    admitted, more = _admit_kind(kind, admitted)
    if problems or more:
        raise invalid(kind.name, str(metadata.get("name", "")), [*problems, *more])
    return admitted


def admit_update(
    kind: Kind, old: Mapping[str, Any], body: Any, *, status_only: bool = False
) -> dict[str, Any]:
    """Make the next state of an object fit to be stored: what must not change stays as it was.

    Args:
        status_only: a request for the status subresource: everything but status and labels stays.

    Raises:
        ApiError: 400 or 422.
    """
    body = _checked_shape(kind, body)
    metadata = dict(body.get("metadata") or {})
    if metadata.get("name", old["metadata"]["name"]) != old["metadata"]["name"]:
        raise bad_request("the name of the object does not match the name on the URL")
    metadata.pop("selfLink", None)
    for name in IMMUTABLE:
        metadata.pop(name, None)
        if name in old["metadata"]:
            metadata[name] = old["metadata"][name]
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    if status_only:
        return {**old, "metadata": metadata, "status": body.get("status", {})}
    updated = {**body, "kind": kind.name, "apiVersion": "v1", "metadata": metadata}
    if "status" in old:
        updated["status"] = old["status"]
    problems = _metadata_problems(metadata)
    if kind.resource == "pods":
        updated["spec"] = default_pod(updated)
        problems += pod_update_problems(old["spec"], updated["spec"])
    else:
        updated, more = _admit_kind(kind, updated)
        problems += more
        problems += _immutable_data_problems(old, updated)
    if problems:
        raise invalid(kind.name, metadata["name"], problems)
    return updated


def _checked_shape(kind: Kind, body: Any) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise bad_request("the body of the request is not an object")
    if body.get("kind", kind.name) != kind.name or body.get("apiVersion", "v1") != "v1":
        given = f"{body.get('apiVersion')}, Kind={body.get('kind')}"
        raise bad_request(f"no kind match: the request is for v1, Kind={kind.name}, the object is {given}")
    metadata = body.get("metadata") or {}
    if not isinstance(metadata, dict):
        raise bad_request(f"{kind.name} in version v1 cannot be handled: metadata is not an object")
    for name, expected in (("labels", dict), ("annotations", dict), ("name", str), ("generateName", str)):
        if metadata.get(name) is not None and not isinstance(metadata[name], expected):
            raise bad_request(
                f"{kind.name} in version v1 cannot be handled: metadata.{name} has the wrong type"
            )
    return body


def _admit_kind(kind: Kind, body: dict[str, Any]) -> tuple[dict[str, Any], list[FieldProblem]]:
    if kind.resource == "pods":
        spec = default_pod(body)
        return {**body, "spec": spec, "status": {"phase": "Pending", "qosClass": "BestEffort"}}, pod_problems(
            spec
        )
    if kind.resource == "secrets":
        return _admit_secret(body)
    if kind.resource == "configmaps":
        return body, _data_problems(body.get("data") or {}, "data")
    if kind.resource == "namespaces":
        spec = {"finalizers": ["kubernetes"]}
        return {**body, "spec": spec, "status": {"phase": "Active"}}, []
    if kind.resource == "persistentvolumeclaims":
        return _admit_claim(body)
    if kind.resource == "events":
        return {"count": 1, "type": "Normal", "reason": "", "source": {}, **body}, []
    return body, []


def _admit_claim(body: dict[str, Any]) -> tuple[dict[str, Any], list[FieldProblem]]:
    """A claim is bound at once, whatever its storage class. Copies of other volumes cannot be made."""
    spec = {name: value for name, value in (body.get("spec") or {}).items() if value is not None}
    requests = (spec.get("resources") or {}).get("requests") or {}
    problems = []
    if not spec.get("accessModes"):
        text = "Required value: at least 1 access mode is required"
        problems.append(FieldProblem("spec.accessModes", "FieldValueRequired", text))
    try:
        quantity(str(requests.get("storage") or ""))
    except ValueError as error:
        problems.append(FieldProblem("spec.resources[storage]", "FieldValueInvalid", str(error)))
    spec.setdefault("volumeMode", "Filesystem")
    if spec.get("dataSource") or spec.get("dataSourceRef"):
        return {**body, "spec": spec, "status": {"phase": "Pending"}}, problems
    spec.setdefault("volumeName", f"pvc-{body['metadata']['uid']}")
    status = {"phase": "Bound", "accessModes": spec.get("accessModes"), "capacity": dict(requests)}
    return {**body, "spec": spec, "status": status}, problems


def _admit_secret(body: dict[str, Any]) -> tuple[dict[str, Any], list[FieldProblem]]:
    data = dict(body.get("data") or {})
    for key, value in (body.get("stringData") or {}).items():
        data[key] = base64.b64encode(str(value).encode()).decode()
    problems = _data_problems(data, "data")
    for key, value in data.items():
        try:
            base64.b64decode(value or "", validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise bad_request(f"Secret in version v1 cannot be handled: data.{key} is not base64") from error
    kept = {name: value for name, value in body.items() if name != "stringData"}
    return {"type": "Opaque", **kept, "data": data}, problems


def _data_problems(data: Mapping[str, Any], field: str) -> list[FieldProblem]:
    problems = [
        FieldProblem(f"{field}[{key}]", "FieldValueInvalid", f'Invalid value: "{key}": {KEY_RULE}')
        for key in data
        if not _DATA_KEY.fullmatch(key) or len(key) > 253
    ]
    if sum(len(str(value)) for value in data.values()) > DATA_LIMIT:
        problems.append(
            FieldProblem(field, "FieldValueTooLong", f"Too long: must have at most {DATA_LIMIT} bytes")
        )
    return problems


def _immutable_data_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldProblem]:
    if not old.get("immutable"):
        return []
    return [
        FieldProblem(field, "FieldValueForbidden", "Forbidden: field is immutable when `immutable` is set")
        for field in ("data", "binaryData")
        if old.get(field) != new.get(field)
    ]


def _name_problems(kind: Kind, metadata: Mapping[str, Any]) -> list[FieldProblem]:
    name = metadata.get("name") or ""
    field = "metadata.name"
    if not name:
        message = "Required value: name or generateName is required"
        return [FieldProblem(field, "FieldValueRequired", message)]
    limit, pattern = (63, _LABEL) if kind.dns_label else (253, _SUBDOMAIN)
    problems = []
    if len(name) > limit:
        text = f'Invalid value: "{name}": must be no more than {limit} characters'
        problems.append(FieldProblem(field, "FieldValueInvalid", text))
    if not pattern.fullmatch(name):
        problems.append(FieldProblem(field, "FieldValueInvalid", f'Invalid value: "{name}": {NAME_RULE}'))
    return problems


def _metadata_problems(metadata: Mapping[str, Any]) -> list[FieldProblem]:
    problems: list[FieldProblem] = []
    for key, value in (metadata.get("labels") or {}).items():
        problems += _key_problems(key, "metadata.labels")
        if not isinstance(value, str):
            raise _wrong_type("labels", key)
        if value and (len(value) > 63 or not _NAME_PART.fullmatch(value)):
            text = f'Invalid value: "{value}": {LABEL_VALUE_RULE}'
            problems.append(FieldProblem("metadata.labels", "FieldValueInvalid", text))
    total = 0
    for key, value in (metadata.get("annotations") or {}).items():
        problems += _key_problems(key.lower(), "metadata.annotations")
        if not isinstance(value, str):
            raise _wrong_type("annotations", key)
        total += len(key) + len(value.encode())
    if total > 256 * 1024:
        text = "Too long: must have at most 262144 bytes"
        problems.append(FieldProblem("metadata.annotations", "FieldValueTooLong", text))
    return problems


def _key_problems(key: str, field: str) -> list[FieldProblem]:
    prefix, slash, name = key.rpartition("/")
    if len(name) <= 63 and _NAME_PART.fullmatch(name) and (not slash or _SUBDOMAIN.fullmatch(prefix)):
        return []
    text = f"Invalid value: \"{key}\": name part must consist of alphanumeric characters, '-', '_' or '.'"
    return [FieldProblem(field, "FieldValueInvalid", text)]


def _wrong_type(field: str, key: str) -> ApiError:
    message = (
        f'json: cannot unmarshal the value of metadata.{field}["{key}"] into Go struct field of type string'
    )
    return bad_request(message)
