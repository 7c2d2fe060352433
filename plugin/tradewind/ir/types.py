"""Parameter types by name, whichever of KFP's two enumerations a file uses."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentInputsSpec,
    ComponentOutputsSpec,
    ParameterType,
    PrimitiveType,
)

__all__ = ["Declared", "ParameterTypeName", "declared_type", "parameter_type"]

ParameterTypeName = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT"]
Declared: TypeAlias = ComponentInputsSpec.ParameterSpec | ComponentOutputsSpec.ParameterSpec

_BY_NUMBER: Final[dict[int, ParameterTypeName]] = {
    ParameterType.STRING: "STRING",
    ParameterType.NUMBER_INTEGER: "NUMBER_INTEGER",
    ParameterType.NUMBER_DOUBLE: "NUMBER_DOUBLE",
    ParameterType.BOOLEAN: "BOOLEAN",
    ParameterType.LIST: "LIST",
    ParameterType.STRUCT: "STRUCT",
    # What the backend fills in: a mapping, for whoever reads it.
    ParameterType.TASK_FINAL_STATUS: "STRUCT",
    ParameterType.TASK_CONFIG: "STRUCT",
}
_BY_OLD_NUMBER: Final[dict[int, ParameterTypeName]] = {
    PrimitiveType.INT: "NUMBER_INTEGER",
    PrimitiveType.DOUBLE: "NUMBER_DOUBLE",
    PrimitiveType.STRING: "STRING",
}


def declared_type(parameter: Declared) -> ParameterTypeName | None:
    """The type that a parameter declares (`parameterType`; SDKs before 2.0: `type`), or None."""
    return _BY_NUMBER.get(parameter.parameter_type) or _BY_OLD_NUMBER.get(parameter.type)


def parameter_type(parameter: Declared) -> ParameterTypeName:
    """As `declared_type`, for parameters of a pipeline that was validated."""
    return declared_type(parameter) or "STRING"
