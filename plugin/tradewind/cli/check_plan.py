"""A plan as text: every step with what it waits for, what it is given and what it does.

Made for two readers. Whoever asks why a step waits or is skipped finds the answer in `tradewind check FILE
--plan`; and whoever changes how plans are made sees in a diff of such texts (`tests/golden/plans`) what
became of many pipelines at once. So everything of a plan is in it, fields that this module has never heard of
included, except for the code of Python components.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Any

from tradewind.plan import bindings, model
from tradewind.plan.bindings import Binding, Guard, Precondition
from tradewind.plan.model import Loop, Plan, Step

__all__ = ["binding_text", "guard_text", "plan_text"]

_OPERAND = re.compile(r"inputs\.parameter_values\['([^']*)'\]")
_WAITS = {"success": "after", "no_failure": "after, unless one fails,", "end": "at the end of"}
# Said in lines of their own.
_STEP = {
    "id", "scope", "component", "display_name", "action", "container", "parameters", "artifacts",
    "output_parameters", "output_artifacts", "upstream", "wait", "barrier", "precondition", "loop", "region",
}  # fmt: skip
_LOOP = {"id", "loop", "items", "artifacts", "parallelism"} | _STEP
_DECLARED = {"type", "binding", "default", "has_default", "optional"}
_PLAN = {"name", "parameters", "scopes", "steps", "loops", "outputs"}


def plan_text(plan: Plan) -> Iterator[str]:
    """The lines of a plan: equal plans give equal lines, but for the source of Python components."""
    yield f"pipeline {plan.name}"
    for name, parameter in plan.parameters.items():
        yield f"  parameter {name}: {parameter.type}{_default_text(parameter)}{_rest(parameter, _DECLARED)}"
    for name, binding in plan.outputs.items():
        yield f"  output {name} = {binding_text(binding)}"
    yield from _others(plan, _PLAN | ({"display_name"} if plan.display_name == plan.name else set()))
    for scope in plan.scopes.values():
        yield ""
        yield f"{scope.kind} {scope.id}{_rest(scope, {'id', 'kind', 'parent'}, _named(scope))}"
        if scope.id in plan.loops:
            yield from _loop(plan.loops[scope.id])
    for step in plan.steps.values():
        yield ""
        name = "" if step.display_name == step.id.rpartition(".")[2] else f" ({_json(step.display_name)})"
        yield f"step {step.id}{name}"
        yield from _step(step)


def binding_text(binding: Binding) -> str:
    """Where a value comes from: `pipeline.rows`, `train.Output`, `item of for-loop-1`."""
    match binding:
        case bindings.Constant(value):
            return _json(value)
        case bindings.PipelineInput(name):
            return f"pipeline.{name}"
        case bindings.StepParameter(step, key) | bindings.StepArtifact(step, key):
            return f"{step}.{key}"
        case bindings.Template(value, inputs):
            given = ", ".join(f"{name} = {binding_text(inner)}" for name, inner in inputs.items())
            return _json(value) + (f" with {given}" if given else "")
        case bindings.Selected(inner, path):
            return binding_text(inner) + "".join(f"[{_json(key)}]" for key in path)
        case bindings.LoopItem(loop):
            return f"item of {loop}"
        case bindings.Collected(loop, inner):
            return f"{binding_text(inner)} over {loop}"
        case bindings.OneOf(options):
            return "one of (" + " | ".join(_option(option) for option in options) + ")"
        case bindings.FinalStatus(task, steps):
            return f"status of {task} ({', '.join(steps)})"
        case _:
            return repr(binding)


def guard_text(guard: Guard) -> str:
    """A condition with what it compares in place of the names that the compiler made."""

    def operand(match: re.Match[str]) -> str:
        binding = guard.inputs.get(match[1])
        return binding_text(binding) if binding is not None else match[0]

    return _OPERAND.sub(operand, guard.expression)


def _option(option: bindings.Option) -> str:
    conditions = " and ".join(_conditions(option.precondition))
    return binding_text(option.binding) + (f" if {conditions}" if conditions else "")


def _conditions(precondition: Precondition) -> Iterator[str]:
    for step in precondition.succeeded:
        yield f"{step} succeeded"
    for step in precondition.unfailed:
        yield f"{step} has not failed"
    for guard in precondition.guards:
        yield guard_text(guard)


def _loop(loop: Loop) -> Iterator[str]:
    kind = "artifacts" if loop.artifacts else "items"
    limit = f", {loop.parallelism} at a time" if loop.parallelism else ""
    yield f"  {kind}: {binding_text(loop.items)}{limit}"
    yield from _order(loop)
    yield from _others(loop, _LOOP)


def _step(step: Step) -> Iterator[str]:
    yield from _order(step)
    yield f"  runs {_action(step.action)}"
    if step.container is not None:
        resources = _rest(step.container.resources, set())
        rest = _rest(step.container, {"image", "env", "resources"})
        image = step.container.image or "the deployment's image for importers"
        yield f"  in {_said(image)}{resources}{rest}"
        for name, value in step.container.env:
            yield f"  env {name} = {_json(value)}"
    for name, parameter in step.parameters.items():
        value = f" = {binding_text(parameter.binding)}" if parameter.binding is not None else ""
        default = _default_text(parameter) if parameter.binding is None or parameter.has_default else ""
        yield f"  given {name}: {parameter.type}{value}{default}{_rest(parameter, _DECLARED)}"
    for name, artifact in step.artifacts.items():
        value = f" = {binding_text(artifact.binding)}" if artifact.binding is not None else ""
        rest = ", optional" if artifact.optional and artifact.binding is None else ""
        rest += _rest(artifact, {"schema_title", "is_list", "binding", "optional"})
        yield f"  given {name}: {_artifact_type(artifact)}{value}{rest}"
    for name, output in step.output_parameters.items():
        yield f"  makes {name}: {output.type}{_rest(output, {'type'})}"
    for name, made in step.output_artifacts.items():
        yield f"  makes {name}: {_artifact_type(made)}{_rest(made, {'schema_title', 'is_list'})}"
    yield from _others(step, _STEP)


def _order(subject: Step | Loop) -> Iterator[str]:
    """Loop and region, what is waited for, and conditions."""
    if subject.loop:
        yield f"  in each of {subject.loop}, region {subject.region}"
    if subject.upstream or subject.wait != "success":
        barrier = ", of all iterations" if subject.barrier else ""
        yield f"  {_WAITS[subject.wait]} {', '.join(subject.upstream) or 'nothing'}{barrier}"
    for text in _conditions(subject.precondition):
        yield f"  if {text}"


def _action(action: model.Action) -> str:
    if isinstance(action, model.PythonFunction):
        return f"python {action.function}{_rest(action, {'function', 'source'})}"
    if isinstance(action, model.Command):
        return f"command {_words(action.command)}" + (f" | {_words(action.args)}" if action.args else "")
    if isinstance(action, model.Importer):
        return f"importer of {binding_text(action.uri)}{_rest(action, {'uri'})}"
    return f"{type(action).__name__}{_rest(action, set())}"


def _words(command: Sequence[str]) -> str:
    """A command line as in a shell, on one line."""
    return " ".join(shlex.quote(word) if word.isprintable() else _json(word) for word in command)


def _default_text(parameter: model.PipelineParameter | model.ParameterInput) -> str:
    """What a parameter is when it is given nothing."""
    if parameter.has_default:
        return f", default {_json(parameter.default)}"
    return ", optional" if parameter.optional else ""


def _artifact_type(artifact: model.ArtifactInput | model.ArtifactOutput) -> str:
    return f"list of {artifact.schema_title}" if artifact.is_list else artifact.schema_title


# --- whatever else there is ---


def _named(subject: Any) -> dict[str, Any]:
    """The names that go without saying, for `_rest` to leave out."""
    return {"display_name": subject.id.rpartition(".")[2]}


def _rest(subject: Any, but: set[str], usual: Mapping[str, Any] | None = None) -> str:
    """` (name value, ...)` of the fields that hold something of interest."""
    known = usual or {}
    entries = [entry for entry in _unusual(subject, but) if known.get(entry[0], MISSING) != entry[1]]
    return f" ({', '.join(f'{name} {_value(value)}' for name, value in entries)})" if entries else ""


def _others(subject: Any, but: set[str]) -> Iterator[str]:
    """A line for each further field that does not hold its default."""
    for name, value in _unusual(subject, but):
        yield f"  {name}: {_value(value)}"


def _unusual(subject: Any, but: set[str]) -> Iterator[tuple[str, Any]]:
    for field in fields(subject):
        value = getattr(subject, field.name)
        if field.name not in but and value != _default(field) and value not in ("", (), {}):
            yield field.name, value


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _value(value: Any) -> str:
    if isinstance(value, bindings.Binding):
        return binding_text(value)
    if is_dataclass(value) and not isinstance(value, type):
        return _rest(value, set()).strip() or f"{type(value).__name__}()"
    if isinstance(value, Mapping) and any(is_dataclass(member) for member in value.values()):
        return "{" + ", ".join(f"{key}: {_value(member)}" for key, member in value.items()) + "}"
    if isinstance(value, list | tuple) and any(is_dataclass(member) for member in value):
        return "[" + ", ".join(_value(member) for member in value) + "]"
    return _json(value)


def _said(text: str) -> str:
    return text if text.isprintable() else _json(text)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=_plain)


def _plain(value: Any) -> Any:
    """What JSON has no word for: sets (in an order that stays the same), mappings that cannot be changed."""
    if isinstance(value, set | frozenset):
        return sorted(value)
    return dict(value) if isinstance(value, Mapping) else repr(value)
