"""Defaults and checks of a pod's spec, as in Kubernetes' core/v1 defaults.go and validation.go, for the
fields that count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tradewind.local.cluster.api.errors import FieldProblem, bad_request
from tradewind.local.cluster.quantities import quantity

__all__ = ["default_pod", "pod_problems", "pod_update_problems"]

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_ENVIRONMENT = re.compile(r"[-._a-zA-Z][-._a-zA-Z0-9]*")
LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start "
    "and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_POLICIES = ("Always", "OnFailure", "Never")
_MESSAGE_POLICIES = ("File", "FallbackToLogsOnError")
_PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_POD_DEFAULTS: Mapping[str, Any] = {
    "restartPolicy": "Always",
    "dnsPolicy": "ClusterFirst",
    "terminationGracePeriodSeconds": 30,
    "schedulerName": "default-scheduler",
    "serviceAccountName": "default",
    "serviceAccount": "default",
    "enableServiceLinks": True,
    "securityContext": {},
}
_CONTAINER_DEFAULTS: Mapping[str, Any] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "resources": {},
}


def default_pod(body: Mapping[str, Any]) -> dict[str, Any]:
    """The pod's spec with what Kubernetes fills in.

    Raises:
        ApiError: 400, something has a wrong JSON type.
    """
    spec = body.get("spec")
    if not isinstance(spec, dict):
        raise bad_request("Pod in version v1 cannot be handled: spec is missing or not an object")
    spec = {name: value for name, value in spec.items() if value is not None}
    _check_types(spec)
    spec = {**_POD_DEFAULTS, **spec}
    for group in ("containers", "initContainers"):
        if group in spec:
            spec[group] = [_default_container(item) for item in spec[group]]
    if "volumes" in spec:
        spec["volumes"] = [_default_volume(item) for item in spec["volumes"]]
    return spec


def _check_types(spec: Mapping[str, Any]) -> None:
    for group in ("containers", "initContainers", "volumes"):
        if not _is_list_of(spec.get(group, []), dict):
            raise bad_request(f"Pod in version v1 cannot be handled: spec.{group} is not a list of objects")
    for group in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(group, [])):
            place = f"spec.{group}[{index}]"
            for name in ("name", "image", "workingDir"):
                if not isinstance(container.get(name) or "", str):
                    raise bad_request(f"Pod in version v1 cannot be handled: {place}.{name} is not a string")
            for name in ("command", "args"):
                if not _is_list_of(container.get(name) or [], str):
                    raise bad_request(
                        f"Pod in version v1 cannot be handled: {place}.{name} is not a list of strings"
                    )
            for name in ("env", "envFrom", "volumeMounts"):
                if not _is_list_of(container.get(name) or [], dict):
                    raise bad_request(
                        f"Pod in version v1 cannot be handled: {place}.{name} is not a list of objects"
                    )
            for index2, variable in enumerate(container.get("env") or []):
                if not isinstance(variable.get("value") or "", str):
                    where = f"{place}.env[{index2}].value"
                    raise bad_request(
                        f"json: cannot unmarshal {where} into Go struct field EnvVar of type string"
                    )
            _check_resources(place, container.get("resources") or {})
    for name in ("activeDeadlineSeconds", "terminationGracePeriodSeconds"):
        if name in spec and (not isinstance(spec[name], int) or isinstance(spec[name], bool)):
            raise bad_request(
                f"json: cannot unmarshal spec.{name} into Go struct field PodSpec of type int64"
            )


def _check_resources(place: str, resources: Any) -> None:
    for group in ("requests", "limits"):
        amounts = resources.get(group) if isinstance(resources, dict) else None
        if not isinstance(resources, dict) or not isinstance(amounts or {}, dict):
            raise bad_request(f"Pod in version v1 cannot be handled: {place}.resources is not an object")
        for name, amount in (amounts or {}).items():
            try:
                quantity(str(amount))
            except ValueError as error:
                raise bad_request(
                    f"Pod in version v1 cannot be handled: {place}.resources.{group}[{name}]: {error}"
                ) from error


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and all(isinstance(item, kind) for item in value)


def _default_container(container: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in container.items() if value is not None}
    filled = {**_CONTAINER_DEFAULTS, **given}
    image = str(filled.get("image", ""))
    tag = image.rpartition("/")[2].partition("@")[0].partition(":")[2]
    moving = "@" not in image and tag in ("", "latest")
    filled.setdefault("imagePullPolicy", "Always" if moving else "IfNotPresent")
    limits = filled["resources"].get("limits")
    if limits:
        filled["resources"] = {
            **filled["resources"],
            "requests": limits | (filled["resources"].get("requests") or {}),
        }
    if "env" in filled:
        filled["env"] = [_default_variable(item) for item in filled["env"]]
    return filled


def _default_variable(variable: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in variable.items() if value is not None}
    field = (given.get("valueFrom") or {}).get("fieldRef")
    if field:
        given["valueFrom"] = {**given["valueFrom"], "fieldRef": {"apiVersion": "v1", **field}}
    return given


def _default_volume(volume: Mapping[str, Any]) -> dict[str, Any]:
    given = {name: value for name, value in volume.items() if value is not None}
    if set(given) <= {"name"}:
        given["emptyDir"] = {}
    for name in ("secret", "configMap"):
        if name in given:
            given[name] = {"defaultMode": 0o644, **given[name]}
    return given


# --- checks
# -------------------------------------------------------------------------------------------------------


def pod_problems(spec: Mapping[str, Any]) -> list[FieldProblem]:
    """Everything that is wrong with a new pod's spec, after defaults."""
    problems = list(_volume_problems(spec.get("volumes", [])))
    volumes = {volume.get("name") for volume in spec.get("volumes", [])}
    if not spec.get("containers"):
        problems.append(FieldProblem("spec.containers", "FieldValueRequired", "Required value"))
    seen: set[str] = set()
    for group in ("initContainers", "containers"):
        for index, container in enumerate(spec.get(group, [])):
            problems += _container_problems(f"spec.{group}[{index}]", container, volumes, seen)
    problems += _choice("spec.restartPolicy", spec["restartPolicy"], _POLICIES)
    if spec["terminationGracePeriodSeconds"] < 0:
        problems.append(
            _invalid("spec.terminationGracePeriodSeconds", spec["terminationGracePeriodSeconds"], _AT_LEAST_0)
        )
    deadline = spec.get("activeDeadlineSeconds")
    if deadline is not None and not 1 <= deadline <= 2**31 - 1:
        rule = "must be between 1 and 2147483647, inclusive"
        problems.append(_invalid("spec.activeDeadlineSeconds", deadline, rule))
    return problems


_AT_LEAST_0 = "must be greater than or equal to 0"


def _invalid(field: str, value: Any, rule: str) -> FieldProblem:
    shown = f'"{value}"' if isinstance(value, str) else str(value)
    return FieldProblem(field, "FieldValueInvalid", f"Invalid value: {shown}: {rule}")


def _choice(field: str, value: Any, allowed: tuple[str, ...]) -> Iterator[FieldProblem]:
    if value not in allowed:
        names = ", ".join(f'"{name}"' for name in sorted(allowed))
        yield FieldProblem(
            field, "FieldValueNotSupported", f'Unsupported value: "{value}": supported values: {names}'
        )


def _label_name(field: str, name: Any) -> Iterator[FieldProblem]:
    if not name:
        yield FieldProblem(field, "FieldValueRequired", "Required value")
    elif not isinstance(name, str) or not _LABEL.fullmatch(name):
        yield _invalid(field, name, LABEL_RULE)
    elif len(name) > 63:
        yield _invalid(field, name, "must be no more than 63 characters")


def _volume_problems(volumes: list[dict[str, Any]]) -> Iterator[FieldProblem]:
    seen: set[str] = set()
    for index, volume in enumerate(volumes):
        field = f"spec.volumes[{index}]"
        name = volume.get("name", "")
        yield from _label_name(f"{field}.name", name)
        if name in seen:
            yield FieldProblem(f"{field}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"')
        seen.add(name)
        if len(volume) > 2:
            yield FieldProblem(
                field, "FieldValueForbidden", "Forbidden: may not specify more than 1 volume type"
            )


def _container_problems(
    field: str, container: Mapping[str, Any], volumes: set[Any], seen: set[str]
) -> Iterator[FieldProblem]:
    name = container.get("name", "")
    yield from _label_name(f"{field}.name", name)
    if name in seen:
        yield FieldProblem(f"{field}.name", "FieldValueDuplicate", f'Duplicate value: "{name}"')
    seen.add(name)
    image = container.get("image", "")
    if not image:
        yield FieldProblem(f"{field}.image", "FieldValueRequired", "Required value")
    elif image != image.strip():
        yield _invalid(f"{field}.image", image, "must not have leading or trailing whitespace")
    yield from _choice(f"{field}.imagePullPolicy", container["imagePullPolicy"], _PULL_POLICIES)
    policy = container["terminationMessagePolicy"]
    yield from _choice(f"{field}.terminationMessagePolicy", policy, _MESSAGE_POLICIES)
    yield from _resource_problems(f"{field}.resources.requests", container["resources"])
    for index, variable in enumerate(container.get("env", [])):
        yield from _variable_problems(f"{field}.env[{index}]", variable)
    targets: set[str] = set()
    for index, mount in enumerate(container.get("volumeMounts") or []):
        place = f"{field}.volumeMounts[{index}]"
        if mount.get("name") not in volumes:
            text = f'Not found: "{mount.get("name", "")}"'
            yield FieldProblem(f"{place}.name", "FieldValueNotFound", text)
        target = mount.get("mountPath", "")
        if not target:
            yield FieldProblem(f"{place}.mountPath", "FieldValueRequired", "Required value")
        if target in targets:
            yield _invalid(f"{place}.mountPath", target, "must be unique")
        targets.add(target)
        path = mount.get("subPath") or ""
        if path.startswith("/") or ".." in path.split("/"):
            yield _invalid(f"{place}.subPath", path, "must be a relative path without '..'")


def _resource_problems(field: str, resources: Mapping[str, Any]) -> Iterator[FieldProblem]:
    limits = resources.get("limits") or {}
    for name, amount in (resources.get("requests") or {}).items():
        if name in limits and quantity(str(amount)) > quantity(str(limits[name])):
            rule = f"must be less than or equal to {name} limit of {limits[name]}"
            yield _invalid(field, str(amount), rule)


def _variable_problems(field: str, variable: Mapping[str, Any]) -> Iterator[FieldProblem]:
    name = variable.get("name", "")
    if not name:
        yield FieldProblem(f"{field}.name", "FieldValueRequired", "Required value")
    elif not _ENVIRONMENT.fullmatch(name):
        rule = (
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or"
            " '.', and must not start with a digit"
        )
        yield _invalid(f"{field}.name", name, rule)
    source = variable.get("valueFrom")
    if source is not None:
        if variable.get("value"):
            yield _invalid(f"{field}.valueFrom", "", "may not be specified when `value` is not empty")
        if sum(1 for value in source.values() if value is not None) != 1:
            rule = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`"
            yield _invalid(f"{field}.valueFrom", "", rule)


def pod_update_problems(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[FieldProblem]:
    """A pod's spec is fixed, but for images, the deadline, tolerations and the node that was chosen."""
    if _fixed_part(old) == _fixed_part(new):
        return []
    text = (
        "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
        " `spec.initContainers[*].image`, `spec.activeDeadlineSeconds`, `spec.tolerations` (only additions to"
        " existing tolerations) or `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was"
        " previously negative)"
    )
    return [FieldProblem("spec", "FieldValueForbidden", text)]


def _fixed_part(spec: Mapping[str, Any]) -> dict[str, Any]:
    changing = ("activeDeadlineSeconds", "tolerations", "containers", "initContainers")
    fixed = {name: value for name, value in spec.items() if name not in changing}
    for group in ("containers", "initContainers"):
        containers = spec.get(group, [])
        fixed[group] = [{key: value for key, value in item.items() if key != "image"} for item in containers]
    return fixed
