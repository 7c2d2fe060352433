"""What the steps of a pipeline execute, as messages.

The schema keeps `deploymentSpec` as free-form data (each platform may have a form of its own); for KFP it is
always a `PipelineDeploymentConfig`. Reading one executor by `ParseDict` costs some 300 µs with 20 environment
variables, which is felt at a thousand steps, so the shape that the SDK writes is handed to protobuf in one
piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

from google.protobuf import json_format
from google.protobuf.struct_pb2 import Struct, Value
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineDeploymentConfig

from tradewind.ir.pipeline import PipelineSpec

__all__ = ["ContainerSpec", "ExecutorSpec", "ImporterSpec", "deployment", "executors", "plain"]

ExecutorSpec: TypeAlias = PipelineDeploymentConfig.ExecutorSpec
ContainerSpec: TypeAlias = PipelineDeploymentConfig.PipelineContainerSpec
ImporterSpec: TypeAlias = PipelineDeploymentConfig.ImporterSpec

_CONTAINER_FIELDS = frozenset({"image", "command", "args", "env"})
_ENV_FIELDS = frozenset({"name", "value"})


def plain(value: Value) -> Any:
    """A protobuf value as a Python one. Numbers are floats, as protobuf has no others."""
    kind = value.WhichOneof("kind")
    if kind == "string_value":
        return value.string_value
    if kind == "struct_value":
        return plain_struct(value.struct_value)
    if kind == "list_value":
        return [plain(member) for member in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def plain_struct(struct: Struct) -> dict[str, Any]:
    """A protobuf struct as a dict."""
    fields = struct.fields
    return {
        key: plain(fields[key]) for key in fields
    }  # items() goes through Python's abstract classes, at twice the time


def deployment(spec: PipelineSpec) -> dict[str, Any]:
    """`deploymentSpec` as plain data, unchecked."""
    return plain_struct(spec.deployment_spec)


def executors(spec: PipelineSpec) -> dict[str, ExecutorSpec]:
    """The executors of a valid pipeline, by label. Those that are equal are one object, not to be changed.

    Steps often share a component and its environment, and comparing messages is many times faster than
    reading them.
    """
    deployment_fields = spec.deployment_spec.fields
    if "executors" not in deployment_fields:
        return {}
    known: dict[bytes, ExecutorSpec] = {}
    found = {}
    fields = deployment_fields["executors"].struct_value.fields
    for label in fields:
        value = fields[label]
        key = value.SerializeToString(deterministic=True)
        if key not in known:
            known[key] = _executor(plain_struct(value.struct_value))
        found[label] = known[key]
    return found


def _executor(content: Mapping[str, Any]) -> ExecutorSpec:
    container = content.get("container")
    if len(content) == 1 and container and _is_common(container):
        return ExecutorSpec(container=ContainerSpec(**container))
    return json_format.ParseDict(dict(content), ExecutorSpec())


def _is_common(container: Mapping[str, Any]) -> bool:
    """Only fields spelled the same in JSON and in protobuf, and no nulls among them."""
    return (
        container.keys() <= _CONTAINER_FIELDS
        and None not in container.values()
        and all(
            entry and entry.keys() <= _ENV_FIELDS and None not in entry.values()
            for entry in container.get("env", ())
        )
    )
