"""Where a value comes from, worked out at run time, as a pure function of what there is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tradewind.plan.model import Binding, Constant, PipelineInput, StepArtifact, StepParameter, Template
from tradewind.plan.placeholders import resolve_value

__all__ = ["evaluate", "steps_of"]


def evaluate(
    binding: Binding,
    parameters: Mapping[str, Any],
    output: Callable[[StepParameter | StepArtifact], Any],
    context: Mapping[str, str],
) -> Any:
    """The value that a binding stands for.

    Args:
        binding: what to look up.
        parameters: the run's pipeline parameters by name.
        output: gives an output parameter's value, or an output artifact's list of references.
        context: values of the constant placeholders (`tradewind.plan.placeholders.CONSTANTS`).

    Raises:
        KeyError: `parameters` lacks one; whatever `output` raises.
        FatalError: a template's placeholder has no value.
    """
    if isinstance(binding, Constant):
        return binding.value
    if isinstance(binding, PipelineInput):
        return parameters[binding.name]
    if isinstance(binding, Template):
        values = {
            name: evaluate(inner, parameters, output, context) for name, inner in binding.inputs.items()
        }
        return resolve_value(binding.value, {"inputs": {"parameterValues": values}}, context)
    return output(binding)


def steps_of(binding: Binding | None) -> set[str]:
    """Ids of the steps whose outputs a binding needs."""
    if isinstance(binding, StepParameter | StepArtifact):
        return {binding.step}
    if isinstance(binding, Template):
        return {step for inner in binding.inputs.values() for step in steps_of(inner)}
    return set()
