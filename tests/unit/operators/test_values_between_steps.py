"""Values on their way from one step's pod to the next one's."""

from __future__ import annotations

import pytest

from fixtures.steps import StepRun, TaskInstance, python_step
from tradewind.plan.bindings import StepParameter
from tradewind.plan.model import ParameterInput, ParameterOutput


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
