"""What goes into a component and what comes out, read from a function's signature.

The same reading serves Python components, container components and pipelines; they differ in what they allow.
All that is wrong with a signature is reported at once, since people fix a file once and not line by line.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, ParameterType

from tradewind.dsl import docstrings
from tradewind.dsl.types import (
    FINAL_STATUS,
    TASK_CONFIG,
    ArtifactKind,
    Kind,
    ParameterKind,
    artifact_kind,
    constant_kind,
    parameter_kind,
    path_kind,
)
from tradewind.dsl.values import assign, json_problem, text_problem
from tradewind.errors import ConfigurationError, InvalidPipelineError, Problem
from tradewind.runtime.annotations import (
    Slot,
    is_artifact_class,
    is_named_tuple,
    read_annotation,
    strip_optional,
)

__all__ = [
    "Input",
    "Interface",
    "Output",
    "also_of",
    "component_name",
    "constant_problem",
    "interface_of",
    "read_interface",
]

SINGLE_OUTPUT = "Output"
FunctionKind = Literal["component", "container component", "pipeline"]

_PORT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_MISSING = inspect.Parameter.empty


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a component.

    Attributes:
        default: None also when there is none; `optional` tells.
        optional: the caller may leave it out.
        given_by_backend: no caller may give it (final status, task configuration).
    """

    name: str
    kind: Kind
    default: Any = None
    optional: bool = False
    description: str = ""

    @property
    def given_by_backend(self) -> bool:
        return self.kind == FINAL_STATUS


@dataclass(frozen=True, slots=True)
class Output:
    """An output of a component."""

    name: str
    kind: Kind
    description: str = ""


@dataclass(frozen=True, slots=True)
class Interface:
    """Name, inputs and outputs of a component.

    Attributes:
        slots: what each argument of the function asks for, by name; empty for interfaces without a function.
    """

    name: str
    description: str = ""
    inputs: dict[str, Input] = field(default_factory=dict)
    outputs: dict[str, Output] = field(default_factory=dict)
    slots: dict[str, Slot] = field(default_factory=dict)

    def to_proto(self) -> ComponentSpec:
        """The interface as the IR's component, without what it does."""
        spec = ComponentSpec()
        for entry in self.inputs.values():
            if isinstance(entry.kind, ArtifactKind):
                artifact = spec.input_definitions.artifacts[entry.name]
                artifact.artifact_type.CopyFrom(entry.kind.schema)
                artifact.is_artifact_list = entry.kind.is_list
                artifact.is_optional = entry.optional
                artifact.description = entry.description
            else:
                parameter = spec.input_definitions.parameters[entry.name]
                parameter.parameter_type = entry.kind.code
                parameter.is_optional = entry.optional
                parameter.description = entry.description
                if entry.default is not None:
                    assign(parameter.default_value, entry.default)
        for output in self.outputs.values():
            add_output(spec, output)
        return spec


def interface_of(name: str, spec: ComponentSpec, description: str = "") -> Interface:
    """The interface of a component of the IR. Before 2.0, inputs with a default were not marked optional."""
    inputs: dict[str, Input] = {}
    for key, parameter in sorted(spec.input_definitions.parameters.items()):
        has_default = parameter.HasField("default_value")
        default = json_format.MessageToDict(parameter.default_value) if has_default else None
        kind = ParameterKind(parameter.parameter_type)
        if kind.code == ParameterType.NUMBER_INTEGER and isinstance(default, float):
            default = int(default)
        optional = parameter.is_optional or has_default or kind in (FINAL_STATUS, TASK_CONFIG)
        inputs[key] = Input(key, kind, default, optional, parameter.description)
    for key, artifact in sorted(spec.input_definitions.artifacts.items()):
        artifact_type = _artifact_kind(artifact)
        inputs[key] = Input(key, artifact_type, None, artifact.is_optional, artifact.description)
    outputs = {
        key: Output(key, ParameterKind(parameter.parameter_type), parameter.description)
        for key, parameter in sorted(spec.output_definitions.parameters.items())
    } | {
        key: Output(key, _artifact_kind(artifact), artifact.description)
        for key, artifact in sorted(spec.output_definitions.artifacts.items())
    }
    return Interface(name, description, inputs, outputs)


def _artifact_kind(artifact: Any) -> ArtifactKind:
    schema = artifact.artifact_type
    return ArtifactKind(schema.schema_title, schema.schema_version, artifact.is_artifact_list)


def add_output(spec: ComponentSpec, output: Output) -> None:
    """Declare an output in the IR's component."""
    if isinstance(output.kind, ArtifactKind):
        artifact = spec.output_definitions.artifacts[output.name]
        artifact.artifact_type.CopyFrom(output.kind.schema)
        artifact.is_artifact_list = output.kind.is_list
        artifact.description = output.description
    else:
        parameter = spec.output_definitions.parameters[output.name]
        parameter.parameter_type = output.kind.code
        parameter.description = output.description


def component_name(name: str) -> str:
    """The name as Kubernetes and the IR want it: lower case letters, digits and single dashes."""
    return re.sub("-+", "-", re.sub("[^-0-9a-z]+", "-", name.lower())).strip("-")


def constant_problem(value: Any, kind: ParameterKind) -> str | None:
    """Say why a constant cannot be a parameter of this kind; None when it can. An int is a float, too."""
    given = constant_kind(value)
    if given is None:
        return f"expects {kind}, got a {type(value).__name__}"
    if not kind.accepts(given) and not (type(value) is int and str(kind) == "float"):
        return f"expects {kind}, got {given} {value!r}"
    return json_problem(value)


def read_interface(
    func: Callable[..., Any],
    kind: FunctionKind,
    name: str | None = None,
    description: str | None = None,
) -> Interface:
    """Read the interface of a function.

    Args:
        func: the decorated function.
        kind: what it was decorated as.
        name: instead of the function's own.
        description: instead of the docstring's.

    Raises:
        InvalidPipelineError: with one problem for each argument or output that is not understood.
        ConfigurationError: `func` is no function.
    """
    if not callable(func) or not hasattr(func, "__name__"):
        raise ConfigurationError(
            f"A {kind} is made of a function, not of a {type(func).__name__}.",
            remedy=f"Write @dsl.{kind.replace(' ', '_')} above a function.",
            also=TypeError,
        )
    return _Reader(func, kind, name).read(description)


def also_of(error: Exception) -> type[Exception]:
    """As what else an error is told on: what misused placeholders are, or TypeError."""
    default = TypeError if isinstance(error, TypeError) else ValueError
    return error.also if isinstance(error, ConfigurationError) else default


class _Reader:
    """One reading of one signature, which gathers problems on the way."""

    def __init__(self, func: Callable[..., Any], kind: FunctionKind, name: str | None) -> None:
        self.func, self.kind = func, kind
        self.name = component_name(name or func.__name__)
        self.label = name or func.__name__
        self.docs = docstrings.read(func)
        self.inputs: dict[str, Input] = {}
        self.outputs: dict[str, Output] = {}
        self.slots: dict[str, Slot] = {}
        self.problems: list[Problem] = []

    def read(self, description: str | None) -> Interface:
        signature = inspect.signature(self.func)
        if problem := text_problem(self.func.__doc__ or ""):
            self._complain("docstring", problem)
        for argument in signature.parameters.values():
            self._read_argument(argument)
        self._read_return(self._resolve(signature.return_annotation, "return annotation"))
        if self.problems:
            raise InvalidPipelineError(f"{self.kind} '{self.label}'", self.problems)
        return Interface(
            self.name, description or self.docs.description, self.inputs, self.outputs, self.slots
        )

    def _complain(
        self, part: str, message: str, remedy: str = "", also: type[Exception] = ValueError
    ) -> None:
        self.problems.append(Problem(f"{self.kind} '{self.label}', {part}", message, remedy, also))

    def _resolve(self, annotation: Any, part: str) -> Any:
        """Annotations come as text under `from __future__ import annotations`."""
        if not isinstance(annotation, str):
            return annotation
        names = {**self.func.__globals__, **inspect.getclosurevars(self.func).nonlocals}
        try:
            return eval(annotation, names)
        except (NameError, AttributeError, SyntaxError, TypeError) as error:
            self._complain(part, f"the annotation {annotation!r} cannot be resolved: {error}")
            return None

    def _read_argument(self, argument: inspect.Parameter) -> None:
        part, name = f"argument '{argument.name}'", argument.name
        if argument.kind in (argument.VAR_POSITIONAL, argument.VAR_KEYWORD):
            self._complain(
                part, "a variable number of arguments has no place in the IR", "name each argument"
            )
        elif name == SINGLE_OUTPUT or not _PORT_NAME.fullmatch(name):
            self._complain(
                part, "this name is not allowed", "start with a letter; 'Output' is the returned value"
            )
        elif argument.annotation is _MISSING:
            remedy = "annotate it, for example with int or dsl.Input[dsl.Model]"
            self._complain(part, "has no type annotation", remedy, TypeError)
        else:
            annotation = self._resolve(argument.annotation, part)
            if annotation is None:
                return
            try:
                slot = read_annotation(annotation)
                self._add(argument, annotation, slot)
            except (TypeError, ValueError) as error:
                self._complain(part, str(error), also=also_of(error))

    def _add(self, argument: inspect.Parameter, annotation: Any, slot: Slot) -> None:
        name = argument.name
        self.slots[name] = slot
        if slot.kind == "embedded":
            return
        if slot.kind in ("output", "output_path") and self.kind == "pipeline":
            raise TypeError("a pipeline returns its outputs; it has no output arguments")
        if slot.kind == "output":
            self._add_output(name, artifact_kind(slot.type, slot.is_list))
        elif slot.kind == "output_path":
            self._add_output(name, path_kind(slot.type))
        elif slot.kind in ("input", "input_path"):
            is_wrapped = slot.kind == "input_path" or hasattr(strip_optional(annotation), "__metadata__")
            if self.kind == "container component" and not is_wrapped:
                raise TypeError(
                    "a container component must wrap artifacts: dsl.Input[...] or dsl.Output[...]"
                )
            kind = (
                path_kind(slot.type) if slot.kind == "input_path" else artifact_kind(slot.type, slot.is_list)
            )
            self._add_input(argument, kind)
        else:
            special = {"final_status": FINAL_STATUS, "task_config": TASK_CONFIG}.get(slot.kind)
            self._add_input(argument, special or parameter_kind(annotation))

    def _add_input(self, argument: inspect.Parameter, kind: Kind | None) -> None:
        assert kind is not None, "read_annotation lets only parameters, artifacts and paths pass"
        name, has_default = argument.name, argument.default is not _MISSING
        default = argument.default if has_default else None
        if isinstance(kind, ArtifactKind):
            if default is not None:
                raise ValueError("the default of an optional artifact can only be None")
        elif default is not None and (problem := constant_problem(default, kind)):
            raise TypeError(f"the default does not fit: {problem}")
        optional = has_default or kind in (FINAL_STATUS, TASK_CONFIG)
        self.inputs[name] = Input(name, kind, default, optional, self.docs.inputs.get(name, ""))

    def _add_output(self, name: str, kind: Kind | None) -> None:
        if kind is None:
            raise TypeError("is neither a parameter type nor an artifact type")
        if isinstance(kind, ArtifactKind) and kind.is_list and self.kind != "pipeline":
            raise TypeError("only pipelines can have a list of artifacts as output")
        if name in self.outputs:
            raise ValueError(f"there is another output called '{name}'")
        if not _PORT_NAME.fullmatch(name):
            raise ValueError("this name is not allowed: start with a letter")
        self.outputs[name] = Output(name, kind, self.docs.outputs.get(name, ""))

    def _read_return(self, annotation: Any) -> None:
        if annotation is _MISSING or annotation is None:
            return
        if self.kind == "container component":
            if getattr(annotation, "__name__", "") != "ContainerSpec":
                message = "is ContainerSpec or omitted for a container component"
                self._complain("return annotation", message, also=TypeError)
        elif is_named_tuple(annotation):
            for name in annotation._fields:
                self._read_output(name, annotation.__annotations__[name], f"output '{name}'")
        elif isinstance(annotation, dict):
            for name, held in annotation.items():
                self._read_output(name, held, f"output '{name}'")
        else:
            self._read_output(SINGLE_OUTPUT, annotation, "return annotation")

    def _read_output(self, name: str, annotation: Any, part: str) -> None:
        annotation = getattr(annotation, "__forward_arg__", annotation)
        annotation = self._resolve(annotation, part) if isinstance(annotation, str) else annotation
        if annotation is None:
            return
        try:
            slot = read_annotation(annotation)
            if slot.kind not in ("parameter", "input", "output"):
                raise TypeError(f"{annotation!r} cannot be an output")
            is_artifact = is_artifact_class(slot.type)
            self._add_output(
                name, artifact_kind(slot.type, slot.is_list) if is_artifact else parameter_kind(annotation)
            )
        except (TypeError, ValueError) as error:
            self._complain(part, str(error), also=also_of(error))
