"""Errors of the DSL are Python's, too, where the KFP SDK raises Python's.

Which ones is compared with the SDK in tests/golden; this is about what goes with it.
"""

from __future__ import annotations

import pickle

import pytest

from tradewind import dsl
from tradewind.errors import ConfigurationError, InvalidPipelineError, Problem


@dsl.component
def train(rows: int) -> float:
    return 1.0


@dsl.component
def quiet():
    pass


def test_the_first_problem_decides_and_all_are_told() -> None:
    def churn():
        train(rows="x")
        train()

    def other():
        train()
        train(rows="x")

    with pytest.raises(InvalidPipelineError) as first:
        dsl.pipeline(churn)
    assert not isinstance(first.value, TypeError)
    with pytest.raises(TypeError) as second:
        dsl.pipeline(other)
    assert isinstance(second.value, InvalidPipelineError)
    assert len(first.value.problems) == len(second.value.problems) == 2


def test_an_unknown_output_is_a_key_error_with_a_readable_message() -> None:
    def churn():
        train(rows=1).outputs["loss"]

    with pytest.raises(KeyError) as raised:
        dsl.pipeline(churn)
    assert str(raised.value) == (
        "pipeline 'churn': 1 problem\n"
        "  pipeline 'churn', task 'train': has no output 'loss'; its outputs: Output"
    )
    assert type(raised.value).__name__ == "InvalidPipelineError"


def test_a_function_may_ask_for_outputs_and_go_on() -> None:
    @dsl.pipeline
    def churn():
        assert not hasattr(quiet(), "output")
        try:
            train(rows=1).outputs["loss"]
        except KeyError:
            train(rows=2)

    assert sorted(dsl.compile(churn).spec.root.dag.tasks) == ["quiet", "train", "train-2"]


@pytest.mark.parametrize("kind", [ValueError, TypeError, KeyError, AttributeError])
def test_errors_travel_between_processes(kind: type[Exception]) -> None:
    for error in (
        InvalidPipelineError("churn", [Problem("task 'train'", "is wrong", also=kind)]),
        ConfigurationError("is wrong", remedy="put it right", also=kind),
    ):
        arrived = pickle.loads(pickle.dumps(error))
        assert isinstance(arrived, kind)
        assert str(arrived) == str(error)
