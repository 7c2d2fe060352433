"""`retry_on`: the step's word goes before the pipeline's, and that before the deployment's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from fixtures.steps import StepRun, command_step, deployment
from tradewind.operators.settings import RunSettings

FAILS = command_step("sh", "-c", "exit 3")
FILE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def train() -> int:
    return 1

@dsl.pipeline
def churn():
    train()

dag = pipeline_dag(churn, {arguments})
"""


@pytest.mark.parametrize(
    ("deployed", "pipeline", "step", "retried"),
    [
        ("default", None, None, True),
        ("nothing", None, None, False),
        ("infrastructure, user_error", None, None, True),
        ("default", ["infrastructure"], None, False),
        ("default", ["infrastructure"], ["user_error"], True),
        ("all", ["all"], [], False),
    ],
)
def test_who_decides(
    on_cluster: str, cluster: Any, deployed: str, pipeline: list[str] | None, step: Any, retried: bool
) -> None:
    settings = RunSettings(pipeline="demo", caching=False, retry_on=pipeline)
    arguments = {} if step is None else {"retry_on": step}
    with (
        deployment(cluster.kubeconfig, namespace=on_cluster, retry_on=deployed),
        pytest.raises(AirflowException) as caught,
    ):
        StepRun(FAILS, settings=settings, arguments=arguments).execute()
    assert isinstance(caught.value, AirflowFailException) == (not retried)
    assert f"Kind: user_error, {'worth' if retried else 'not worth'} a retry" in str(caught.value)


def test_a_word_of_the_deployment_that_means_nothing(on_cluster: str, cluster: Any) -> None:
    with (
        deployment(cluster.kubeconfig, namespace=on_cluster, retry_on="default, evictd"),
        pytest.raises(AirflowFailException) as caught,
    ):
        StepRun(FAILS).execute()
    assert "[tradewind] retry_on: 'evictd' is no kind of end" in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("retry_on=['evictd']", "retry_on: 'evictd' is no kind of end (Did you mean 'evicted'?)"),
        ("retry_on='evicted'", "retry_on: must be a list"),
        ("steps={'train': {'retry_on': ['oom']}}", "steps['train'], retry_on: 'oom' is no kind of end"),
    ],
)
def test_a_word_of_a_pipeline_that_means_nothing(
    load_dags: Callable[..., Any], arguments: str, said: str
) -> None:
    assert said in load_dags(FILE.format(arguments=arguments)).error


def test_lists_reach_the_tasks(load_dags: Callable[..., Any]) -> None:
    arguments = "retry_on=['infrastructure'], steps={'train': {'retries': 2, 'retry_on': ['default']}}"
    loaded = load_dags(FILE.format(arguments=arguments))
    assert not loaded.error
    train = loaded.dags["churn"].get_task("train")
    assert "user_error" in train.retried
    assert train.pipeline.retry_on == ("infrastructure",)
