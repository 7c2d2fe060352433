"""One input of one task: is there such an input, does what it is bound to exist, and does it fit?"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ArtifactTypeSchema,
    ComponentSpec,
    PipelineTaskSpec,
    TaskInputsSpec,
)

from tradewind.errors import Problem
from tradewind.ir.executors import plain
from tradewind.ir.schema import kind_of, step_into
from tradewind.ir.types import ParameterTypeName, declared_type

__all__ = ["Task", "check_inputs", "choices", "misfit"]

_INJECTED_PREFIX = "pipelinechannel--"
_ITEM = "loop-item"
_INJECTED = frozenset(
    {
        "base_image",
        "cpu_request",
        "cpu_limit",
        "memory_request",
        "memory_limit",
        "accelerator_type",
        "accelerator_count",
    }
)
"""Inputs that KFP's compiler adds to a task for values inside of longer strings, images and resources."""

_FITTING: frozenset[tuple[ParameterTypeName, ParameterTypeName]] = frozenset(
    {
        ("NUMBER_INTEGER", "NUMBER_DOUBLE"),
        ("NUMBER_DOUBLE", "NUMBER_INTEGER"),  # whether it is whole is known at run time
    }
)
_GENERIC = "system.Artifact"
_ONE_OF = re.compile(r"-oneof-\d+\Z")


@dataclass(slots=True)
class Task:
    """A task and what it refers to, inside one scope.

    Attributes:
        siblings: components of the scope's tasks that exist, by task name, this one included.
        parent: the component whose tasks these are.
        iterates: names of tasks that are loops: their outputs are lists of what the component declares.
    """

    name: str
    spec: PipelineTaskSpec
    component: ComponentSpec
    siblings: dict[str, ComponentSpec]
    parent: ComponentSpec
    place: str
    iterates: Collection[str] = field(default_factory=frozenset)

    @property
    def item_inputs(self) -> set[str]:
        """Inputs that the task's own loop gives values to."""
        return {self.spec.parameter_iterator.item_input, self.spec.artifact_iterator.item_input} - {""}


def choices(names: Collection[str], wanted: str) -> str:
    """A remedy for a name that does not exist."""
    close = difflib.get_close_matches(wanted[:100], list(names)[:1000], n=1)
    if close:
        return f"did you mean {close[0]!r}?"
    some = sorted(names)[:10]
    return (
        f"there are {', '.join(map(repr, some))}{', …' if len(names) > 10 else ''}"
        if some
        else "there are none"
    )


def misfit(value: Any, kind: ParameterTypeName) -> str | None:
    """Why a constant cannot be a parameter's value; None if it can, as text with placeholders always can."""
    if kind == "STRING" or value is None or (isinstance(value, str) and "{{$" in value):
        return None
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "NUMBER_INTEGER": number and float(value).is_integer(),
        "NUMBER_DOUBLE": number,
        "BOOLEAN": isinstance(value, bool),
        "LIST": isinstance(value, list),
        "STRUCT": isinstance(value, dict),
    }[kind]
    return None if fits else f"must be {kind}, but is {kind_of(value)}"


def check_inputs(task: Task) -> Iterator[Problem]:
    """Yield what is wrong with a task's inputs."""
    inputs, declared = task.spec.inputs, task.component.input_definitions
    place = f"{task.place}.inputs"
    for name, parameter in sorted(inputs.parameters.items()):
        where = step_into(f"{place}.parameters", name)
        if name in declared.artifacts:
            yield Problem(where, f"{name!r} is an artifact of {_component(task)}, but is given a parameter")
        elif name not in declared.parameters and not _is_injected(name):
            message = f"{_component(task)} has no input parameter {name!r}"
            yield Problem(where, message, choices(declared.parameters, name))
        else:
            yield from _parameter(task, name, parameter, where)
    for name, artifact in sorted(inputs.artifacts.items()):
        where = step_into(f"{place}.artifacts", name)
        if name in declared.parameters:
            yield Problem(where, f"{name!r} is a parameter of {_component(task)}, but is given an artifact")
        elif name not in declared.artifacts:
            message = f"{_component(task)} has no input artifact {name!r}"
            yield Problem(where, message, choices(declared.artifacts, name))
        else:
            yield from _artifact(task, name, artifact, where)
    yield from _missing(task, place)


def _component(task: Task) -> str:
    return f"component {task.spec.component_ref.name!r}"


def _is_injected(name: str) -> bool:
    return name.startswith(_INJECTED_PREFIX) or name in _INJECTED


def _is_item(name: str) -> bool:
    """An item of a loop whose type the compiler cannot know says STRING, whatever it is."""
    return name.startswith(_INJECTED_PREFIX) and _ITEM in name


def _missing(task: Task, place: str) -> Iterator[Problem]:
    declared, inputs = task.component.input_definitions, task.spec.inputs
    absent = task.item_inputs | inputs.parameters.keys() | inputs.artifacts.keys()
    for name, parameter in sorted(declared.parameters.items()):
        if name not in absent and not parameter.is_optional and not parameter.HasField("default_value"):
            yield Problem(
                step_into(f"{place}.parameters", name), f"{_component(task)} needs it, and has no default"
            )
    for name, artifact in sorted(declared.artifacts.items()):
        if name not in absent and not artifact.is_optional:
            yield Problem(step_into(f"{place}.artifacts", name), f"{_component(task)} needs it")


# --- parameters ---


def _parameter(
    task: Task, name: str, given: TaskInputsSpec.InputParameterSpec, where: str
) -> Iterator[Problem]:
    wanted = task.component.input_definitions.parameters
    # A selector takes a part of the value out, of a type of its own.
    kind = declared_type(wanted[name]) if name in wanted and not given.parameter_expression_selector else None
    match given.WhichOneof("kind"):
        case "runtime_value":
            yield from _constant(task, name, given, kind, where)
        case "task_output_parameter":
            source = given.task_output_parameter
            yield from _output(
                task, source.producer_task, source.output_parameter_key, "parameters", kind, where
            )
        case "component_input_parameter":
            source = given.component_input_parameter
            scope = task.parent.input_definitions.parameters
            if source not in scope:
                yield _no_scope_input(task, source, "parameters", where)
            elif not _is_item(source):
                yield from _types(declared_type(scope[source]), kind, where)
        case "task_final_status":
            producer = given.task_final_status.producer_task
            if producer not in task.siblings:
                yield Problem(where, f"there is no task {producer!r}", choices(task.siblings, producer))
        case _:
            yield Problem(where, "has no value", "bind it to a constant, an input or an output")


def _constant(
    task: Task,
    name: str,
    given: TaskInputsSpec.InputParameterSpec,
    kind: ParameterTypeName | None,
    where: str,
) -> Iterator[Problem]:
    value = given.runtime_value
    source = value.WhichOneof("value")
    if source == "runtime_parameter":
        message = f"refers to the run's parameter {value.runtime_parameter!r}, as SDKs before 2.0 wrote it"
        yield Problem(where, message, "compile the pipeline with KFP's SDK version 2")
        return
    if source is None:
        yield Problem(where, "has no value", "give a constant")
        return
    if source == "constant_value":
        legacy = value.constant_value.WhichOneof("value")
        constant = getattr(value.constant_value, legacy) if legacy else None
    else:
        constant = plain(value.constant)
    if constant is None and name in task.component.input_definitions.parameters:
        declared = task.component.input_definitions.parameters[name]
        if not declared.is_optional and not declared.HasField("default_value"):
            yield Problem(where, "is null, and not optional")
    problem = misfit(constant, kind) if kind is not None else None
    if problem:
        yield Problem(f"{where}.runtimeValue.constant", problem)


def _types(
    given: ParameterTypeName | None, wanted: ParameterTypeName | None, where: str
) -> Iterator[Problem]:
    if given is None or wanted is None or given == wanted or wanted == "STRING":
        return
    if (given, wanted) not in _FITTING:
        yield Problem(where, f"wants {wanted}, but is given {given}")


# --- artifacts ---


def _artifact(
    task: Task, name: str, given: TaskInputsSpec.InputArtifactSpec, where: str
) -> Iterator[Problem]:
    wanted = task.component.input_definitions.artifacts[name]
    match given.WhichOneof("kind"):
        case "task_output_artifact":
            source = given.task_output_artifact
            producer, key = source.producer_task, source.output_artifact_key
            found = list(_output(task, producer, key, "artifacts", None, where))
            yield from found
            if found:
                return
            output = task.siblings[producer].output_definitions.artifacts[key]
            is_list = output.is_artifact_list or producer in task.iterates
        case "component_input_artifact":
            scope = task.parent.input_definitions.artifacts
            if given.component_input_artifact not in scope:
                yield _no_scope_input(task, given.component_input_artifact, "artifacts", where)
                return
            output = scope[given.component_input_artifact]
            is_list = output.is_artifact_list
        case _:
            yield Problem(where, "has no value", "bind it to an input or an output")
            return
    yield from _titles(output.artifact_type, wanted.artifact_type, where)
    if is_list and not wanted.is_artifact_list and not task.spec.HasField("artifact_iterator"):
        yield Problem(where, "wants one artifact, but is given a list of them")


def _titles(given: ArtifactTypeSchema, wanted: ArtifactTypeSchema, where: str) -> Iterator[Problem]:
    titles = {given.schema_title, wanted.schema_title}
    if len(titles) == 1 or titles & {_GENERIC, ""}:
        return
    yield Problem(
        where, f"wants an artifact of type {wanted.schema_title}, but is given {given.schema_title}"
    )


# --- both ---


def _output(
    task: Task, producer: str, key: str, side: str, wanted: ParameterTypeName | None, where: str
) -> Iterator[Problem]:
    """An output of another task in the scope."""
    if producer == task.name:
        yield Problem(where, "is the task's own output")
        return
    component = task.siblings.get(producer)
    if component is None:
        yield Problem(where, f"there is no task {producer!r}", choices(task.siblings, producer))
        return
    definitions = component.output_definitions
    there, other = (
        (definitions.parameters, definitions.artifacts)
        if side == "parameters"
        else (definitions.artifacts, definitions.parameters)
    )
    if key in there:
        if side == "parameters":
            is_list = producer in task.iterates
            yield from _types("LIST" if is_list else declared_type(there[key]), wanted, where)
        return
    noun = side[:-1]
    if key in other:
        yield Problem(where, f"output {key!r} of task {producer!r} is no {noun}", f"a {noun} is wanted here")
    elif _ONE_OF.search(key):
        message = (
            f"the KFP SDK has lost the dsl.OneOf of {producer}: its file does not say which outputs it is of"
        )
        yield Problem(where, message, "compile it with `tradewind compile`, which keeps it")
    else:
        yield Problem(where, f"task {producer!r} has no output {noun} {key!r}", choices(there, key))


def _no_scope_input(task: Task, name: str, side: str, where: str) -> Problem:
    definitions = task.parent.input_definitions
    there, other = (
        (definitions.parameters, definitions.artifacts)
        if side == "parameters"
        else (definitions.artifacts, definitions.parameters)
    )
    noun = side[:-1]
    if name in other:
        return Problem(where, f"input {name!r} of the pipeline around it is no {noun}")
    if _ITEM in name and side == "parameters":
        # The KFP SDK loses the items of loops in text, and the fields of items in settings (2.0 to 2.17).
        message = f"the KFP SDK has compiled the item {name!r} of a loop to an input that is not there"
        remedy = "give the item to the task as an argument of its own, or compile with `tradewind compile`"
        return Problem(where, message, remedy)
    return Problem(where, f"the pipeline around it has no input {noun} {name!r}", choices(there, name))
