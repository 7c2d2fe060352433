"""What kinds of values components pass to one another, and which fit together.

KFP knows two: parameters (JSON values of six types, plus two that only the backend fills in) and artifacts
(files with a schema). How an annotation is written is `tradewind.runtime.annotations`' knowledge; here it
becomes what the IR says. Whether an output may be passed to an input follows the KFP SDK 2.17.
"""

from __future__ import annotations

import re
import typing
from dataclasses import dataclass
from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import ArtifactTypeSchema, ParameterType

from tradewind.runtime.annotations import parameter_class, strip_optional
from tradewind.runtime.artifacts import Artifact

__all__ = [
    "FINAL_STATUS",
    "LIST",
    "STRING",
    "STRUCT",
    "TASK_CONFIG",
    "ArtifactKind",
    "Kind",
    "ParameterKind",
    "artifact_kind",
    "constant_kind",
    "parameter_kind",
    "path_kind",
]

_CODES: dict[type, int] = {
    str: ParameterType.STRING,
    int: ParameterType.NUMBER_INTEGER,
    float: ParameterType.NUMBER_DOUBLE,
    bool: ParameterType.BOOLEAN,
    list: ParameterType.LIST,
    dict: ParameterType.STRUCT,
}
_NAMES: dict[int, str] = {code: python.__name__ for python, code in _CODES.items()} | {
    ParameterType.TASK_FINAL_STATUS: "PipelineTaskFinalStatus",
    ParameterType.TASK_CONFIG: "TaskConfig",
}

_SCHEMA_TITLE = re.compile(r"(system|google)\.[^.]+")
_SCHEMA_VERSION = re.compile(r"[^.]+\.[^.]+\.[^.]+")


@dataclass(frozen=True, slots=True)
class ParameterKind:
    """A parameter.

    Attributes:
        code: value of the `ParameterType` enumeration.
        inner: of a list's elements or a dict's values, where the annotation tells.
        certain: False where nothing is known about a loop's items; such a value goes into any parameter.
    """

    code: int
    inner: ParameterKind | None = None
    certain: bool = True

    def __str__(self) -> str:
        return _NAMES[self.code]

    def accepts(self, other: Kind) -> bool:
        """Whether an output of kind `other` may be passed to an input of this kind."""
        return isinstance(other, ParameterKind) and (self.code == other.code or not other.certain)


@dataclass(frozen=True, slots=True)
class ArtifactKind:
    """An artifact or a list of artifacts, told apart by the title and major version of their schema."""

    title: str
    version: str
    is_list: bool = False

    def __str__(self) -> str:
        return f"list of {self.title}" if self.is_list else self.title

    @property
    def schema(self) -> ArtifactTypeSchema:
        return ArtifactTypeSchema(schema_title=self.title, schema_version=self.version)

    def accepts(self, other: Kind) -> bool:
        """Whether an output of kind `other` may be passed here; `system.Artifact` fits all."""
        if not isinstance(other, ArtifactKind) or self.is_list != other.is_list:
            return False
        if Artifact.schema_title in (self.title, other.title):
            return True
        return self.title == other.title and self.version.split(".")[0] == other.version.split(".")[0]


Kind = ParameterKind | ArtifactKind

LIST = ParameterKind(ParameterType.LIST)
STRING = ParameterKind(ParameterType.STRING)
STRUCT = ParameterKind(ParameterType.STRUCT)
FINAL_STATUS = ParameterKind(ParameterType.TASK_FINAL_STATUS)
TASK_CONFIG = ParameterKind(ParameterType.TASK_CONFIG)


def artifact_kind(cls: type[Any], is_list: bool = False) -> ArtifactKind:
    """The kind of an artifact class.

    Raises:
        AttributeError: it is no artifact class.
        TypeError: its schema title or version is not one that KFP stores.
    """
    title, version = cls.schema_title, cls.schema_version
    if not _SCHEMA_TITLE.fullmatch(title):
        raise TypeError(
            f"the schema_title of {cls.__name__} must be 'system.<Name>' or 'google.<Name>', not {title!r}"
        )
    if not _SCHEMA_VERSION.fullmatch(version):
        raise TypeError(f"the schema_version of {cls.__name__} must have three parts, not {version!r}")
    return ArtifactKind(title, version, is_list)


def parameter_kind(annotation: Any) -> ParameterKind | None:
    """The kind of a parameter annotation (`int`, `list[str]`, "Integer"); None when it is none."""
    annotation = strip_optional(annotation)
    python = parameter_class(annotation)
    if python is None:
        return None
    arguments = typing.get_args(annotation)
    return ParameterKind(_CODES[python], parameter_kind(arguments[-1]) if arguments else None)


def path_kind(held: Any) -> Kind:
    """The kind behind `InputPath(x)` and `OutputPath(x)`, from their `type`."""
    if isinstance(held, str) and "@" in held:
        title, _, version = held.partition("@")
        return ArtifactKind(title, version)
    return parameter_kind(held) or ArtifactKind(Artifact.schema_title, Artifact.schema_version)


def constant_kind(value: Any) -> ParameterKind | None:
    """The kind of a constant given in Python; None when it cannot be a parameter."""
    code = _CODES.get(type(value))
    return None if code is None else ParameterKind(code)
