"""Values on their way from one step's pod to the next one's."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from fixtures.steps import StepRun, TaskInstance, command_step, python_step
from tradewind.plan.bindings import Constant, StepParameter
from tradewind.plan.model import Container, ParameterInput, ParameterOutput


@pytest.mark.parametrize("number", ["inf", "-inf", "nan"])
def test_a_number_that_json_does_not_know_arrives(on_cluster: str, number: str) -> None:
    made = python_step(
        f"def work() -> float:\n    return float('{number}')\n",
        id="made",
        output_parameters={"Output": ParameterOutput("NUMBER_DOUBLE")},
    )
    xcoms = {("made", "return_value"): StepRun(made).execute()}
    taken = python_step(
        "def work(x: float) -> str:\n    return repr(x)\n",
        parameters={"x": ParameterInput("NUMBER_DOUBLE", StepParameter("made", "Output"))},
        upstream=("made",),
    )
    ti = TaskInstance(xcoms=xcoms, states={"made": "success"})
    assert StepRun(taken, ti=ti).execute()["parameters"] == {"Output": number}


@pytest.mark.parametrize(
    ("outputs", "env", "what"),
    [
        ({}, (), "Argument 2 of the command"),
        ({"out": ParameterOutput("STRING")}, (), "Argument 2 of the command"),
        ({}, (("BIG", "{{$.inputs.parameters['text']}}"),), "step 'work': variable 'BIG'"),
    ],
    ids=["plain", "with an output", "environment"],
)
def test_an_argument_that_linux_takes_in_no_program_makes_no_pod(
    on_cluster: str, core_api: Any, outputs: Any, env: Any, what: str
) -> None:
    step = command_step(
        "echo",
        "--text",
        "{{$.inputs.parameters['text']}}" if not env else "-",
        parameters={"text": ParameterInput("STRING", Constant("é" * 65536))},
        output_parameters=outputs,
        container=Container("busybox", env=env),
    )
    with pytest.raises(AirflowFailException, match=f"{what} has 131,0.*pass the value as an artifact"):
        StepRun(step).execute()
    assert not core_api.list_namespaced_pod(on_cluster).items


def test_the_longest_argument_arrives(on_cluster: str) -> None:
    step = command_step(
        "sh",
        "-c",
        'test "${#1}" = 131071',
        "sh",
        "{{$.inputs.parameters['text']}}",
        parameters={"text": ParameterInput("STRING", Constant("$" * 131071))},
    )
    assert StepRun(step).execute()["parameters"] == {}
