"""Component files of KFP's version 1, read as the SDK's version 2 reads them.

```yaml
name: Convert
inputs: [{name: Rows, type: Integer, default: "5"}, {name: Data, type: Dataset}]
outputs: [{name: Out}]
implementation:
  container:
    image: alpine
    command: [convert, --rows, {inputValue: Rows}, {inputPath: Data}, {outputPath: Out}]
```

Names become lower case with underscores (`rows`), an input or output without a type, or of a type unknown to
version 2, is an artifact. Where the SDK goes on with something that cannot run (the path of a parameter, the
value of an artifact, two inputs that get one name, `fileOutputs`), this is an error with its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf.struct_pb2 import Value

from tradewind.components.arguments import Arguments, port_name
from tradewind.components.yaml_component import YamlContainer
from tradewind.dsl.interface import Input, Interface, Output, component_name, constant_problem
from tradewind.dsl.types import FINAL_STATUS, ArtifactKind, Kind, ParameterKind, parameter_kind
from tradewind.dsl.values import assign
from tradewind.errors import InvalidPipelineError, Problem
from tradewind.runtime.artifacts import Artifact, system_type

__all__ = ["component"]

_GOOGLE_TYPE = re.compile(r"google\.[A-Za-z]+")
_TRUTH = dict.fromkeys(("y", "yes", "t", "true", "on", "1"), True) | dict.fromkeys(
    ("n", "no", "f", "false", "off", "0"), False
)
_CONTAINER_KEYS = frozenset({"image", "command", "args", "env"})


def component(content: Mapping[str, Any], text: str, source: str) -> YamlContainer:
    """Make a component of a file of version 1.

    Args:
        content: the file as plain data.
        text: the same as text.
        source: where it came from, for messages.

    Raises:
        InvalidPipelineError: with everything that is wrong.
    """
    return _Reader(content, source).read(text)


class _Reader:
    """One reading of one file, which gathers problems on the way."""

    def __init__(self, content: Mapping[str, Any], source: str) -> None:
        self.content, self.source = content, source
        self.problems: list[Problem] = []
        self.inputs: dict[str, Input] = {}
        self.outputs: dict[str, Output] = {}

    def read(self, text: str) -> YamlContainer:
        for index, entry in self._entries("inputs"):
            self._read_input(entry, f"$.inputs[{index}]")
        for index, entry in self._entries("outputs"):
            self._read_output(entry, f"$.outputs[{index}]")
        container = self._container()
        if self.problems:
            raise InvalidPipelineError(self.source, self.problems)
        # Without a name, the SDK says `name`.
        name = component_name(str(self.content.get("name") or "name")) or "name"
        description = str(self.content.get("description") or "")
        interface = Interface(name, description, self.inputs, self.outputs)
        return YamlContainer(interface, interface.to_proto(), container, None, text)

    def _complain(self, place: str, message: str, remedy: str = "") -> None:
        self.problems.append(Problem(place, message, remedy, TypeError))

    def _entries(self, side: str) -> list[tuple[int, Mapping[str, Any]]]:
        listed = self.content.get(side) or []
        if not isinstance(listed, list):
            self._complain(f"$.{side}", "is no list")
            return []
        found: list[tuple[int, Mapping[str, Any]]] = []
        for index, entry in enumerate(listed):
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                found.append((index, entry))
            else:
                self._complain(f"$.{side}[{index}]", "is no mapping with a name")
        return found

    def _read_input(self, entry: Mapping[str, Any], place: str) -> None:
        name, kind = port_name(entry["name"]), kind_of(entry.get("type"))
        if not self._is_free(name, entry["name"], self.inputs, place):
            return
        optional = bool(entry.get("optional")) or "default" in entry or kind == FINAL_STATUS
        default = None
        if isinstance(kind, ParameterKind) and kind != FINAL_STATUS:
            try:
                default = _default(kind, entry.get("default"))
            except ValueError as error:
                self._complain(f"{place}.default", str(error))
        elif entry.get("default") is not None:
            remedy = "give the input a type, such as String, if it is a parameter"
            self._complain(f"{place}.default", f"'{entry['name']}' is an artifact and has no default", remedy)
        self.inputs[name] = Input(name, kind, default, optional)

    def _read_output(self, entry: Mapping[str, Any], place: str) -> None:
        name = port_name(entry["name"])
        if self._is_free(name, entry["name"], self.outputs, place):
            self.outputs[name] = Output(name, kind_of(entry.get("type")))

    def _is_free(self, name: str, given: str, taken: Mapping[str, object], place: str) -> bool:
        if not name or not name[0].isalpha():
            self._complain(f"{place}.name", f"{given!r} has no letter to begin with")
        elif name in taken:
            self._complain(f"{place}.name", f"{given!r} is called '{name}' here, and so is another one")
        else:
            return True
        return False

    def _container(self) -> Value:
        implementation = self.content.get("implementation")
        container = implementation.get("container") if isinstance(implementation, dict) else None
        place, value = "$.implementation.container", Value()
        if not isinstance(container, dict):
            remedy = "only containers are known; write a graph with @dsl.pipeline"
            self._complain("$.implementation", "has no container", remedy)
            return value
        for key in sorted(container.keys() - _CONTAINER_KEYS):
            remedy = "let the command write to {outputPath: ...}" if key == "fileOutputs" else ""
            self._complain(f"{place}.{key}", "is not supported", remedy)
        image = container.get("image")
        if not isinstance(image, str) or not image:
            self._complain(f"{place}.image", "is not given")
        arguments = Arguments(self.inputs, self.outputs, self._complain)
        body: dict[str, Any] = {"image": image}
        for key in ("command", "args"):
            listed = container.get(key) or []
            if isinstance(listed, list):
                body[key] = [arguments.render(each, f"{place}.{key}[{i}]") for i, each in enumerate(listed)]
            else:
                self._complain(f"{place}.{key}", "is no list")
        env = container.get("env") or {}
        if isinstance(env, dict):
            body["env"] = [
                {"name": name, "value": arguments.render(each, f"{place}.env.{name}")}
                for name, each in env.items()
            ]
        else:
            self._complain(f"{place}.env", "is no mapping")
        if not body.get("command") and not body.get("args"):
            message = "command and args are both empty, and the image's own entry point is never used"
            self._complain(place, message, "say what to run")
        if not self.problems:
            assign(value, {key: part for key, part in body.items() if part})
        return value


def kind_of(declared: Any) -> Kind:
    """The kind behind a `type` of version 1, which may be missing, a name or a mapping."""
    if isinstance(declared, str):
        plain = declared.split("[")[0].rsplit(".", 1)[-1] if "[" in declared else declared
        if plain == "PipelineTaskFinalStatus":
            return FINAL_STATUS
        kind = parameter_kind(plain) if "." not in plain else None
        if kind is not None:
            return kind
        if _GOOGLE_TYPE.fullmatch(plain):
            return ArtifactKind(plain, Artifact.schema_version)
        cls = system_type(f"system.{_SYSTEM_NAMES.get(plain.lower(), '')}")
        if cls is not None:
            return ArtifactKind(cls.schema_title, cls.schema_version)
    return ArtifactKind(Artifact.schema_title, Artifact.schema_version)


_SYSTEM_NAMES = {
    name.lower(): name
    for name in (
        "Model",
        "Dataset",
        "Metrics",
        "ClassificationMetrics",
        "SlicedClassificationMetrics",
        "HTML",
        "Markdown",
    )
}


def _default(kind: ParameterKind, given: Any) -> Any:
    """A default, which version 1 writes as text, as a value of its type."""
    if given is None:
        return None
    convert = _CONVERSIONS[str(kind)]
    try:
        default = convert(given)
    except (ValueError, TypeError, KeyError):
        raise ValueError(f"{given!r} is no {kind}") from None
    if problem := constant_problem(default, kind):
        raise ValueError(problem)
    return default


def _json(given: Any) -> Any:
    return json.loads(given) if isinstance(given, str) else given


_CONVERSIONS: dict[str, Callable[[Any], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": lambda given: given if isinstance(given, bool) else _TRUTH[str(given).lower()],
    "list": _json,
    "dict": _json,
}
