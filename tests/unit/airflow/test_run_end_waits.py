"""`run_end` comes last, also where a join has given up early: it removes pods and closes the MLflow run."""

from __future__ import annotations

from typing import Any

SOURCE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def work(a: int = 0, b: int = 0) -> int:
    return a

@dsl.pipeline(name="early")
def early():
    bad = work().set_display_name("bad")
    chain = work()
    for _ in range(4):
        chain = work(a=chain.output)
    work(a=chain.output, b=bad.output)

dag = pipeline_dag(early, tracking="off", cluster="nowhere")
"""
BAD, JOIN = "work", "work-7"


def test_run_end_waits_for_steps_whose_join_has_given_up(run_dag: Any) -> None:
    """`bad` fails at once (there is no such cluster), so the join is done long before the chain is."""
    result = run_dag(SOURCE, mark_success_pattern=rf"(?!{BAD}$).*")
    assert (result.tasks[BAD], result.tasks[JOIN]) == ("failed", "upstream_failed")
    ended = {instance.task_id: instance.end_date for instance in result.instances}
    assert len(ended) == 10
    assert max(ended, key=ended.__getitem__) == "run_end", ended
