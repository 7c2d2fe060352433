"""A pipeline's inputs as Params: what the form and the API let through, and what a run then gets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tradewind import dsl
from tradewind.airflow import pipeline_dag
from tradewind.errors import InvalidPipelineError

TYPED = {
    "text": ("str", "hello", "string"),
    "count": ("int", 3, "integer"),
    "rate": ("float", 0.5, "number"),
    "flag": ("bool", True, "boolean"),
    "names": ("list", ["a", 1], "array"),
    "extra": ("dict", {"x": [1]}, "object"),
}


@dsl.component
def work(
    text: str, count: int, rate: float, flag: bool, names: list, extra: dict, note: str | None = None
): ...


@dsl.pipeline(name="typed")
def typed(
    text: str = "hello",
    count: int = 3,
    rate: float = 0.5,
    flag: bool = True,
    names: list = ["a", 1],  # noqa: B006 - how KFP spells a default
    extra: dict = {"x": [1]},  # noqa: B006
    note: str | None = None,
):
    """Takes one of each.

    Args:
        count: how many
    """
    work(text=text, count=count, rate=rate, flag=flag, names=names, extra=extra, note=note)


@dsl.pipeline(name="asking")
def asking(day: str, count: int = 1):
    work(text=day, count=count, rate=0.1, flag=False, names=[], extra={})


def served(dag: Any) -> Any:
    """The DAG as the API server has it: from its serialized form."""
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


@pytest.mark.parametrize("name", TYPED)
def test_a_typed_parameter_has_its_schema_and_default(name: str):
    _, default, schema_type = TYPED[name]
    param = served(pipeline_dag(typed)).params.get_param(name)
    assert param.value == default
    assert param.schema["type"] == schema_type


@pytest.mark.parametrize("name", TYPED)
def test_a_value_of_another_type_is_refused(name: str):
    from airflow.sdk.exceptions import ParamValidationError

    params = pipeline_dag(typed).params
    wrong: Any = 5 if name in ("text", "names", "extra") else "many"
    with pytest.raises(ParamValidationError):
        params[name] = wrong
    with pytest.raises(ParamValidationError):
        params[name] = None


def test_a_list_is_not_taken_for_lines_of_text():
    """The form decides by the type of the items; anything but text, or none, makes it an editor for JSON."""
    items = pipeline_dag(typed).params.get_param("names").schema["items"]
    assert items["type"] not in (None, "string")
    pipeline_dag(typed).params["names"] = ["a", 1, 0.5, True, None, [1], {"x": 1}]


def test_an_optional_parameter_may_be_null_and_a_description_is_shown():
    params = served(pipeline_dag(typed)).params
    assert params.get_param("note").schema["type"] == ["string", "null"]
    assert params.get_param("note").value is None
    assert params.get_param("count").description == "how many"


def test_a_manual_dag_asks_for_what_has_no_default():
    from airflow.sdk.exceptions import ParamValidationError

    dag = pipeline_dag(asking)
    assert served(dag).params.get_param("day").schema == {"type": "string"}
    with pytest.raises(ParamValidationError, match="No value passed"):
        dag.params.validate()


@pytest.mark.parametrize("schedule", ["@daily", "asset"])
def test_a_scheduled_dag_needs_a_value_for_each_parameter(schedule: str):
    from airflow.sdk import Asset

    words: Any = [Asset("raw")] if schedule == "asset" else schedule
    with pytest.raises(InvalidPipelineError, match=r"parameter 'day': has no default") as caught:
        pipeline_dag(asking, schedule=words)
    assert "params={'day': ...}" in str(caught.value)
    assert pipeline_dag(asking, schedule=words, params={"day": "monday"}).params.dump()["day"] == "monday"
    assert pipeline_dag(asking, schedule=words, params={"day": "{{ ds }}"}).params.dump()["day"] is None


def test_a_templated_parameter_is_empty_in_the_form_and_says_what_it_will_be():
    dag = pipeline_dag(asking, params={"day": "{{ ds }}", "count": "{{ 1 + 1 }}"})
    param = served(dag).params.get_param("day")
    assert param.value is None
    assert param.schema["type"] == ["string", "null"]
    assert param.description == "left empty: {{ ds }}"
    assert dag.get_task("run_start").templated_params == {"day": "{{ ds }}", "count": "{{ 1 + 1 }}"}
    assert "| `day` | text | `{{ ds }}`, for each run |  |" in dag.doc_md


def test_values_of_an_author_are_converted_as_kfp_does():
    params = pipeline_dag(typed, params={"count": 4.0, "rate": 1, "text": 7}).params
    assert repr(params["count"]) == "4"
    assert repr(params["rate"]) == "1.0"
    assert params["text"] == "7"
    assert pipeline_dag(typed, params={"note": None}).params["note"] is None


def test_braces_in_a_pipelines_own_default_are_data():
    @dsl.pipeline(name="braces")
    def braces(day: str = "{{ ds }}"):
        work(text=day, count=1, rate=0.1, flag=False, names=[], extra={})

    dag = pipeline_dag(braces)
    assert dag.params["day"] == "{{ ds }}"
    assert dag.get_task("run_start").templated_params == {}


def test_a_field_left_empty_gives_the_default(run_dag: Any):
    """The form returns null for it; with "" for a default it must let null through."""
    result = run_dag(
        """
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def work(text: str, other: str): ...

        @dsl.pipeline(name="empty")
        def empty(text: str = "", other: str = "full"):
            work(text=text, other=other)

        dag = pipeline_dag(empty, params={"other": ""}, tracking="off")
        """,
        conf={"text": None, "other": None},
        mark_success_pattern="work|run_end",
    )
    assert result.xcom("run_start")["parameters"] == {"text": "", "other": ""}


def test_templates_are_rendered_for_each_run_and_values_of_a_run_are_not(run_dag: Any):
    source = """
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def work(day: str, count: int, extra: dict): ...

        @dsl.pipeline(name="rendered")
        def rendered(day: str, count: int, extra: dict = {"raw": "{{ ds }}"}):
            work(day=day, count=count, extra=extra)

        dag = pipeline_dag(
            rendered,
            params={"day": "{{ dag.dag_id }}-{{ run_id[:6] }}", "count": "{{ 20 + 1 }}"},
            tracking="off",
        )
    """
    computed = run_dag(source, mark_success_pattern="work|run_end")
    assert computed.xcom("run_start")["parameters"] == {
        "day": "rendered-manual",
        "count": 21,
        "extra": {"raw": "{{ ds }}"},
    }
    given: dict[str, Any] = {
        "day": "{{ ds }} $(rm) 'q' \"d\"\n\u00e9\U0001f600",
        "count": 3,
        "extra": {"a": "{{ conf }}"},
    }
    run = run_dag(source, conf=given, mark_success_pattern="work|run_end")
    assert run.xcom("run_start")["parameters"] == given


def test_dates_are_there_for_a_run_without_a_logical_date(run_dag: Any):
    result = run_dag(
        """
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def work(day: str): ...

        day = "{{ ds }} {{ ds_nodash }} {{ logical_date.year }}"
        dag = pipeline_dag(work, params={"day": day}, tracking="off")
        """,
        mark_success_pattern="work|run_end",
        logical_date=None,
        run_after=datetime(2026, 3, 4, tzinfo=UTC),
    )
    assert result.xcom("run_start")["parameters"] == {"day": "2026-03-04 20260304 2026"}


def test_a_run_with_an_unknown_parameter_ends_before_its_first_step(run_dag: Any):
    result = run_dag(
        """
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def work(rows: int = 1): ...

        dag = pipeline_dag(work, tracking="off")
        """,
        conf={"rwos": 5},
    )
    assert result.state == "failed"
    assert result.tasks["work"] == "upstream_failed"
    assert "parameter 'rwos' is none of the pipeline's (did you mean 'rows'?)" in str(
        result.errors["run_start"]
    )


def test_a_parameter_of_a_few_values_is_a_choice():
    from tradewind import ir

    @dsl.component
    def choose(size: str, level: int = 1): ...

    spec = ir.loads(ir.dump(dsl.compile(choose))).spec
    inputs = spec.root.input_definitions.parameters
    for value in ("small", "large"):
        inputs["size"].literals.add().string_value = value
    for number in (1, 2):
        inputs["level"].literals.add().number_value = number
    pipeline = ir.Pipeline(spec, None, "choose.yaml")
    params = pipeline_dag(pipeline).params
    assert params.get_param("size").schema["enum"] == ["small", "large"]
    assert params.get_param("level").schema == {"type": "integer", "enum": [1, 2]}
    with pytest.raises(InvalidPipelineError, match=r"params\['level'\].*one of 1, 2"):
        pipeline_dag(pipeline, params={"level": 3})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": 2**70}, "params['count']: an integer beyond 64 bits"),
        ({"names": [2**70]}, "params['names']: an integer beyond 64 bits"),
        ({"rate": "NaN"}, "params['rate']: must be a number"),
        ({"rate": float("inf")}, "params['rate']: inf is not a number"),
        ({"text": "\ud800"}, "params['text']: is not valid text"),
        ({"extra": {"a\0": 1}}, "params['extra']: holds a NUL character"),
    ],
)
def test_a_value_that_would_not_arrive_is_refused(given: dict[str, Any], said: str):
    with pytest.raises(InvalidPipelineError) as caught:
        pipeline_dag(typed, params=given)
    assert said in str(caught.value)


def test_a_run_is_refused_an_integer_that_airflow_cannot_hand_on():
    from airflow.sdk.exceptions import ParamValidationError

    params = pipeline_dag(typed).params
    params["count"] = 2**63 - 1
    with pytest.raises(ParamValidationError):
        params["count"] = 2**63
