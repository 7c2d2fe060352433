"""A damaged file that can be planned becomes a whole DAG; one that cannot becomes none."""

from __future__ import annotations

import os

import pytest

from fixtures.damaged_files import damaged
from tradewind import ir, plan
from tradewind.airflow import pipeline_dag
from tradewind.errors import InvalidPipelineError
from tradewind.operators.loop import LoopOperator
from tradewind.operators.step import StepOperator

FILES = range(int(os.environ.get("FUZZ", "1000")) // 5)
MOST_STEPS = 40
"""The wide ones have hundreds of steps and teach nothing new."""


@pytest.fixture(scope="module")
def texts() -> list[str]:
    contents = [damaged(number)[1] for number in FILES]
    return [content for content in contents if isinstance(content, str) and content.strip()[:1]]


def planned(text: str) -> plan.Plan | None:
    try:
        return plan.build(ir.loads(text))
    except InvalidPipelineError:
        return None


def test_a_dag_is_whole_or_not_made(texts: list[str]) -> None:
    whole = refused = 0
    for text in texts:
        built = planned(text)
        if built is not None and len(built.steps) > MOST_STEPS:
            continue
        if built is None:
            if refused < 10 and "\n" in text:
                refused += 1
                with pytest.raises(InvalidPipelineError):
                    pipeline_dag(text)
            continue
        dag = pipeline_dag(built)
        dag.check_cycle()
        steps = [task.step.id for task in dag.tasks if isinstance(task, StepOperator)]
        loops = [task.loop.id for task in dag.tasks if isinstance(task, LoopOperator)]
        assert sorted(steps) == sorted(built.steps)
        assert sorted(loops) == sorted(built.loops)
        assert {"run_start", "run_end"} <= set(dag.task_ids)
        whole += 1
    assert whole > 5
    assert refused == 10
