"""A run's parameters: typed, complete, and never rendered unless the DAG's author wrote the template."""

from __future__ import annotations

from typing import Any

import pytest
from jinja2 import Environment

from tradewind.errors import FatalError, RetryableError
from tradewind.operators.parameters import resolve_parameters
from tradewind.plan.model import PipelineParameter

ROWS = PipelineParameter("NUMBER_INTEGER", 5, has_default=True)
DAY = PipelineParameter("STRING")


def resolve(declared: dict[str, Any], given: dict[str, Any], templates: dict[str, str] | None = None) -> Any:
    return resolve_parameters(
        declared, given, templates or {}, {"ds": "2026-01-02", "n": 7, "yes": True}, Environment()
    )


def test_values_are_typed_and_defaults_apply() -> None:
    assert resolve({"rows": ROWS}, {}) == {"rows": 5}
    found = resolve({"rows": ROWS, "rate": PipelineParameter("NUMBER_DOUBLE")}, {"rows": 7.0, "rate": 1})
    assert found == {"rows": 7, "rate": 1}
    assert type(found["rows"]) is int


def test_a_value_of_the_run_is_never_rendered() -> None:
    assert resolve({"day": DAY}, {"day": "{{ ds }}"}) == {"day": "{{ ds }}"}
    assert resolve({"day": DAY}, {"day": "{{ n }}"}, {"day": "{{ ds }}"}) == {"day": "{{ n }}"}


@pytest.mark.parametrize(
    "given", [{}, {"day": None}, {"day": "{{ ds }}"}], ids=["absent", "null", "form's default"]
)
def test_the_authors_template_applies_where_the_run_says_nothing_else(given: dict[str, Any]) -> None:
    assert resolve({"day": DAY}, given, {"day": "{{ ds }}"}) == {"day": "2026-01-02"}


@pytest.mark.parametrize(
    ("kind", "template", "value"),
    [
        ("NUMBER_INTEGER", "{{ n }}", 7),
        ("NUMBER_DOUBLE", "{{ n }}.5", 7.5),
        ("BOOLEAN", "{{ yes }}", True),
        ("LIST", "[{{ n }}, 8]", [7, 8]),
        ("STRUCT", '{"d": "{{ ds }}"}', {"d": "2026-01-02"}),
    ],
)
def test_a_templates_result_gets_the_parameters_type(kind: Any, template: str, value: Any) -> None:
    assert resolve({"p": PipelineParameter(kind)}, {}, {"p": template}) == {"p": value}


def test_an_optional_parameter_may_be_absent() -> None:
    assert resolve({"p": PipelineParameter("STRING", optional=True)}, {}) == {"p": None}


def test_all_problems_are_told_at_once() -> None:
    declared = {
        "rows": ROWS,
        "day": DAY,
        "rate": PipelineParameter("NUMBER_DOUBLE"),
        "flag": PipelineParameter("BOOLEAN"),
        "bad": PipelineParameter("STRING"),
    }
    with pytest.raises(FatalError) as caught:
        resolve(declared, {"rows": "many", "rate": [1]}, {"flag": "{{ ds }}", "bad": "{{ x.y.z }}"})
    text = str(caught.value)
    assert all(f"'{name}'" in text for name in declared)
    assert text.count("\n") >= 5


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ 1 / 0 }}", "ZeroDivisionError: division by zero"),
        ("{{ ds.nope() }}", "UndefinedError"),
        ("{{ ds + 1 }}", "TypeError"),
    ],
)
def test_a_template_that_fails_is_the_dag_files_fault(template: str, said: str) -> None:
    with pytest.raises(FatalError) as caught:
        resolve({"day": DAY}, {}, {"day": template})
    assert f"parameter 'day': the template {template!r} cannot be rendered: " in caught.value.message
    assert said in caught.value.message
    assert "in the DAG file" in caught.value.remedy
    assert "other values" not in caught.value.remedy


def test_both_remedies_where_both_are_wrong() -> None:
    with pytest.raises(FatalError) as caught:
        resolve({"rows": ROWS, "n": ROWS}, {"rows": "many"}, {"n": "{{ ds }}"})
    assert "in the DAG file" in caught.value.remedy
    assert "other values" in caught.value.remedy


def test_airflow_that_does_not_answer_a_template_is_worth_another_try() -> None:
    class Away:
        def __getattr__(self, name: str) -> str:
            raise ConnectionError("away")

    with pytest.raises(RetryableError, match="parameter 'day': the template"):
        resolve_parameters({"day": DAY}, {}, {"day": "{{ var.x }}"}, {"var": Away()}, Environment())
