"""Everything that is wrong with a DAG file's pipeline, in one error, when Airflow loads the file."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tradewind import dsl
from tradewind.airflow import pipeline_dag
from tradewind.errors import InvalidPipelineError


@dsl.component
def train(rows: int): ...


@dsl.pipeline(name="churn")
def churn(rows: int, note: str = ""):
    train(rows=rows)


def problems(**arguments: Any) -> list[str]:
    with pytest.raises(InvalidPipelineError) as caught:
        pipeline_dag(arguments.pop("pipeline", churn), **arguments)
    return [str(problem) for problem in caught.value.problems]


def test_all_problems_come_at_once():
    found = problems(
        dag_id="a b",
        schedule="@daily",
        params={"row": 1, "note": "{{ ds"},
        tracking="always",
        caching="no",
        experiment=" ",
        namespace="My_Space",
        pod={"cmds": ["sh"], "imag": "x"},
        steps={
            "trian": {"retries": 1},
            "train": {"retres": 1, "image": "x", "task_id": "y", "pod": {"name": "z"}},
        },
        max_runs=1,
    )
    wanted = [
        "tracking: is 'always' (use one of on, off, required)",
        "caching: must be True, False or None, not 'no'",
        "experiment: must be text, not ' '",
        "namespace: 'My_Space' is no name for a Kubernetes namespace",
        "pod, argument 'cmds': cannot be set",
        "pod, argument 'imag': is no argument of KubernetesPodOperator (did you mean 'image'?)",
        "steps['trian']: the pipeline has no such step (did you mean 'train'?)",
        "steps['train'], argument 'retres': is no argument of an Airflow task (did you mean 'retries'?)",
        "steps['train'], argument 'image': is an argument of the pod, not of the Airflow task",
        "steps['train'], argument 'task_id': cannot be set: the pipeline decides it",
        "steps['train'], pod, argument 'name': cannot be set",
        "params['row']: the pipeline has no such parameter (did you mean 'rows'?)",
        "parameter 'rows': has no default, and a scheduled run has nobody to ask for a value",
        "params['note']: '{{ ds' is no Jinja template",
        "dag_id: 'a b' is no DAG id",
        "argument 'max_runs': is an argument of neither pipeline_dag nor a DAG (did you mean",
    ]
    missing = [text for text in wanted if not any(problem.startswith(text) for problem in found)]
    assert not missing, found
    assert len(found) == len(wanted)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"schedule": "61 * * * *", "params": {"rows": 1}}, "DAG 'churn': [61 * * * *] is not acceptable"),
        ({"schedule": 5, "params": {"rows": 1}}, "5 is not a valid schedule"),
        ({"max_active_runs": "two"}, "max_active_runs: must be a whole number from 1 up, not 'two'"),
        ({"max_active_runs": -1}, "max_active_runs: must be a whole number from 1 up, not -1"),
        ({"max_consecutive_failed_dag_runs": "1"}, "'max_consecutive_failed_dag_runs' must be <class 'int'>"),
        ({"default_args": 3}, "default_args: must be a mapping of arguments of tasks, not 3"),
        ({"tags": "abc"}, "tags: must be a list of texts, not 'abc'"),
        ({"start_date": "2020-01-01"}, "start_date: must be a datetime, not '2020-01-01'"),
        ({"on_failure_callback": [3]}, "on_failure_callback: must be a function, or a list of them, not [3]"),
        ({"params": ["rows"]}, "params: must be a mapping of values by parameter, not ['rows']"),
        ({"steps": 3}, "steps: must be a mapping of arguments by step, not 3"),
        ({"artifact_store": "nonsense"}, "artifact_store: 'nonsense' is no URI (write one such as"),
        ({"experiment": "a\0b"}, "experiment: holds a NUL character"),
        ({"dag_display_name": "x" * 2001}, "dag_display_name: the display name has 2001 characters"),
        (
            {"steps": {"train": {"task_display_name": "x" * 2001}}},
            "steps['train']: the display name has 2001 characters, more than 2000",
        ),
        ({"catchup": True, "schedule": "@daily", "params": {"rows": 1}}, "start_date is required"),
        (
            {"steps": {"train": {"execution_timeout": 5}}},
            "steps['train']: execution_timeout must be timedelta",
        ),
        ({"steps": {"train": ["retries"]}}, "steps['train']: must be a mapping of arguments, not list"),
        (
            {"steps": {"train": {"pod": ["x"]}}},
            "steps['train'], pod: must be a mapping of arguments, not list",
        ),
        ({"dag_id": "x" * 251}, "dag_id: has 251 characters, more than 250"),
        ({"params": {"rows": "many"}}, "params['rows']: wants a whole number, but got str 'many'"),
        ({"params": {"rows": None}}, "params['rows']: must be whole number, not None"),
        ({"params": {"note": "a\0b"}}, "params['note']: "),
        ({"tags": ["daily", "a\0b"]}, "tags: holds a NUL character"),
        ({"description": "\ud800"}, "description: is not valid text"),
        ({"doc_md": "a\0b"}, "doc_md: holds a NUL character"),
        ({"pipeline": 5}, "pipeline: int is nothing that a DAG can be made of"),
        ({"pipeline": "missing.yaml"}, "$: no such file"),
        ({"pipeline": "not: a\npipeline: at all\n"}, "$: is no pipeline"),
    ],
)
def test_one_problem_is_named(arguments: dict[str, Any], message: str):
    found = problems(**arguments)
    assert len(found) == 1
    assert message in found[0]


def test_wrong_arguments_of_the_dag_come_at_once():
    found = problems(
        default_args=3,
        tags="abc",
        start_date="2020-01-01",
        max_active_runs="3",
        on_failure_callback=3,
        schedule="x",
    )
    names = [problem.partition(":")[0] for problem in found]
    assert sorted(names) == [
        "DAG 'churn'",
        "default_args",
        "max_active_runs",
        "on_failure_callback",
        "parameter 'rows'",
        "start_date",
        "tags",
    ]


def test_none_stands_for_no_tags():
    assert pipeline_dag(churn, tags=None, on_failure_callback=print).tags == set()


def test_a_display_name_that_airflow_cannot_store():
    @dsl.pipeline
    def named():
        train(rows=1).set_display_name("x" * 10_000)

    assert problems(pipeline=named) == [
        "steps['train']: the display name has 10000 characters, more than 2000"
    ]


def test_a_broken_pipeline_does_not_hide_what_else_is_wrong():
    found = problems(pipeline="missing.yaml", tracking="always", schedule="61 * * * *", pod={"cmds": []})
    assert [problem.split(":")[0] for problem in found] == [
        "$",
        "tracking",
        "pod, argument 'cmds'",
        "DAG 'pipeline'",
    ]


def test_airflow_shows_the_problems_as_the_files_import_error(load_dags: Any):
    loaded = load_dags(
        """
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def train(rows: int): ...

        good = pipeline_dag(train, dag_id="good")
        bad = pipeline_dag(train, dag_id="bad", schedule="@daily", namespace="-")
        """
    )
    assert loaded.dags == {}
    assert "pipeline 'train': 2 problems" in loaded.error
    assert "namespace: '-' is no name for a Kubernetes namespace" in loaded.error
    assert "parameter 'rows': has no default" in loaded.error


def test_nothing_is_left_of_a_dag_that_could_not_be_made(load_dags: Any):
    loaded = load_dags(
        """
        from airflow.sdk import DAG
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag
        from tradewind.errors import InvalidPipelineError

        @dsl.component
        def train(rows: int): ...

        try:
            pipeline_dag(train, dag_id="bad", steps={"train": {"execution_timeout": 5}})
        except InvalidPipelineError:
            pass
        """
    )
    assert not loaded.error
    assert loaded.dags == {}


def test_a_name_that_is_no_dag_id_is_made_one():
    @dsl.pipeline(name="churn", display_name="Churn (2)")
    def named(rows: int = 1):
        train(rows=rows)

    compiled = dsl.compile(named)
    compiled.spec.pipeline_info.name = "my pipeline/2!"
    dag = pipeline_dag(compiled)
    assert dag.dag_id == "my-pipeline-2"
    assert pipeline_dag(compiled, dagrun_timeout=timedelta(hours=1)).dag_display_name == "Churn (2)"


def test_a_literal_list_that_airflow_cannot_map_over():
    @dsl.pipeline
    def wide():
        with dsl.ParallelFor(list(range(100))), dsl.ParallelFor(list(range(11))) as rows:
            train(rows=rows)

    (problem,) = problems(pipeline=wide)
    assert "has 1100 iterations, Airflow is set to at most 1024 (raise [core] max_map_length" in problem
