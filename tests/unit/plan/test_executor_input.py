"""What a step is told, and which values it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind.errors import FatalError
from tradewind.plan import (
    ArtifactInput,
    ArtifactOutput,
    Command,
    ParameterInput,
    ParameterOutput,
    Step,
    coerce,
    executor_input,
)
from tradewind.plan.values import one_of

STEP = Step(
    id="prepare.train",
    display_name="train",
    component="train",
    scope="prepare",
    action=Command(("true",)),
    container=None,
    parameters={
        "rows": ParameterInput("NUMBER_INTEGER"),
        "name": ParameterInput("STRING"),
        "rate": ParameterInput("NUMBER_DOUBLE", default=0.1, has_default=True, optional=True),
        "extra": ParameterInput("STRUCT", optional=True),
    },
    artifacts={
        "data": ArtifactInput("system.Dataset"),
        "more": ArtifactInput("system.Dataset", is_list=True, optional=True),
    },
    output_parameters={"Output": ParameterOutput("NUMBER_DOUBLE")},
    output_artifacts={
        "model": ArtifactOutput("system.Model", metadata={"framework": "x"}),
        "parts": ArtifactOutput("system.Artifact", is_list=True),
    },
)
DATA = {
    "name": "data",
    "type": {"schemaTitle": "system.Dataset"},
    "uri": "s3://d",
    "metadata": {},
    "digest": "sha256:1",
}


def make(parameters: dict[str, Any], artifacts: dict[str, Any] | None = None) -> dict[str, Any]:
    given = {"data": [DATA]} if artifacts is None else artifacts
    return executor_input(STEP, parameters, given, lambda name: f"store://{name}")


def test_the_whole() -> None:
    assert make({"rows": 5.0, "name": {"a": 1}}, {"data": [DATA], "more": [DATA, DATA]}) == {
        "inputs": {
            "parameterValues": {"rows": 5, "name": '{"a":1}'},
            "artifacts": {
                "data": {"artifacts": [{**DATA, "customPath": "/tmp/tradewind/inputs/data"}]},
                "more": {
                    "artifacts": [
                        {**DATA, "customPath": "/tmp/tradewind/inputs/more/0"},
                        {**DATA, "customPath": "/tmp/tradewind/inputs/more/1"},
                    ]
                },
            },
        },
        "outputs": {
            "parameters": {"Output": {"outputFile": "/tmp/tradewind/outputs/Output"}},
            "artifacts": {
                "model": {
                    "artifacts": [
                        {
                            "name": "model",
                            "type": {"schemaTitle": "system.Model", "schemaVersion": "0.0.1"},
                            "uri": "store://model",
                            "metadata": {"framework": "x"},
                            "customPath": "/tmp/tradewind/outputs/model",
                        }
                    ]
                },
                "parts": {"artifacts": []},
            },
            "outputFile": "/tmp/tradewind/outputs/output_metadata.json",
        },
    }


def test_whole_numbers_stay_ints() -> None:
    rows = make({"rows": 5.0, "name": "n"})["inputs"]["parameterValues"]["rows"]
    assert repr(rows) == "5"


def test_what_is_not_given_is_absent_and_null_is_null() -> None:
    values = make({"rows": 1, "name": "n", "extra": None})["inputs"]
    assert values["parameterValues"] == {"rows": 1, "name": "n", "extra": None}
    assert values["artifacts"].keys() == {"data"}


def test_every_problem_of_a_step_is_named_at_once() -> None:
    with pytest.raises(FatalError) as error:
        make({"rows": "many", "rate": [1], "nmae": "x"}, {"data": [DATA, DATA], "dta": []})
    assert error.value.message.splitlines() == [
        "step 'prepare.train', parameter 'rows': wants a whole number, but got str 'many'",
        "step 'prepare.train', parameter 'name': got no value, and is not optional",
        "step 'prepare.train', parameter 'rate': wants a number, but got list '[1]'",
        "step 'prepare.train' has no parameter 'nmae'",
        "step 'prepare.train', artifact 'data': got 2, but takes exactly one",
        "step 'prepare.train' has no artifact 'dta'",
    ]
    with pytest.raises(FatalError, match="artifact 'data': got none"):
        make({"rows": 1, "name": "n"}, {})


def test_the_work_directory_can_be_elsewhere() -> None:
    made = executor_input(STEP, {"rows": 1, "name": ""}, {"data": [DATA]}, str, workdir="/w")
    assert made["outputs"]["outputFile"] == "/w/outputs/output_metadata.json"
    assert made["inputs"]["artifacts"]["data"]["artifacts"][0]["customPath"] == "/w/inputs/data"


# --- coerce ---

SLY = "{{ ds }} $(rm) ' \" \n é😀 {{$.inputs.parameters['x']}}"


@pytest.mark.parametrize(
    ("value", "kind", "result"),
    [
        (SLY, "STRING", SLY),
        ("x" * 1_000_000, "STRING", "x" * 1_000_000),
        (5, "STRING", "5"),
        (0.5, "STRING", "0.5"),
        (True, "STRING", "true"),
        ([1, "é"], "STRING", '[1,"é"]'),
        (5.0, "NUMBER_INTEGER", 5),
        (-(2**63), "NUMBER_INTEGER", -(2**63)),
        (2**70, "NUMBER_DOUBLE", float(2**70)),
        ("-Infinity", "NUMBER_DOUBLE", "-Infinity"),
        (5, "NUMBER_DOUBLE", 5.0),
        (False, "BOOLEAN", False),
        ([1, [2]], "LIST", [1, [2]]),
        ({"a": {"b": 1}}, "STRUCT", {"a": {"b": 1}}),
        (None, "LIST", None),
    ],
)
def test_values_that_fit(value: Any, kind: Any, result: Any) -> None:
    assert repr(coerce(value, kind, "here")) == repr(result)


@pytest.mark.parametrize(
    ("value", "kind", "says"),
    [
        ("5", "NUMBER_INTEGER", "wants a whole number, but got str '5'"),
        (5.5, "NUMBER_INTEGER", "wants a whole number, but got float '5.5'"),
        (True, "NUMBER_INTEGER", "wants a whole number, but got bool 'true'"),
        ("0.5", "NUMBER_DOUBLE", "wants a number"),
        (2**63, "NUMBER_INTEGER", "beyond 64 bits"),
        (2.0**70, "NUMBER_INTEGER", "beyond 64 bits"),
        ([{"a": 2**64}], "LIST", "beyond 64 bits"),
        (10**400, "NUMBER_DOUBLE", "too large for a number"),
        (10**400, "STRING", "beyond 64 bits"),
        ("inf", "NUMBER_DOUBLE", "wants a number"),
        (float("nan"), "NUMBER_DOUBLE", "JSON"),
        (float("inf"), "STRING", "JSON"),
        (1, "BOOLEAN", "wants true or false"),
        ("[]", "LIST", "wants a list"),
        ([], "STRUCT", "wants a mapping"),
        ("a\0b", "STRING", "NUL"),
        (["a", {"k": "\0"}], "LIST", "NUL"),
        ({"\0": 1}, "STRUCT", "NUL"),
        ({1: 1}, "STRUCT", "keys must be text"),
        ("\ud800", "STRING", "surrogate"),
        (object(), "STRING", "object is not a JSON value"),
        ("x" * 1000, "LIST", "xxx..."),
    ],
)
def test_values_that_do_not(value: Any, kind: Any, says: str) -> None:
    with pytest.raises(FatalError) as error:
        coerce(value, kind, "step 'a', parameter 'p'")
    assert error.value.message.startswith("step 'a', parameter 'p': ")
    assert says in error.value.message
    assert len(error.value.message) < 200


def test_values_that_are_not_among_those_allowed() -> None:
    assert one_of(2, (1, 2), "p") == 2
    assert one_of(None, (1, 2), "p") is None
    assert one_of("any", (), "p") == "any"
    for value, allowed in ((3, (1, 2)), (True, (1, 2)), ("a", ("b",))):
        with pytest.raises(FatalError, match=r"p: is .* one of"):
            one_of(value, allowed, "p")


def test_an_artifact_that_is_there_already_keeps_its_path() -> None:
    there = {**DATA, "customPath": "/kfp-workspace/.artifacts/s3/b/x"}
    made = make({"rows": 1, "name": "x"}, {"data": [there]})
    assert made["inputs"]["artifacts"]["data"]["artifacts"][0]["customPath"] == there["customPath"]
