"""What the KFP SDK loses between loops, found again.

Used in text (`f"{item.name}"`), in a task's settings or several blocks deep, the item of a loop, a field of
it or a value from outside of the loop does not always come through the SDK's compiler (2.0 to 2.17): a task
asks its pipeline for an input that is not there, or a block another task for an output that this one does not
have, and KFP's backend fails the run. Which value is meant is certain all the same, since the compiler's
names are those of one pipeline function: the input or output of that name in the scopes around, as far as the
function goes. The settings of kfp-kubernetes (the second document) lose the same in their own words.

Only files that would be refused are looked at, and what cannot be found is left for the checks to report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.struct_pb2 import ListValue, Struct
from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentSpec,
    ParameterType,
    PipelineSpec,
    PipelineTaskSpec,
    PlatformSpec,
)

__all__ = ["restore_items", "restore_settings"]

_PREFIX = "pipelinechannel--"
_ITEM = "loop-item"
_FIELD = "-subvar-"
_BLOCK = re.compile(r"comp-(?:for-loop|condition|condition-branches|exit-handler)-\d+(?:-\d+)?\Z")
"""Components that the compiler makes of blocks; each is used once, where the block stands."""

_REFERENCE = {"componentInputParameter", "taskOutputParameter", "parameterExpressionSelector"}

_MOST_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class _Reference:
    """A task's input that asks the component around, or a task beside, for what that does not have."""

    scope: str
    task: PipelineTaskSpec
    input: str
    source: str


def restore_items(spec: PipelineSpec) -> bool:
    """Put back, in place, what the SDK has lost; whether there was anything that could be put back."""
    restored = False
    for _ in range(_MOST_ROUNDS):
        found = _Round(spec).restore()
        restored = restored or found
        if not found:
            break
    return restored


def restore_settings(spec: PipelineSpec, platform: PlatformSpec) -> None:
    """Put back, in place, what the settings of executors refer to and the tasks' surroundings do not have."""
    if "kubernetes" not in platform.platforms:
        return
    executors = platform.platforms["kubernetes"].deployment_spec.executors
    whole = _Round(spec)
    for scope, component in whole.scopes.items():
        for _, task in sorted(component.dag.tasks.items()):
            used = spec.components.get(task.component_ref.name)
            if used is not None and used.executor_label in executors:
                whole.restore_settings(scope, executors[used.executor_label])


class _Round:
    """One look at a whole pipeline: what is put back in one scope may be what another one lacked."""

    def __init__(self, spec: PipelineSpec) -> None:
        self.scopes: dict[str, ComponentSpec] = {"": spec.root}
        self.scopes |= {name: spec.components[name] for name in sorted(spec.components)}
        self._uses: dict[str, list[tuple[str, PipelineTaskSpec]]] = {}
        for scope, component in self.scopes.items():
            for task in component.dag.tasks.values():
                self._uses.setdefault(task.component_ref.name, []).append((scope, task))

    def restore(self) -> bool:
        """Whether anything was put back."""
        done = [self._restore(reference) for reference in list(self._lost())]
        return any(done)

    def _lost(self) -> Iterator[_Reference]:
        for scope, component in self.scopes.items():
            known = component.input_definitions.parameters
            for _, task in sorted(component.dag.tasks.items()):
                for name, given in sorted(task.inputs.parameters.items()):
                    match given.WhichOneof("kind"):
                        case "component_input_parameter":
                            source = given.component_input_parameter
                            is_injected = name.startswith(_PREFIX) or source.startswith(_PREFIX)
                            if source not in known and is_injected:
                                yield _Reference(scope, task, name, source)
                        case "task_output_parameter":
                            output = given.task_output_parameter
                            key = output.output_parameter_key
                            if name.startswith(_PREFIX) and _ITEM in key:
                                yield _Reference(scope, task, name, f"{_PREFIX}{output.producer_task}-{key}")

    def _restore(self, lost: _Reference) -> bool:
        given = lost.task.inputs.parameters[lost.input]
        if given.WhichOneof("kind") == "task_output_parameter":
            return self._take_away(lost)
        if self._provide(lost.scope, lost.source) is not None:
            return True
        base, _, field = lost.source.rpartition(_FIELD)
        if base and self._provide(lost.scope, base) is not None:
            given.component_input_parameter = base
            given.parameter_expression_selector = _selector(field)
            return True
        return _ITEM in lost.source and self._take_away(lost)

    def _provide(
        self, scope: str, name: str, inside: frozenset[str] = frozenset()
    ) -> ParameterType.ParameterTypeEnum | None:
        """Make a value an input of a block, from the scopes around it; its type, None where they lack it."""
        known = self.scopes[scope].input_definitions.parameters
        if name in known:
            return known[name].parameter_type
        uses = self._uses.get(scope, ()) if _BLOCK.match(scope) else ()
        if len(uses) != 1 or scope in inside or not name.startswith(_PREFIX):
            return None
        around, task = uses[0]
        plain = name.removeprefix(_PREFIX)
        is_outermost = not _BLOCK.match(around)
        source = plain if is_outermost and plain in self.scopes[around].input_definitions.parameters else name
        for producer, key, kind in self._outputs(around):
            if plain == f"{producer}-{key}":
                known[name].parameter_type = kind
                output = task.inputs.parameters[name].task_output_parameter
                output.producer_task, output.output_parameter_key = producer, key
                return kind
        found = self._provide(around, source, inside | {scope})
        if found is not None:
            known[name].parameter_type = found
            task.inputs.parameters[name].component_input_parameter = source
        return found

    def _outputs(self, scope: str) -> Iterator[tuple[str, str, ParameterType.ParameterTypeEnum]]:
        """Task, name and type of what the tasks of a scope put out; what leaves blocks has other rules."""
        for name, task in self.scopes[scope].dag.tasks.items():
            component = self.scopes.get(task.component_ref.name)
            if component is not None and not _BLOCK.match(task.component_ref.name):
                for key, output in component.output_definitions.parameters.items():
                    yield name, key, output.parameter_type

    def _take_away(self, lost: _Reference) -> bool:
        """An item that is asked for outside of its loop: the loop has it, and need not be given it."""
        name = lost.task.component_ref.name
        if not _BLOCK.match(name) or name not in self.scopes:
            return False
        del lost.task.inputs.parameters[lost.input]
        if lost.input != lost.task.parameter_iterator.item_input:
            self.scopes[name].input_definitions.parameters.pop(lost.input, None)
        return True

    def restore_settings(self, scope: str, settings: Struct) -> None:
        """Provide what one executor's settings refer to, and name the fields of items as tasks do."""
        for part in list(_parts(settings)):
            source = self._unknown(scope, part)
            if not source or self._provide(scope, source) is not None:
                continue
            base, _, field = source.rpartition(_FIELD)
            if base and self._provide(scope, base) is not None:
                part.Clear()
                part["componentInputParameter"] = base
                part["parameterExpressionSelector"] = _selector(field)

    def _unknown(self, scope: str, part: Struct) -> str:
        """The value that a part of settings wants and its scope does not have; empty: there is none."""
        around = self.scopes[scope]
        known = around.input_definitions.parameters
        name = (
            part.fields["componentInputParameter"].string_value if "componentInputParameter" in part else ""
        )
        if not name and "taskOutputParameter" in part:
            output = part.fields["taskOutputParameter"].struct_value.fields
            task, key = output["producerTask"].string_value, output["outputParameterKey"].string_value
            name = f"{task}-{key}" if task not in around.dag.tasks else ""
        if not name or name in known:
            return ""
        source = name if name.startswith(_PREFIX) else f"{_PREFIX}{name}"
        return "" if source in known else source


def _selector(field: str) -> str:
    return f"parseJson(string_value)[{json.dumps(field)}]"


def _parts(settings: Struct | ListValue) -> Iterator[Struct]:
    """All objects in settings that are nothing but a reference, at any depth."""
    if isinstance(settings, Struct) and settings.fields.keys() <= _REFERENCE:
        yield settings
    values = settings.fields.values() if isinstance(settings, Struct) else settings.values
    for value in values:
        match value.WhichOneof("kind"):
            case "struct_value":
                yield from _parts(value.struct_value)
            case "list_value":
                yield from _parts(value.list_value)
