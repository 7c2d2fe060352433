"""What a component's signature may say, and how to read it.

Markers (`Input`, `Output`, `InputPath`, ...) with KFP's meaning, and the questions that the compiler and
the runtime ask of an annotation. Kept free of anything that is not in Python 3.8's standard library, hence
the small stand-in for `typing.Annotated` there.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Union

from tradewind.runtime.artifacts import Artifact, system_type

if TYPE_CHECKING or sys.version_info >= (3, 9):
    from typing import Annotated
else:

    class _Marked:
        """`Annotated[origin, marker]` for Python 3.8: the attributes that are read here, and nothing more."""

        def __init__(self, origin, marker):
            self.__origin__, self.__metadata__, self.__args__ = origin, (marker,), (origin,)

        def __getitem__(self, origin):
            return _Marked(origin, self.__metadata__[0])

        def __eq__(self, other):
            return isinstance(other, _Marked) and vars(self) == vars(other)

        def __hash__(self):
            return hash((self.__origin__, self.__metadata__))

        def __call__(self):
            raise TypeError("an annotation, not a class")  # typing insists that type arguments are callable

    class Annotated:
        def __class_getitem__(cls, arguments):
            return _Marked(*arguments)


__all__ = [
    "EmbeddedInput",
    "Input",
    "InputPath",
    "Output",
    "OutputPath",
    "PipelineTaskFinalStatus",
    "Slot",
    "TaskConfig",
    "is_artifact_class",
    "is_named_tuple",
    "parameter_class",
    "read_annotation",
    "strip_optional",
    "system_class",
]


class InputAnnotation:
    """Marks an input artifact."""


class OutputAnnotation:
    """Marks an output artifact."""


class EmbeddedAnnotation:
    """Marks an artifact that travels with the component's source."""


T = TypeVar("T")
Input = Annotated[T, InputAnnotation]
Output = Annotated[T, OutputAnnotation]
EmbeddedInput = Annotated[T, EmbeddedAnnotation]

# Names of parameter types as KFP accepts them in InputPath("...") and OutputPath("..."), lower case.
PARAMETER_NAMES: dict[str, type] = {
    "integer": int,
    "int": int,
    "double": float,
    "float": float,
    "string": str,
    "str": str,
    "text": str,
    "bool": bool,
    "boolean": bool,
    "dict": dict,
    "list": list,
    "jsonobject": dict,
    "jsonarray": list,
}


class _Path:
    """A path instead of a value.

    Attributes:
        type: a parameter type as it was given, or the bundled name of an artifact type
            ("system.Dataset@0.0.1"); anything unknown counts as `system.Artifact`.
    """

    def __init__(self, type: Any = None) -> None:
        self.type = _path_type(type)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Path) and other.__class__ is self.__class__ and other.type == self.type

    def __hash__(self) -> int:
        return hash((self.__class__, str(self.type)))


class InputPath(_Path):
    """Annotates an argument that gets the path of an input artifact."""


class OutputPath(_Path):
    """Annotates an argument that gets the path to write an output (parameter or artifact) to."""


def _path_type(given: Any) -> Any:
    if is_artifact_class(given):
        return f"{given.schema_title}@{given.schema_version}"
    if parameter_class(given) is not None:
        return given
    if isinstance(given, str):
        for title in ("system." + given, given):
            for known in _titles():
                if known.lower() == title.lower():
                    return known + "@" + Artifact.schema_version
    return f"{Artifact.schema_title}@{Artifact.schema_version}"


def _titles() -> list[str]:
    from tradewind.runtime.artifacts import SYSTEM_TYPES

    return list(SYSTEM_TYPES)


class PipelineTaskFinalStatus:
    """How a task ended, for exit handlers.

    Attributes:
        state: "SUCCEEDED", "FAILED" or "CANCELLED".
        pipeline_job_resource_name: the run.
        pipeline_task_name: the task whose end this is.
        error_code: a google.rpc code, None unless it failed.
        error_message: None unless it failed.
    """

    def __init__(
        self,
        state: str | None = None,
        pipeline_job_resource_name: str | None = None,
        pipeline_task_name: str | None = None,
        error_code: int | None = None,
        error_message: str | None = None,
    ) -> None:
        self.state = state
        self.pipeline_job_resource_name = pipeline_job_resource_name
        self.pipeline_task_name = pipeline_task_name
        self.error_code = error_code
        self.error_message = error_message

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"PipelineTaskFinalStatus({fields})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PipelineTaskFinalStatus) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


class TaskConfig:
    """Parts of the step's own pod spec, for components that start workloads of their own.

    Attributes: fragments of a Kubernetes pod spec as plain data, None where not set.
    """

    def __init__(
        self,
        affinity: Any = None,
        tolerations: Any = None,
        node_selector: Any = None,
        env: Any = None,
        volumes: Any = None,
        volume_mounts: Any = None,
        resources: Any = None,
    ) -> None:
        self.affinity = affinity
        self.tolerations = tolerations
        self.node_selector = node_selector
        self.env = env
        self.volumes = volumes
        self.volume_mounts = volume_mounts
        self.resources = resources

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"TaskConfig({fields})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskConfig) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


class Slot(NamedTuple):
    """What an annotation asks for.

    Attributes:
        kind: "parameter", "input", "output" (artifacts), "embedded", "input_path", "output_path",
            "final_status", "task_config".
        type: the parameter's Python type, the artifact's class, or what the path holds; None for the rest.
        is_list: a list of artifacts.
        optional: written as Optional[...].
    """

    kind: str
    type: Any
    is_list: bool = False
    optional: bool = False


def strip_optional(annotation: Any) -> Any:
    """Return X for Optional[X], Union[X, None] and X | None, anything else as it is."""
    origin = getattr(annotation, "__origin__", None)
    if origin is Union or annotation.__class__.__name__ == "UnionType":
        rest = [argument for argument in annotation.__args__ if argument is not type(None)]
        if len(rest) == 1 and len(annotation.__args__) == 2:
            return rest[0]
    return annotation


def is_artifact_class(candidate: Any) -> bool:
    """Tell whether this is an artifact class; KFP asks for the two attributes, not for a base class."""
    return (
        isinstance(candidate, type)
        and hasattr(candidate, "schema_title")
        and hasattr(candidate, "schema_version")
    )


def is_named_tuple(candidate: Any) -> bool:
    """Tell whether this is a NamedTuple class with typed fields."""
    return isinstance(candidate, type) and issubclass(candidate, tuple) and hasattr(candidate, "_fields")


def parameter_class(annotation: Any) -> type | None:
    """Return the plain type (str, int, float, bool, list, dict) of a parameter annotation, else None."""
    if isinstance(annotation, str):
        short = annotation.split("[")[0].rsplit(".", 1)[-1]
        return PARAMETER_NAMES.get(short.lower())
    origin = getattr(annotation, "__origin__", None)
    if origin in (list, dict):
        arguments = getattr(annotation, "__args__", None) or ()
        return None if any(is_artifact_class(argument) for argument in arguments) else origin
    return annotation if annotation in (str, int, float, bool, dict, list) else None


def _list_item(annotation: Any) -> type[Any] | None:
    """Return A for List[A] where A is an artifact class."""
    if getattr(annotation, "__origin__", None) is list:
        arguments = getattr(annotation, "__args__", None) or ()
        return next((argument for argument in arguments if is_artifact_class(argument)), None)
    return None


def _marker_kind(annotation: Any) -> str | None:
    marker = next(iter(getattr(annotation, "__metadata__", ())), None)
    if marker is InputAnnotation:
        return "input"
    if marker is OutputAnnotation:
        return "output"
    return "embedded" if marker is EmbeddedAnnotation else None


def read_annotation(annotation: Any) -> Slot:
    """Say what an argument's annotation asks for.

    Args:
        annotation: the object itself; resolve strings first.

    Raises:
        TypeError: nothing that a component may ask for.
    """
    bare = strip_optional(annotation)
    optional = bare is not annotation
    kind = _marker_kind(bare)
    if kind is not None:
        inner = strip_optional(bare.__origin__)
        item = _list_item(inner)
        if item is None and kind != "embedded" and not is_artifact_class(inner):
            raise TypeError(f"{inner!r} is not an artifact type")
        return Slot(kind, item or inner, item is not None, optional or inner is not bare.__origin__)
    if isinstance(bare, (InputPath, OutputPath)):
        return Slot(
            "input_path" if isinstance(bare, InputPath) else "output_path", bare.type, False, optional
        )
    if bare is PipelineTaskFinalStatus or bare is TaskConfig:
        return Slot("task_config" if bare is TaskConfig else "final_status", None, False, optional)
    if is_artifact_class(bare):
        return Slot("input", bare, False, optional)
    item = _list_item(bare)
    if item is not None:
        return Slot("input", item, True, optional)
    plain = parameter_class(bare)
    if plain is not None:
        return Slot("parameter", plain, False, optional)
    raise TypeError(f"{annotation!r} is neither a parameter type nor an artifact type")


def system_class(bundled: str) -> type[Artifact]:
    """Return the class for a bundled name ("system.Dataset@0.0.1"), Artifact for any but a system type."""
    return system_type(bundled.split("@")[0]) or Artifact
