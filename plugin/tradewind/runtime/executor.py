"""Calls a component's function with what its signature asks for, and takes in what it returns.

The semantics are those of KFP's executor: an absent parameter is left to Python's default, an absent artifact
is None, an output artifact is an object whose `path` is to be written, a returned value belongs to the output
`Output` or to the fields of a NamedTuple. The outcome has the shape of KFP's executor output file.
"""

from __future__ import annotations

import os
import sys
import typing
from typing import Any, Callable

from tradewind.runtime.annotations import (
    PipelineTaskFinalStatus,
    Slot,
    TaskConfig,
    is_artifact_class,
    is_named_tuple,
    parameter_class,
    read_annotation,
    strip_optional,
    system_class,
)
from tradewind.runtime.artifacts import Artifact, set_task_root, system_type
from tradewind.runtime.failures import Failure, OutputError, ProtocolError
from tradewind.runtime.values import as_parameter, json_ready, revive

__all__ = ["Execution"]


class Execution:
    """One call of a component's function.

    Args:
        function: the component; a decorated one is unwrapped.
        executor_input: KFP's ExecutorInput, with a `customPath` for every artifact.
        root_uri: where the step keeps its outputs, for `dsl.get_uri()`.
        unread: why an input artifact is not at its path, by that path.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        executor_input: dict[str, Any],
        root_uri: str,
        unread: dict[str, Failure] | None = None,
    ) -> None:
        self._function = getattr(function, "python_func", function)
        self._inputs = executor_input.get("inputs", {})
        self._outputs = executor_input.get("outputs", {})
        self._hints = _hints(self._function)
        self._unread = unread or {}
        self._made: dict[str, Any] = {}
        set_task_root(root_uri or None, os.path.dirname(self._outputs.get("outputFile", "")))

    def arguments(self) -> dict[str, Any]:
        """Return the keyword arguments for the function.

        Raises:
            ProtocolError: the signature asks for something that the task does not hold.
        """
        for name, listed in self._outputs.get("artifacts", {}).items():
            for artifact in listed.get("artifacts", ())[:1]:
                self._made[name] = self._artifact(artifact, self._class_of_output(name))
                os.makedirs(os.path.dirname(self._made[name].path), exist_ok=True)
        found: dict[str, Any] = {}
        for name, annotation in self._hints.items():
            if name != "return":
                self._bind(found, name, annotation)
        return found

    def collect(self, returned: Any) -> dict[str, Any]:
        """Return KFP's executor output for what the function returned and did to its artifacts.

        Raises:
            OutputError: the returned value does not fit the declared type.
        """
        parameters: dict[str, Any] = {}
        if returned is not None:
            kind = strip_optional(self._hints.get("return"))
            if is_named_tuple(kind):
                for name, field, value in self._fields(kind, returned):
                    self._take(parameters, name, field, value)
            else:
                self._take(parameters, "Output", kind, returned)
        return {"parameterValues": parameters, "artifacts": self._artifacts()}

    def _bind(self, found: dict[str, Any], name: str, annotation: Any) -> None:
        slot = self._slot(name, annotation)
        if slot.kind == "parameter":
            value = self._inputs.get("parameterValues", {}).get(name)
            if value is not None:
                found[name] = revive(strip_optional(annotation), value)
        elif slot.kind == "input":
            found[name] = self._input(name, slot)
        elif slot.kind == "output":
            found[name] = self._made.get(name)
        elif slot.kind == "input_path":
            cls = system_class(slot.type) if isinstance(slot.type, str) else Artifact
            artifact = self._input(name, Slot("input", cls))
            if artifact is None and not slot.optional:
                raise ProtocolError(f"There is no input artifact {name!r}")
            found[name] = artifact and artifact.path
        elif slot.kind == "output_path":
            found[name] = self._output_path(name)
        elif slot.kind == "embedded":
            found[name] = self._embedded(slot)
        else:
            found[name] = self._structure(name, slot.kind)

    def _slot(self, name: str, annotation: Any) -> Slot:
        try:
            return read_annotation(annotation)
        except TypeError as error:
            raise ProtocolError(f"Argument {name!r} of {self._function.__name__}: {error}") from error

    def _input(self, name: str, slot: Slot) -> Any:
        listed = self._inputs.get("artifacts", {}).get(name)
        if listed is None:
            return None
        artifacts = [self._artifact(one, slot.type) for one in listed.get("artifacts", ())]
        return artifacts if slot.is_list else next(iter(artifacts), None)

    def _artifact(self, reference: dict[str, Any], fallback: Any) -> Any:
        cls = system_type(reference.get("type", {}).get("schemaTitle", "")) or fallback
        if cls is Artifact and is_artifact_class(fallback):
            cls = fallback
        fields = {"name": reference.get("name", ""), "uri": reference.get("uri", "")}
        make = getattr(cls, "_from_executor_fields", cls)
        artifact = make(metadata=dict(reference.get("metadata") or {}), **fields)
        if reference.get("customPath") and isinstance(artifact, Artifact):
            path = reference["customPath"]
            artifact.stage(path, self._unread.get(path))
        return artifact

    def _class_of_output(self, name: str) -> Any:
        kind = strip_optional(self._hints.get("return"))
        if is_named_tuple(kind):
            kind = _hints(kind).get(name)
        annotation = self._hints.get(name)
        if annotation is not None:
            slot = self._slot(name, annotation)
            kind = system_class(slot.type) if isinstance(slot.type, str) else slot.type
        return kind if is_artifact_class(kind) else Artifact

    def _output_path(self, name: str) -> str:
        parameter = self._outputs.get("parameters", {}).get(name)
        path = parameter["outputFile"] if parameter else getattr(self._made.get(name), "path", None)
        if path is None:
            raise ProtocolError(f"There is no output {name!r}")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        return str(path)

    def _embedded(self, slot: Slot) -> Any:
        scope = self._function.__globals__
        path = scope.get("__KFP_EMBEDDED_ASSET_FILE") or scope.get("__KFP_EMBEDDED_ASSET_DIR")
        if not path:
            raise ProtocolError("EmbeddedInput was asked for, but the component carries no embedded artifact")
        artifact = (slot.type if is_artifact_class(slot.type) else Artifact)()
        artifact.path = path
        return artifact

    def _structure(self, name: str, kind: str) -> Any:
        value = self._inputs.get("parameterValues", {}).get(name) or {}
        if kind == "task_config":
            names = ("affinity", "tolerations", "nodeSelector", "env", "volumes", "volumeMounts", "resources")
            return TaskConfig(*(value.get(key) for key in names))
        error = value.get("error") or {}
        return PipelineTaskFinalStatus(
            state=value.get("state"),
            pipeline_job_resource_name=value.get("pipelineJobResourceName")
            or value.get("pipeline_job_resource_name"),
            pipeline_task_name=value.get("pipelineTaskName") or value.get("pipeline_task_name"),
            error_code=error.get("code"),
            error_message=error.get("message"),
        )

    def _fields(self, kind: Any, returned: Any) -> list[tuple[str, Any, Any]]:
        names = kind._fields
        count = len(returned) if hasattr(returned, "__len__") else 1
        if count != len(names) or not (type(returned) is tuple or hasattr(returned, names[0])):
            raise OutputError(
                f"Function {self._function.__name__!r} returned {returned!r:.200}, "
                f"want a tuple of {len(names)}: {', '.join(names)}"
            )
        hints = _hints(kind)
        values = returned if type(returned) is tuple else [getattr(returned, name) for name in names]
        return [(name, strip_optional(hints[name]), value) for name, value in zip(names, values)]

    def _take(self, parameters: dict[str, Any], name: str, kind: Any, value: Any) -> None:
        if value is None:
            return
        if is_artifact_class(kind):
            self._take_artifact(name, value)
            return
        want = parameter_class(kind)
        where = f"Function {self._function.__name__!r}, output {name!r}"
        if want is None:
            raise OutputError(f"{where}: returned {type(value).__name__}, but declares {kind!r}")
        try:
            ready = as_parameter(value, want)
        except (TypeError, ValueError) as error:
            raise OutputError(f"{where}: {error}") from error
        fits = (int, float) if want is float else want
        if not isinstance(ready, fits) and not (want is float and isinstance(value, float)):
            raise OutputError(f"{where}: returned a {type(value).__name__}, want {want.__name__}")
        parameters[name] = ready

    def _take_artifact(self, name: str, value: Any) -> None:
        if is_artifact_class(type(value)):
            self._made[name] = value
            return
        made = self._made.get(name)
        if made is None:
            raise OutputError(f"There is no output artifact {name!r}")
        with open(made.path, "w", encoding="utf-8") as file:
            file.write(str(value))

    def _artifacts(self) -> dict[str, Any]:
        outputs = {}
        for name, artifact in self._made.items():
            try:
                metadata = json_ready(artifact.metadata)
            except (TypeError, ValueError) as error:
                raise OutputError(f"Metadata of output artifact {name!r}: {error}") from error
            entry = {"name": artifact.name, "uri": artifact.uri, "metadata": metadata}
            if getattr(artifact, "custom_path", ""):
                entry["custom_path"] = artifact.custom_path
            outputs[name] = {"artifacts": [entry]}
        return outputs


def _hints(annotated: Any) -> dict[str, Any]:
    """Return the annotations, in their order, with those written as strings resolved."""
    plain = dict(getattr(annotated, "__annotations__", {}))
    if not any(isinstance(hint, (str, typing.ForwardRef)) for hint in plain.values()):
        return plain
    scope = getattr(annotated, "__globals__", None) or vars(sys.modules[annotated.__module__])
    extras: dict[str, Any] = {"include_extras": True} if sys.version_info >= (3, 9) else {}
    resolved = typing.get_type_hints(annotated, scope, **extras)
    return {name: resolved[name] for name in plain}
