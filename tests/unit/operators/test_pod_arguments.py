"""The list of pod arguments is KubernetesPodOperator's own; what is wrong with one is said at load."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tradewind.operators.pod_arguments import ACCEPTED, REFUSED, merge_pod_arguments, pod_argument_problems


def test_every_argument_of_the_installed_operator_is_accepted_or_refused(airflow_home: Any) -> None:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

    signature = inspect.signature(inspect.unwrap(KubernetesPodOperator.__init__))
    assert set(signature.parameters) - {"self", "kwargs"} == ACCEPTED | set(REFUSED)
    assert not ACCEPTED & set(REFUSED)


def test_all_problems_are_told_at_once() -> None:
    arguments = {"cmds": ["x"], "retries": 3, "labls": {}, "labels": {}, "zzz": 1}
    problems = pod_argument_problems(arguments, "steps['train'], pod")
    assert [problem.place for problem in problems] == [
        f"steps['train'], pod, argument {name!r}" for name in ("cmds", "retries", "labls", "zzz")
    ]
    assert "the component says" in problems[0].message
    assert "Airflow task" in problems[1].message
    assert problems[2].remedy == "did you mean 'labels'?"
    assert pod_argument_problems([], "pod")[0].message == "must be a mapping of arguments, not list"
    assert pod_argument_problems({"labels": {}, "image": "x"}, "pod") == ()


@pytest.mark.parametrize(
    ("levels", "merged"),
    [
        ([{"labels": {"a": 1, "b": 1}}, {"labels": {"b": 2}}], {"labels": {"a": 1, "b": 2}}),
        ([{"volumes": [1]}, {"volumes": [2]}], {"volumes": [1, 2]}),
        ([{"image": "a"}, {"image": "b"}], {"image": "b"}),
        ([{"image": "a"}, {}], {"image": "a"}),
        ([{"env_vars": {"A": "1"}}, {"env_vars": [{"name": "B"}]}], {"env_vars": [{"name": "B"}]}),
        ([{"security_context": {"a": 1}}, {"security_context": {"b": 1}}], {"security_context": {"b": 1}}),
    ],
)
def test_the_more_special_level_wins(levels: list[dict[str, Any]], merged: dict[str, Any]) -> None:
    assert merge_pod_arguments(*levels) == merged
