"""`pipeline_dag`: what DAG comes out of a pipeline, for each kind of source."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tradewind import dsl, ir
from tradewind.airflow import pipeline_dag
from tradewind.plan import build


@dsl.component
def load(rows: int, data: dsl.Output[dsl.Dataset]) -> int:
    return rows


@dsl.component
def train(data: dsl.Input[dsl.Dataset], rate: float, model: dsl.Output[dsl.Model]): ...


@dsl.pipeline(name="prepare")
def prepare(rows: int) -> dsl.Dataset:
    task = load(rows=rows)
    task.set_display_name("Load the data")
    return task.outputs["data"]


@dsl.pipeline(name="churn", display_name="Churn model", description="Who leaves?\n\nEvery week.")
def churn(rows: int = 1000, rate: float = 0.5):
    prepared = prepare(rows=rows)
    first = train(data=prepared.output, rate=rate)
    second = train(data=prepared.output, rate=0.1)
    second.after(first)


def edges(dag: Any) -> dict[str, set[str]]:
    return {task.task_id: set(task.downstream_task_ids) for task in dag.tasks}


def test_steps_stand_between_run_start_and_run_end():
    dag = pipeline_dag(churn)
    assert edges(dag) == {
        "run_start": {"prepare.load", "run_end", "steps_done"},
        "prepare.load": {"train", "train-2"},
        "train": {"train-2", "steps_done"},
        "train-2": {"steps_done"},
        "steps_done": {"run_end"},
        "run_end": set(),
    }
    assert dag.get_task("run_start").is_setup
    for name in ("steps_done", "run_end"):
        assert dag.get_task(name).is_teardown
    assert dag.get_task("steps_done").inherits_from_empty_operator


def test_dag_and_tasks_tell_people_what_they_are():
    dag = pipeline_dag(churn)
    assert dag.dag_id == "churn"
    assert dag.dag_display_name == "Churn model"
    assert dag.description == "Who leaves?"
    assert dag.doc_md.startswith("Who leaves?\n\nEvery week.\n")
    assert "| `rows` | whole number | `1000` |  |" in dag.doc_md
    assert dag.doc_md.endswith("Pipeline `churn`: steps 3, Kubernetes pods 3 at most.\n")
    assert '`conf`: `{"rate": 0.5}`' in dag.doc_md
    step = dag.get_task("prepare.load")
    assert step.task_display_name == "Load the data"
    assert step.doc_md == (
        f"Component `load` in `{step.step.container.image}`.\n\n"
        "**Takes** `rows` whole number\n\n"
        "**Gives** `Output` whole number, `data` Dataset\n"
    )


def test_a_sub_pipeline_is_a_task_group():
    plan = build(dsl.compile(churn))
    scope = replace(plan.scopes["prepare"], display_name="Prepare it", description="Loads and splits.")
    group = pipeline_dag(replace(plan, scopes={"prepare": scope})).task_group.children["prepare"]
    assert set(group.children) == {"prepare.load"}
    assert group.group_display_name == "Prepare it"
    assert group.tooltip == "Loads and splits."


def test_every_kind_of_source_gives_the_same_dag(tmp_path: Path, load_dags: Any):
    compiled = dsl.compile(churn)
    (tmp_path / "churn.yaml").write_text(ir.dump(compiled))
    loaded = load_dags(
        """
        from pathlib import Path
        from tradewind import ir
        from tradewind.airflow import pipeline_dag
        here = Path(__file__).parent
        by_name = pipeline_dag("sub/churn.yaml", dag_id="by_name")
        by_path = pipeline_dag(here / "sub" / "churn.yaml", dag_id="by_path")
        text = pipeline_dag((here / "sub" / "churn.yaml").read_text(), dag_id="text")
        """,
        files={"sub/churn.yaml": ir.dump(compiled)},
    )
    assert not loaded.error
    reference = edges(pipeline_dag(churn))
    assert {name: edges(dag) for name, dag in loaded.dags.items()} == {
        "by_name": reference,
        "by_path": reference,
        "text": reference,
    }
    assert edges(pipeline_dag(compiled)) == edges(pipeline_dag(build(compiled))) == reference
    assert edges(pipeline_dag(tmp_path / "churn.yaml")) == reference


def test_a_single_component_is_a_pipeline_of_one_step():
    dag = pipeline_dag(load, params={"rows": 5})
    assert dag.dag_id == "load"
    assert edges(dag)["run_start"] == {"load", "run_end", "steps_done"}


def test_scheduling_words_are_airflows_own():
    from airflow.sdk import Asset, CronTriggerTimetable

    called: list[Any] = []
    start, end = datetime(2026, 1, 1), datetime(2027, 1, 1)
    dag = pipeline_dag(
        churn,
        dag_id="weekly",
        schedule="0 9 * * 1",
        start_date=start,
        end_date=end,
        catchup=True,
        max_active_runs=2,
        tags=["ml", "weekly"],
        default_args={"owner": "science", "retries": 2},
        on_failure_callback=called.append,
        dagrun_timeout=timedelta(hours=1),
        description="Mine.",
    )
    assert dag.timetable.expression == "0 9 * * 1"
    assert (dag.start_date.year, dag.end_date.year, dag.catchup, dag.max_active_runs) == (2026, 2027, True, 2)
    assert dag.tags == {"ml", "weekly"}
    assert {(task.owner, task.retries) for task in dag.tasks} == {("science", 2)}
    assert dag.on_failure_callback == called.append
    assert dag.dagrun_timeout == timedelta(hours=1)
    assert dag.description == "Mine."
    for schedule in (timedelta(hours=2), CronTriggerTimetable("@daily", timezone="UTC"), [Asset("raw")]):
        assert pipeline_dag(churn, schedule=schedule).schedule is schedule
    assert pipeline_dag(churn).catchup is False


def test_two_schedules_of_one_pipeline_are_two_dags_of_one_file(load_dags: Any):
    loaded = load_dags(
        """
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def work(day: str, rows: int): ...

        @dsl.pipeline(name="report")
        def report(day: str, rows: int = 10):
            work(day=day, rows=rows)

        daily = pipeline_dag(report, dag_id="daily", schedule="@daily", params={"day": "{{ ds }}"})
        full = pipeline_dag(report, dag_id="full", schedule="@weekly", params={"day": "all", "rows": 9})
        """
    )
    assert not loaded.error
    daily, full = loaded.dags["daily"], loaded.dags["full"]
    assert daily.get_task("run_start").templated_params == {"day": "{{ ds }}"}
    assert daily.params.dump() == {"day": None, "rows": 10}
    assert full.get_task("run_start").templated_params == {}
    assert full.params.dump() == {"day": "all", "rows": 9}


def test_settings_reach_every_task():
    dag = pipeline_dag(
        churn,
        experiment="retention",
        tracking="required",
        caching=False,
        cluster="gpu",
        namespace="training",
        artifact_store="s3://bucket/x",
        pod={"service_account_name": "trainer"},
    )
    settings = {id(task.pipeline): task.pipeline for task in dag.tasks if task.task_id != "steps_done"}
    assert len(settings) == 1
    (shared,) = settings.values()
    assert (shared.pipeline, shared.experiment_name, shared.tracking, shared.caching) == (
        "churn",
        "retention",
        "required",
        False,
    )
    assert (shared.cluster, shared.namespace, shared.artifact_store) == ("gpu", "training", "s3://bucket/x")
    assert shared.pod == {"service_account_name": "trainer"}


def test_the_tasks_around_the_steps_outlive_a_worker():
    def retries(dag: Any) -> dict[str, int]:
        return {task.task_id: task.retries for task in dag.tasks if task.task_id != "steps_done"}

    found = retries(pipeline_dag(churn))
    assert (found.pop("run_start"), found.pop("run_end")) == (3, 3)
    assert set(found.values()) == {0}, "that of steps is for the pipeline to say"
    assert retries(pipeline_dag(churn, default_args={"retries": 0}))["run_end"] == 0


def test_single_steps_take_airflows_and_the_pods_arguments():
    dag = pipeline_dag(
        churn,
        default_args={"retries": 1},
        steps={
            "train": {"retries": 4, "pool": "gpu", "execution_timeout": timedelta(minutes=5)},
            "prepare.load": {"queue": "small", "pod": {"node_selector": {"disk": "ssd"}}},
        },
    )
    train_step, load_step = dag.get_task("train"), dag.get_task("prepare.load")
    assert (train_step.retries, train_step.pool) == (4, "gpu")
    assert train_step.execution_timeout == timedelta(minutes=5)
    assert (load_step.retries, load_step.queue) == (1, "small")
    assert load_step.pod == {"node_selector": {"disk": "ssd"}}
    assert dag.get_task("train-2").pod == {}


@pytest.mark.parametrize(
    ("retry", "waits"),
    [
        ({"num_retries": 3}, [0, 0, 0]),
        ({"num_retries": 3, "backoff_duration": "10s", "backoff_factor": 1.0}, [10, 10, 10]),
        ({"num_retries": 3, "backoff_duration": "10s", "backoff_factor": 2.0}, [10, 20, 40]),
        (
            {
                "num_retries": 3,
                "backoff_duration": "10s",
                "backoff_factor": 3.0,
                "backoff_max_duration": "60s",
            },
            [10, 30, 60],
        ),
    ],
)
def test_retries_wait_as_kfp_says(retry: dict[str, Any], waits: list[int]):
    """Airflow's own arithmetic, which adds a jitter of less than as much again, on our arguments."""
    from airflow.models.taskinstance import TaskInstance
    from airflow.sdk import timezone
    from airflow.serialization.serialized_objects import DagSerialization

    @dsl.pipeline(name="retrying")
    def retrying():
        load(rows=1).set_retry(**retry)

    dag = pipeline_dag(retrying)
    task = DagSerialization.from_dict(DagSerialization.to_dict(dag)).get_task("load")
    assert task.retries == 3
    ended = timezone.utcnow()
    for number, wait in enumerate(waits, start=1):
        instance = TaskInstance.__new__(TaskInstance)
        for name, value in {
            "task": task,
            "dag_id": dag.dag_id,
            "task_id": task.task_id,
            "try_number": number,
            "end_date": ended,
            "retry_delay_override": None,
        }.items():
            instance.__dict__[name] = value
        seconds = (_next_retry(instance) - ended).total_seconds()
        exponential = task.retry_exponential_backoff > 0
        longest = retry.get("backoff_max_duration", "3600s")[:-1]
        assert wait <= seconds <= (min(2 * wait, int(longest)) if exponential else wait)


def _next_retry(instance: Any) -> datetime:
    from types import SimpleNamespace

    from airflow.models.taskinstance import TaskInstance

    fields = SimpleNamespace(**instance.__dict__, logical_date=None, log=None)
    return TaskInstance.next_retry_datetime(fields)


def test_the_serialized_dag_is_lean_and_stable():
    from airflow.serialization.serialized_objects import DagSerialization

    first, second = (DagSerialization.to_dict(pipeline_dag(churn)) for _ in range(2))
    assert first == second
    for task in first["dag"]["tasks"]:
        assert len(json.dumps(task)) < 800
        assert "params" not in task["__var"], "the DAG's parameters are copied into every task"


def test_a_dag_is_shown_with_the_file_that_called(load_dags: Any, dags_folder: Path):
    loaded = load_dags(
        """
        # an Airflow dag
        from helper import make
        dag = make()
        """,
        files={
            "helper.py": """
from tradewind.airflow import pipeline_dag
def make():
    return pipeline_dag("churn.yaml")
""",
            "churn.yaml": ir.dump(dsl.compile(churn)),
        },
    )
    assert not loaded.error
    assert Path(loaded.dags["churn"].fileloc).parent == dags_folder
    shutil.rmtree(dags_folder / "__pycache__", ignore_errors=True)
