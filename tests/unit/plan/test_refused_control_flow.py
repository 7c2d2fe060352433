"""Control flow that nobody could run is refused before a run, all of it at once, each with its place."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tradewind import ir, plan
from tradewind.errors import InvalidPipelineError

INTEGER = {"parameterType": "NUMBER_INTEGER"}


def document(task: dict[str, Any], body: dict[str, Any] | None = None) -> ir.Pipeline:
    """A pipeline of one task over a sub-pipeline with inputs `item`, `n` and `text`."""
    text = {"parameterType": "STRING", "isOptional": True}
    definitions = {
        "parameters": {
            "item": {**INTEGER, "isOptional": True},
            "n": {**INTEGER, "isOptional": True},
            "text": text,
        }
    }
    step = {"componentRef": {"name": "comp-step"}}
    content = {
        "pipelineInfo": {"name": "small"},
        "schemaVersion": "2.1.0",
        "components": {
            "comp-step": {"executorLabel": "exec-step"},
            "comp-body": {"dag": {"tasks": body or {"a": step}}, "inputDefinitions": definitions},
        },
        "deploymentSpec": {"executors": {"exec-step": {"container": {"image": "i", "command": ["c"]}}}},
        "root": {"dag": {"tasks": {"task": {"componentRef": {"name": "comp-body"}, **task}}}},
    }
    return ir.loads(json.dumps(content))


def problems(task: dict[str, Any], body: dict[str, Any] | None = None) -> dict[str, str]:
    pipeline = document(task, body)
    with pytest.raises(InvalidPipelineError) as error:
        plan.build(pipeline)
    return {problem.place: problem.message for problem in error.value.problems}


def over(items: dict[str, Any], item: str = "item") -> dict[str, Any]:
    return {"parameterIterator": {"itemInput": item, "items": items}}


TASK = "$.root.dag.tasks.task"


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("inputs.parameter_values['n'] =", "is not understood: something is left over at '='"),
        ("inputs.parameter_values['other'] == 1", "asks for 'other', which is no input of the task"),
    ],
)
def test_conditions(condition: str, words: str) -> None:
    told = problems({"triggerPolicy": {"condition": condition}})
    assert words in told[f"{TASK}.triggerPolicy.condition"]


def test_a_loop_s_own_condition_cannot_be_about_its_items() -> None:
    told = problems(
        {"triggerPolicy": {"condition": "inputs.parameter_values['item'] == 1"}, **over({"raw": "[1]"})}
    )
    assert "only the iterations of this loop have" in told[f"{TASK}.triggerPolicy.condition"]


@pytest.mark.parametrize(
    "selector", ["string_value", 'parseJson(string_value)["a"] + 1', "size(string_value)"]
)
def test_selectors(selector: str) -> None:
    given = {"runtimeValue": {"constant": 1}, "parameterExpressionSelector": selector}
    told = problems({"inputs": {"parameters": {"n": given}}})
    place = f"{TASK}.inputs.parameters.n.parameterExpressionSelector"
    assert told == {place: f"the selector {selector!r} is not understood"}


@pytest.mark.parametrize(
    "placeholder", ["{{$}}", "{{$.outputs.output_file}}", "{{$.inputs.artifacts['a'].uri}}"]
)
def test_placeholders_that_no_input_can_hold(placeholder: str) -> None:
    given = {"runtimeValue": {"constant": f"{placeholder} of {{{{$.pipeline_job_id}}}} {{{{ ds }}}}"}}
    told = problems({"inputs": {"parameters": {"n": given}}})
    place = f"{TASK}.inputs.parameters.n.runtimeValue.constant"
    assert told == {place: f"the placeholder {placeholder} has no value in a task's input"}


def test_a_reference_that_the_sdk_forgot_in_a_text() -> None:
    lost = "{{channel:task=load;name=Output;type=NUMBER_INTEGER;}}"
    told = problems({"inputs": {"parameters": {"text": {"runtimeValue": {"constant": f"{lost} rows"}}}}})
    place = f"{TASK}.inputs.parameters.text.runtimeValue.constant"
    assert told == {place: f"the KFP SDK left {lost} in the text, instead of the value that is meant"}


def test_a_placeholder_of_an_input_that_there_is_not() -> None:
    given = {"runtimeValue": {"constant": "{{$.inputs.parameters['nope']}}"}}
    told = problems({"inputs": {"parameters": {"n": given}}})
    place = f"{TASK}.inputs.parameters.n.runtimeValue.constant"
    assert told == {place: "a placeholder asks for input parameter 'nope', which the task does not have"}


@pytest.mark.parametrize(
    ("task", "place", "words"),
    [
        (over({"raw": "{"}), "parameterIterator.items.raw", "is no JSON"),
        (
            over({"raw": '{"a": 1}'}),
            "parameterIterator.items.raw",
            "must be a list as JSON, but is a mapping",
        ),
        (over({"inputParameter": "xs"}), "parameterIterator.items", "no input parameter 'xs'"),
        (over({"raw": "[1]"}, "it"), "parameterIterator.itemInput", "no input parameter 'it' for the item"),
        (
            {"artifactIterator": {"itemInput": "item", "items": {"inputArtifact": "xs"}}},
            "artifactIterator.items",
            "no input artifact 'xs'",
        ),
        (
            {**over({"raw": "[1]"}), "iteratorPolicy": {"parallelismLimit": -1}},
            "iteratorPolicy.parallelismLimit",
            "is negative",
        ),
        (
            {"componentRef": {"name": "comp-step"}, **over({"raw": "[1]"})},
            "parameterIterator.itemInput",
            "no input parameter 'item'",
        ),
    ],
)
def test_loops(task: dict[str, Any], place: str, words: str) -> None:
    assert words in problems(task)[f"{TASK}.{place}"]


def test_names_of_our_own_tasks_in_loops() -> None:
    body = {
        name: {"componentRef": {"name": "comp-step"}}
        for name in ("loop_items", "loop_body_2", "loop_bodyguard")
    }
    told = problems(over({"raw": "[1]"}), body)
    assert list(told) == [f"{TASK}.componentRef"]
    assert plan.build(document({}, body))  # outside of a loop they are free


def test_everything_is_told_at_once() -> None:
    told = problems(
        {
            "triggerPolicy": {"condition": "?"},
            "inputs": {
                "parameters": {"n": {"runtimeValue": {"constant": 1}, "parameterExpressionSelector": "x"}}
            },
            **over({"raw": "1"}),
        }
    )
    assert len(told) == 3


def test_tasks_that_wait_for_one_another_are_never_left_out() -> None:
    pipeline = document({}, {name: {"componentRef": {"name": "comp-step"}} for name in "abc"})
    tasks = pipeline.spec.components["comp-body"].dag.tasks
    tasks["b"].dependent_tasks.append("c")
    tasks["c"].dependent_tasks.append("b")
    with pytest.raises(InvalidPipelineError, match=r"comp-body\.dag\.tasks: these .* one another: b, c"):
        plan.build(pipeline)
