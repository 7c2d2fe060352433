"""Control flow that nobody could run: conditions, loops and selections that say nothing sensible.

KFP finds these out when the task's turn comes; here the pipeline is refused as a whole, before anything runs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineTaskSpec

from tradewind.errors import FatalError, Problem
from tradewind.ir.schema import kind_of, step_into
from tradewind.plan.conditions import parse
from tradewind.plan.placeholders import has_placeholders
from tradewind.plan.selection import selected_path

__all__ = ["control_problems"]

_RESERVED = re.compile(r"loop_items|loop_body(_\d+)?")


def control_problems(task: PipelineTaskSpec, component: ComponentSpec, place: str) -> Iterator[Problem]:
    """Yield what is wrong with the control flow of one task of a valid pipeline.

    Args:
        task: the task.
        component: what it runs.
        place: of the task.
    """
    if task.trigger_policy.condition:
        yield from _condition(task, component, f"{place}.triggerPolicy.condition")
    for name, parameter in sorted(task.inputs.parameters.items()):
        expression = parameter.parameter_expression_selector
        if expression and selected_path(expression) is None:
            where = step_into(f"{place}.inputs.parameters", name)
            message = f"the selector {expression!r} is not understood"
            remedy = 'known is parseJson(string_value)["key"], with one or several keys'
            yield Problem(f"{where}.parameterExpressionSelector", message, remedy)
    if task.WhichOneof("iterator") is not None:
        yield from _loop(task, component, place)


def _condition(task: PipelineTaskSpec, component: ComponentSpec, place: str) -> Iterator[Problem]:
    try:
        names = parse(task.trigger_policy.condition).names
    except FatalError as error:
        yield Problem(place, error.message, "see the documentation of conditions for what is")
        return
    if has_placeholders(task.trigger_policy.condition):
        message = "compares with a placeholder, which KFP leaves as it is instead of putting its value there"
        yield Problem(place, message, "let a step return the value, and compare the step's output")
    item = task.parameter_iterator.item_input
    for name in sorted(names):
        if name == item:
            remedy = "put the condition around what is in the loop"
            yield Problem(place, f"asks for {name!r}, which only the iterations of this loop have", remedy)
        elif name not in task.inputs.parameters and name not in component.input_definitions.parameters:
            yield Problem(place, f"asks for {name!r}, which is no input of the task", "bind it to a value")


def _loop(task: PipelineTaskSpec, component: ComponentSpec, place: str) -> Iterator[Problem]:
    if not component.HasField("dag"):
        message = "a loop over a single component is not supported"
        yield Problem(place, message, "loop over a pipeline with the component in it, as KFP's compiler does")
    for name in sorted(component.dag.tasks):
        if _RESERVED.fullmatch(name):
            where = f"{place}.componentRef"
            yield Problem(where, f"Tradewind has a task {name!r} in every loop", "give it another name")
    if task.iterator_policy.parallelism_limit < 0:
        yield Problem(f"{place}.iteratorPolicy.parallelismLimit", "is negative")
    if task.HasField("artifact_iterator"):
        artifacts = task.artifact_iterator
        if artifacts.items.input_artifact not in task.inputs.artifacts:
            message = f"there is no input artifact {artifacts.items.input_artifact!r} to take the items from"
            yield Problem(f"{place}.artifactIterator.items", message)
        if artifacts.item_input not in component.input_definitions.artifacts:
            message = f"the component has no input artifact {artifacts.item_input!r} for the item"
            yield Problem(f"{place}.artifactIterator.itemInput", message)
        return
    yield from _parameter_items(task, component, f"{place}.parameterIterator")


def _parameter_items(task: PipelineTaskSpec, component: ComponentSpec, place: str) -> Iterator[Problem]:
    iterator = task.parameter_iterator
    if iterator.item_input not in component.input_definitions.parameters:
        message = f"the component has no input parameter {iterator.item_input!r} for the item"
        yield Problem(f"{place}.itemInput", message)
    if iterator.items.WhichOneof("kind") == "raw":
        try:
            items = json.loads(iterator.items.raw)
        except ValueError as error:
            yield Problem(f"{place}.items.raw", f"is no JSON: {error}")
            return
        if not isinstance(items, list):
            yield Problem(f"{place}.items.raw", f"must be a list as JSON, but is {kind_of(items)}")
        return
    name = iterator.items.input_parameter
    if name not in task.inputs.parameters and name not in component.input_definitions.parameters:
        yield Problem(f"{place}.items", f"there is no input parameter {name!r} to take the items from")
