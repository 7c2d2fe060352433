"""Where a value comes from, and what decides whether something runs: the plan's references to its own run.

Nothing here has a value before there is a run; `tradewind.plan.evaluation` works them out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "ALWAYS",
    "Binding",
    "Collected",
    "Constant",
    "FinalStatus",
    "Guard",
    "LoopItem",
    "OneOf",
    "Option",
    "PipelineInput",
    "Precondition",
    "Selected",
    "StepArtifact",
    "StepParameter",
    "Template",
    "Wait",
]


@dataclass(frozen=True, slots=True)
class Constant:
    """A value fixed at compile time; any JSON value, integers as int."""

    value: Any


@dataclass(frozen=True, slots=True)
class PipelineInput:
    """The value that the run was given for an input parameter of the pipeline."""

    name: str


@dataclass(frozen=True, slots=True)
class StepParameter:
    """An output parameter of a step."""

    step: str
    key: str


@dataclass(frozen=True, slots=True)
class StepArtifact:
    """An output artifact (or artifact list) of a step."""

    step: str
    key: str


@dataclass(frozen=True, slots=True)
class Template:
    """A constant with KFP placeholders inside: what `f"rows: {rows}"` in a pipeline function compiles to.

    `tradewind.plan.evaluation.evaluate` puts the values in, in a single pass.

    Attributes:
        value: any JSON value, with placeholders in its strings.
        inputs: where the value of `{{$.inputs.parameters['name']}}` comes from, by name.
    """

    value: Any
    inputs: Mapping[str, Binding] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Selected:
    """A part of a value, as in `item.a` or `output["a"]["b"]`.

    Attributes:
        path: keys from the outermost in; a number selects from a list. Text on the way is read as JSON first.
    """

    binding: Binding
    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LoopItem:
    """The item of the iteration that the reader is in: any JSON value, or a list of one artifact reference.

    Attributes:
        loop: id of the loop.
    """

    loop: str


@dataclass(frozen=True, slots=True)
class Collected:
    """What a binding was in every iteration of a loop, in the order of the items.

    Only iterations within the reader's own iterations of the loops around both count. One in which the
    producer was skipped contributes nothing. Nested, it is one flat list, as in KFP.

    Attributes:
        loop: id of the loop.
        binding: read once per iteration.
    """

    loop: str
    binding: Binding


@dataclass(frozen=True, slots=True)
class Option:
    """One of several sources of a value: there if its precondition holds."""

    precondition: Precondition
    binding: Binding


@dataclass(frozen=True, slots=True)
class OneOf:
    """The first of several that happened: dsl.OneOf."""

    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class FinalStatus:
    """How a task or a scope ended: KFP's PipelineTaskFinalStatus, a dict.

    Attributes:
        task: its name in the document ("exit-handler-1").
        steps: ids of all steps in it.
    """

    task: str
    steps: tuple[str, ...]


Binding = (
    Constant
    | PipelineInput
    | StepParameter
    | StepArtifact
    | Template
    | Selected
    | LoopItem
    | Collected
    | OneOf
    | FinalStatus
)


# --- control flow ---


@dataclass(frozen=True, slots=True)
class Guard:
    """A condition of dsl.If, Elif or Else.

    Attributes:
        expression: as KFP writes it; `tradewind.plan.conditions` has the grammar.
        inputs: where the value of `inputs.parameter_values['name']` comes from, by name.
        scope: id of the scope or step that it guards, for messages.
    """

    expression: str
    inputs: Mapping[str, Binding]
    scope: str


@dataclass(frozen=True, slots=True)
class Precondition:
    """What decides between running and being skipped, once all that is waited for has ended well.

    A sub-pipeline is a unit: who waits for it is skipped when the whole of it was, not when something inside
    was. So what counts is worked out here, scope by scope, down to steps and conditions.

    Attributes:
        succeeded: steps that must have run, not been skipped, in the iteration of the reader.
        guards: conditions that must be true, the outermost first.
        unfailed: steps of which no instance at or below the reader's position may have failed, where the
            orchestrator does not see to it: behind a barrier, in loops within loops, and before a scope in
            which the reader waits for nothing but an end.
    """

    succeeded: tuple[str, ...] = ()
    guards: tuple[Guard, ...] = ()
    unfailed: tuple[str, ...] = ()


ALWAYS = Precondition()

Wait = Literal["success", "no_failure", "end"]
"""What `upstream` has to come to before a step or loop starts, within one iteration.

"success": all of it succeeded; one that was skipped skips the step. "no_failure": all ended, none failed.
"end": all ended, whatever happened (exit tasks, ignore_upstream_failure).
"""
