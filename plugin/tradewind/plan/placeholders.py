"""KFP's placeholders, as a pure function of a step's executor input.

A compiled command holds texts such as `{{$.inputs.parameters['rows']}}`, alone or inside longer ones, and
JSON such as `{"IfPresent": ...}`. Everything is replaced in one pass over the author's text. What is put in
is never looked at again: a value may well look like a placeholder, and it is data. What looks like a
placeholder of KFP's and cannot be resolved is an error, never passed on half-done; other text in double
braces (Jinja, Helm) is none of ours and stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, overload

from tradewind.errors import FatalError

__all__ = [
    "CONSTANTS",
    "has_placeholders",
    "input_names",
    "lost_references",
    "of_no_input",
    "reads_artifact",
    "render",
    "resolve",
    "resolve_value",
]

CONSTANTS = (
    "pipeline_job_name",
    "pipeline_job_resource_name",
    "pipeline_job_uuid",
    "pipeline_task_name",
    "pipeline_task_uuid",
    "pipeline_root",
    "pipeline_job_create_time_utc",
    "pipeline_job_schedule_time_utc",
    "workspace_path",
)
"""Names that a context may give a value to: `{{$.pipeline_job_name}}` and so on."""

_ALIASES = {"pipeline_job_id": "pipeline_job_uuid", "pipeline_task_id": "pipeline_task_uuid"}

_PLACEHOLDER = re.compile(
    r"\{\{\$(?P<body>|\.(?:inputs|outputs|outputMetadataUri|pipeline_|workspace_)[^{}]*)\}\}"
)
_KEY = r"\[(?:'(?P<{0}>[^']*)'|\"(?P<{0}2>[^\"]*)\")\]"
_IO = re.compile(
    r"\.(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)"
    + _KEY.format("name")
    + r"(?:\.(?P<field>[a-z_]+)(?:"
    + _KEY.format("key")
    + r")?)?\Z"
)
_LOST = re.compile(r"\{\{channel:task=[^{}]*;name=[^{}]*\}\}")
_ABSENT = object()


def has_placeholders(value: Any) -> bool:
    """Whether some string in a JSON value holds a placeholder of KFP's."""
    return any(_PLACEHOLDER.search(text) for text in _strings(value))


def input_names(value: Any) -> set[str]:
    """Names of the input parameters that the placeholders in a JSON value, or in a command, refer to."""
    names: set[str] = set()
    for text in _strings(value):
        for match in _PLACEHOLDER.finditer(text):
            io = _IO.match(match["body"])
            if io is not None and io["side"] == "inputs" and io["kind"] == "parameters":
                names.add(_either(io, "name"))
    return names


def of_no_input(value: Any) -> list[str]:
    """Placeholders in a JSON value that have no meaning in a task's input.

    The executor input, outputs and artifacts are the task's own: they belong into a component's command.
    """
    found = []
    for text in _strings(value):
        for match in _PLACEHOLDER.finditer(text):
            io, name = _IO.match(match["body"]), match["body"][1:]
            is_input = io is not None and (io["side"], io["kind"]) == ("inputs", "parameters")
            if not is_input and _ALIASES.get(name, name) not in CONSTANTS:
                found.append(match[0])
    return found


def lost_references(value: Any) -> list[str]:
    """References of the KFP SDK's own in a JSON value: values in text that it forgot to replace, several
    blocks deep. Nobody knows what they meant, and KFP's backend passes them on as they are.
    """
    return [match[0] for text in _strings(value) for match in _LOST.finditer(text)]


def reads_artifact(value: Any, name: str) -> bool:
    """Whether placeholders in a JSON value, or in a command, ask for the content of an input artifact.

    They do by its path, and by everything that holds the path. Its URI, name and metadata are known without
    the content.
    """
    for text in _strings(value):
        for match in _PLACEHOLDER.finditer(text):
            body = match["body"]
            io = _IO.match(body)
            if io is None:
                # The whole executor input; or a spelling (quotes within JSON) that `_IO` does not take apart.
                if not body or body.startswith(".inputs.artifacts"):
                    return True
                continue
            about = (io["side"], io["kind"], _either(io, "name"))
            if about == ("inputs", "artifacts", name) and io["field"] not in ("uri", "name", "metadata"):
                return True
    return False


def render(value: Any) -> str:
    """A value as text, as KFP does: strings as they are, numbers in shortest decimal, anything else JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, float):
        # KFP writes 1e-07 as 0.0000001 and 5.0 as 5.
        text = format(Decimal(repr(value)), "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@overload
def resolve(
    text: str,
    executor_input: Mapping[str, Any],
    context: Mapping[str, str],
    *,
    defaults: Mapping[str, Any] | None = None,
) -> str: ...
@overload
def resolve(
    text: list[str] | tuple[str, ...],
    executor_input: Mapping[str, Any],
    context: Mapping[str, str],
    *,
    defaults: Mapping[str, Any] | None = None,
) -> list[str]: ...
def resolve(
    text: str | list[str] | tuple[str, ...],
    executor_input: Mapping[str, Any],
    context: Mapping[str, str],
    *,
    defaults: Mapping[str, Any] | None = None,
) -> str | list[str]:
    """Resolve placeholders in a text, or in the elements of a command.

    Args:
        text: one text gives one text. A list gives a list, in which `IfPresent` may stand for none or several
            elements.
        executor_input: KFP's ExecutorInput as a dict (see `tradewind.plan.executor_input`).
        context: values of the constant placeholders, by a name of `CONSTANTS`.
        defaults: the component's own defaults, put in where the executor input has no value. They don't
            make an input present for `IfPresent`, nor do they show in `{{$}}`: that is KFP's way.

    Raises:
        FatalError: a placeholder names something that there is not.
    """
    scope = _Scope(executor_input, context, defaults or {})
    if not isinstance(text, str):
        return [element for raw in text for element in scope.elements(raw)]
    elements = scope.elements(text)
    if len(elements) > 1:
        raise FatalError(
            f"{_short(text)} makes {len(elements)} elements where one text is wanted",
            remedy="use Concat, or single values in Then and Else",
        )
    return elements[0] if elements else ""


def resolve_value(value: Any, executor_input: Mapping[str, Any], context: Mapping[str, str]) -> Any:
    """Resolve placeholders in the strings of a JSON value (importer metadata, a `Template`).

    A string that is one placeholder and nothing else becomes the value itself, of its own type; inside a
    longer string it becomes text. Raises like `resolve`.
    """
    return _Scope(executor_input, context, {}).value(value)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, member in value.items():
            yield key
            yield from _strings(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _strings(member)


def _either(match: re.Match[str], group: str) -> str:
    first = match[group]
    return match[group + "2"] if first is None else first


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else text[:97] + "...")


@dataclass(frozen=True, slots=True)
class _Scope:
    executor_input: Mapping[str, Any]
    context: Mapping[str, str]
    defaults: Mapping[str, Any] = field(default_factory=dict)

    # --- JSON placeholders ---

    def elements(self, raw: str) -> list[str]:
        """The elements that one element of a command stands for."""
        if raw.startswith(('{"Concat":', '{"IfPresent":')):
            try:
                struct = json.loads(raw)
            except ValueError:
                return [self.text(raw)]  # begins like one by chance: a text
            return self.struct(struct, raw)
        return [self.text(raw)]

    def struct(self, node: Any, raw: str) -> list[str]:
        if isinstance(node, str):
            return [self.text(node)]
        if isinstance(node, list):
            return [element for member in node for element in self.struct(member, raw)]
        if isinstance(node, dict) and len(node) == 1:
            (name, content), *_ = node.items()
            if name == "Concat" and isinstance(content, list):
                return ["".join(self.struct(content, raw))]
            if name == "IfPresent" and isinstance(content, dict) and {"InputName", "Then"} <= content.keys():
                branch = content["Then"] if self.is_present(content["InputName"]) else content.get("Else")
                return [] if branch is None else self.struct(branch, raw)
        raise FatalError(
            f"{_short(raw)} is not a placeholder that KFP knows",
            remedy='write {"Concat": [...]} or {"IfPresent": {"InputName": ..., "Then": ..., "Else": ...}}',
        )

    def is_present(self, name: str) -> bool:
        inputs = self.executor_input.get("inputs", {})
        return inputs.get("parameterValues", {}).get(name) is not None or bool(
            inputs.get("artifacts", {}).get(name, {}).get("artifacts")
        )

    # --- text placeholders ---

    def text(self, raw: str) -> str:
        return _PLACEHOLDER.sub(lambda match: render(self.lookup(match)), raw)

    def value(self, raw: Any) -> Any:
        if isinstance(raw, str):
            whole = _PLACEHOLDER.fullmatch(raw)
            return self.lookup(whole) if whole is not None else self.text(raw)
        if isinstance(raw, Mapping):
            return {self.text(key): self.value(member) for key, member in raw.items()}
        return [self.value(member) for member in raw] if isinstance(raw, list | tuple) else raw

    def lookup(self, match: re.Match[str]) -> Any:
        body = match["body"]
        io = _IO.match(body)
        if not body:
            found: Any = self.executor_input
        elif io is not None:
            found = self.parameter(io) if io["kind"] == "parameters" else self.artifact(io)
        elif body in (".outputs.output_file", ".outputs.outputFile", ".outputMetadataUri"):
            found = self.executor_input.get("outputs", {}).get("outputFile", _ABSENT)
        else:
            name = body[1:]
            found = self.context.get(_ALIASES.get(name, name), _ABSENT)
        if found is _ABSENT:
            raise self.unresolved(match[0], io)
        return found

    def parameter(self, io: re.Match[str]) -> Any:
        name, part = _either(io, "name"), io["field"]
        if io["side"] == "inputs" and part is None:
            values = self.executor_input.get("inputs", {}).get("parameterValues", {})
            return values[name] if name in values else self.defaults.get(name, _ABSENT)
        if io["side"] == "outputs" and part in ("output_file", "outputFile"):
            return (
                self.executor_input.get("outputs", {})
                .get("parameters", {})
                .get(name, {})
                .get("outputFile", _ABSENT)
            )
        return _ABSENT

    def artifact(self, io: re.Match[str]) -> Any:
        name, part = _either(io, "name"), io["field"]
        artifacts = (
            self.executor_input.get(io["side"], {}).get("artifacts", {}).get(name, {}).get("artifacts")
        )
        if artifacts is None:
            return _ABSENT
        if part is None:
            return artifacts
        if not artifacts:
            return _ABSENT
        first = artifacts[0]
        if part == "path":
            return first.get("customPath", _ABSENT)
        if part == "metadata":
            metadata = first.get("metadata") or {}
            has_key = io["key"] is not None or io["key2"] is not None
            return metadata.get(_either(io, "key"), _ABSENT) if has_key else metadata
        return first.get(part, _ABSENT) if part in ("uri", "name") else _ABSENT

    def unresolved(self, placeholder: str, io: re.Match[str] | None) -> FatalError:
        if io is None:
            known = ", ".join(name for name in CONSTANTS if name in self.context)
            return FatalError(
                f"the placeholder {placeholder} has no value here", remedy=f"known here: {known or 'none'}"
            )
        side, kind, name = io["side"], io["kind"], _either(io, "name")
        members = self.executor_input.get(side, {})
        there = members.get("parameterValues" if (side, kind) == ("inputs", "parameters") else kind, {})
        if name in there:
            message = (
                f"the placeholder {placeholder} asks for something that {side[:-1]} {name!r} does not have"
            )
            return FatalError(message, remedy="see KFP's documentation of placeholders")
        return FatalError(
            f"the placeholder {placeholder} has no value: {side[:-1]} {kind[:-1]} {name!r} was not given",
            remedy="use IfPresentPlaceholder for an optional input",
        )
