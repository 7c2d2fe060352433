"""What the KFP SDK loses between loops, found again.

Used in text (`f"{item.name}"`) or in a task's settings, the item of a loop, or a field of it, does not always
come through the SDK's compiler (2.0 to 2.17): a task asks its pipeline for an input that is not there, and
KFP's backend fails the run. Which value is meant is certain all the same, since the compiler's names are
those of one pipeline function: the input of that name in the scopes around, as far as the function goes.

Only files that would be refused are looked at, and what cannot be found is left for the checks to report.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from kfp.pipeline_spec.pipeline_spec_pb2 import (
    ComponentInputsSpec,
    ComponentSpec,
    PipelineSpec,
    PipelineTaskSpec,
)

__all__ = ["restore_items"]

_PREFIX = "pipelinechannel--"
_ITEM = "loop-item"
_FIELD = "-subvar-"
_BLOCK = re.compile(r"comp-(?:for-loop|condition|condition-branches|exit-handler)-\d+(?:-\d+)?\Z")
"""Components that the compiler makes of blocks; each is used once, where the block stands."""

_MOST_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class _Reference:
    """A task's input that asks the component around for one that it does not have."""

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


class _Round:
    """One look at a whole pipeline: what is put back in one scope may be what another one lacked."""

    def __init__(self, spec: PipelineSpec) -> None:
        self._scopes: dict[str, ComponentSpec] = {"": spec.root}
        self._scopes |= {name: spec.components[name] for name in sorted(spec.components)}
        self._uses: dict[str, list[tuple[str, PipelineTaskSpec]]] = {}
        for scope, component in self._scopes.items():
            for task in component.dag.tasks.values():
                self._uses.setdefault(task.component_ref.name, []).append((scope, task))

    def restore(self) -> bool:
        """Whether anything was put back."""
        done = [self._restore(reference) for reference in list(self._lost())]
        return any(done)

    def _lost(self) -> Iterator[_Reference]:
        for scope, component in self._scopes.items():
            known = component.input_definitions.parameters
            for _, task in sorted(component.dag.tasks.items()):
                for name, given in sorted(task.inputs.parameters.items()):
                    if given.WhichOneof("kind") == "component_input_parameter" and name.startswith(_PREFIX):
                        source = given.component_input_parameter
                        if source not in known:
                            yield _Reference(scope, task, name, source)

    def _restore(self, lost: _Reference) -> bool:
        given = lost.task.inputs.parameters[lost.input]
        if self._provide(lost.scope, lost.source):
            return True
        base, _, field = lost.source.rpartition(_FIELD)
        if base and self._provide(lost.scope, base):
            given.component_input_parameter = base
            given.parameter_expression_selector = f"parseJson(string_value)[{json.dumps(field)}]"
            return True
        return _ITEM in lost.source and self._take_away(lost)

    def _provide(
        self, scope: str, name: str, inside: frozenset[str] = frozenset()
    ) -> ComponentInputsSpec.ParameterSpec | None:
        """Make a value an input of a block, from the scopes around it; None where they do not have it."""
        known = self._scopes[scope].input_definitions.parameters
        if name in known:
            return known[name]
        uses = self._uses.get(scope, ()) if _BLOCK.match(scope) else ()
        if len(uses) != 1 or scope in inside or not name.startswith(_PREFIX):
            return None
        around, task = uses[0]
        plain = name.removeprefix(_PREFIX)
        is_outermost = not _BLOCK.match(around)
        source = (
            plain if is_outermost and plain in self._scopes[around].input_definitions.parameters else name
        )
        found = self._provide(around, source, inside | {scope})
        if found is not None:
            known[name].parameter_type = found.parameter_type
            task.inputs.parameters[name].component_input_parameter = source
        return found

    def _take_away(self, lost: _Reference) -> bool:
        """An item that is asked for outside of its loop: the loop has it, and need not be given it."""
        name = lost.task.component_ref.name
        if not _BLOCK.match(name) or name not in self._scopes:
            return False
        del lost.task.inputs.parameters[lost.input]
        if lost.input != lost.task.parameter_iterator.item_input:
            self._scopes[name].input_definitions.parameters.pop(lost.input, None)
        return True
