"""What a step is told about its inputs and outputs: KFP's ExecutorInput, as a dict.

The same dict fills the placeholders of a command, travels to the pod as part of the task, and is what a
component gets for `{{$}}`. Every artifact has a path of its own below the work directory (`customPath`),
because KFP's rule, which derives the path from the URI's scheme, needs a mount for each kind of store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tradewind.errors import FatalError
from tradewind.plan.model import Command, Step
from tradewind.plan.placeholders import reads_artifact
from tradewind.plan.values import coerce, one_of

__all__ = ["WORKDIR", "executor_input", "unread_inputs"]

WORKDIR = "/tmp/tradewind"
"""Where paths begin; the runtime in the pod moves them below `$TRADEWIND_WORKDIR`."""


def executor_input(
    step: Step,
    parameters: Mapping[str, Any],
    artifacts: Mapping[str, Sequence[Mapping[str, Any]]],
    output_uri: Callable[[str], str],
    workdir: str = WORKDIR,
) -> dict[str, Any]:
    """Make the executor input of a step.

    Args:
        step: the step.
        parameters: value of each input parameter that has a binding, by name. None for an optional one stays
            a null;
            parameters that are left out stay absent, and the component's own default applies.
        artifacts: references of each input artifact that is given, by name: one, or any number for a list. A
            reference with a `customPath` keeps it: its content is there already.
        output_uri: where an output artifact goes, by its name.
        workdir: directory for all paths.

    Raises:
        FatalError: a value does not fit its parameter's type, a required input is missing, or an artifact
            that is no list
            comes as several. All of a step's are named.
    """
    problems: list[str] = []
    values = _values(step, parameters, problems)
    references = _references(step, artifacts, workdir, problems)
    if problems:
        raise FatalError("\n".join(problems), remedy="see what the steps and parameters before this one gave")
    return {
        "inputs": {"parameterValues": values, "artifacts": references},
        "outputs": {
            "parameters": {
                name: {"outputFile": f"{workdir}/outputs/{name}"} for name in step.output_parameters
            },
            "artifacts": _outputs(step, output_uri, workdir),
            "outputFile": f"{workdir}/outputs/output_metadata.json",
        },
    }


def unread_inputs(step: Step) -> frozenset[str]:
    """Return the input artifacts whose content a step never asks for, by name.

    A command gets at content only by the path in a placeholder. One that knows but an artifact's URI or
    metadata (a query engine, a server that loads by itself) must not wait for the bytes, nor fail where
    nothing in the pod can read them. Code in Python may ask for any path at any time.
    """
    if not isinstance(step.action, Command):
        return frozenset()
    texts = [*step.action.command, *step.action.args]
    if step.container is not None:
        texts += [value for _, value in step.container.env]
    return frozenset(name for name in step.artifacts if not reads_artifact(texts, name))


def _values(step: Step, parameters: Mapping[str, Any], problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, declared in step.parameters.items():
        where = f"step {step.id!r}, parameter {name!r}"
        if name in parameters:
            value = parameters[name]
            if value is None and not (declared.optional or declared.has_default):
                problems.append(f"{where}: got no value, and is not optional")
                continue
            try:
                values[name] = one_of(coerce(value, declared.type, where), declared.literals, where)
            except FatalError as error:
                problems.append(error.message)
        elif not (declared.optional or declared.has_default):
            problems.append(f"{where}: got no value, and is not optional")
    problems.extend(
        f"step {step.id!r} has no parameter {name!r}" for name in parameters if name not in step.parameters
    )
    return values


def _references(
    step: Step, artifacts: Mapping[str, Sequence[Mapping[str, Any]]], workdir: str, problems: list[str]
) -> dict[str, Any]:
    references: dict[str, Any] = {}
    for name, declared in step.artifacts.items():
        given = artifacts.get(name)
        where = f"step {step.id!r}, artifact {name!r}"
        if given is None:
            if not declared.optional:
                problems.append(f"{where}: got none, and is not optional")
            continue
        if len(given) != 1 and not declared.is_list:
            problems.append(f"{where}: got {len(given)}, but takes exactly one")
            continue
        path = f"{workdir}/inputs/{name}"
        paths = [f"{path}/{index}" for index in range(len(given))] if declared.is_list else [path]
        references[name] = {
            "artifacts": [
                {"customPath": place, **reference} for reference, place in zip(given, paths, strict=True)
            ]
        }
    problems.extend(
        f"step {step.id!r} has no artifact {name!r}" for name in artifacts if name not in step.artifacts
    )
    return references


def _outputs(step: Step, output_uri: Callable[[str], str], workdir: str) -> dict[str, Any]:
    outputs: dict[str, Any] = {}
    for name, declared in step.output_artifacts.items():
        reference = {
            "name": name,
            "type": {"schemaTitle": declared.schema_title, "schemaVersion": declared.schema_version},
            "uri": output_uri(name),
            "metadata": dict(declared.metadata),
            "customPath": f"{workdir}/outputs/{name}",
        }
        # A list of artifacts starts out empty: only the component knows how many there will be.
        outputs[name] = {"artifacts": [] if declared.is_list else [reference]}
    return outputs
