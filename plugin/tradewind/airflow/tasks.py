"""Steps and scopes of a plan as tasks and task groups of a DAG: mechanical, and linear in their number.

Between `run_start` and `run_end` (see docs/architecture.md) each step becomes one task with the step's id.
What the author of the DAG says about single steps is checked first, all of it, so that a DAG is either whole
or not made.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator, TaskGroup
from airflow.sdk.definitions.param import ParamsDict
from tradewind.airflow.docs import step_doc
from tradewind.airflow.params import RunParams
from tradewind.errors import Problem
from tradewind.operators.pod_arguments import pod_argument_problems
from tradewind.operators.run import RunEndOperator, RunStartOperator
from tradewind.operators.settings import RUN_END, RUN_START, STEPS_DONE, RunSettings
from tradewind.operators.step import StepOperator
from tradewind.plan.model import Plan, Retry, Scope, Step

__all__ = ["StepArguments", "add_tasks", "step_argument_problems"]

StepArguments = Mapping[str, Mapping[str, Any]]
"""By step id: arguments of any Airflow operator, and `pod` with arguments of KubernetesPodOperator."""

_Task = TypeVar("_Task", bound=BaseOperator)

_MOST_DOCUMENTED = 200
"""Steps. Their texts make a fifth of a serialized DAG, which the scheduler loads over and over."""

_PIPELINE_DECIDES = "the pipeline decides it"
_REFUSED: Mapping[str, str] = {
    "dag": _PIPELINE_DECIDES,
    "do_xcom_push": "later steps read a step's outputs there",
    "multiple_outputs": "later steps read a step's outputs as one value",
    "params": "parameters belong to the whole run: give params= to pipeline_dag",
    "pipeline": _PIPELINE_DECIDES,
    "step": _PIPELINE_DECIDES,
    "task_group": _PIPELINE_DECIDES,
    "task_id": _PIPELINE_DECIDES,
    "trigger_rule": "a step runs when all that it needs has succeeded",
}
_ACCEPTED = frozenset(inspect.signature(BaseOperator.__init__).parameters) - {"self", "kwargs", *_REFUSED}


def step_argument_problems(plan: Plan | None, arguments: StepArguments) -> Iterator[Problem]:
    """Yield all that is wrong with `steps` of `pipeline_dag`, but for values that only an operator can judge.

    Args:
        plan: None where the pipeline itself is broken: then ids cannot be checked.
        arguments: by step id.
    """
    for step_id, given in arguments.items():
        place = f"steps[{step_id!r}]"
        if plan is not None and step_id not in plan.steps:
            near = difflib.get_close_matches(str(step_id), plan.steps, n=1)
            remedy = (
                f"did you mean {near[0]!r}?" if near else f"its steps: {', '.join(list(plan.steps)[:20])}"
            )
            yield Problem(place, "the pipeline has no such step", remedy)
        if not isinstance(given, Mapping):
            yield Problem(place, f"must be a mapping of arguments, not {type(given).__name__}")
            continue
        for name in given:
            if name == "pod":
                yield from pod_argument_problems(given["pod"], f"{place}, pod")
            elif name in _REFUSED:
                yield Problem(f"{place}, argument {name!r}", f"cannot be set: {_REFUSED[name]}")
            elif name not in _ACCEPTED:
                yield _unknown(f"{place}, argument {name!r}", str(name))


def _unknown(place: str, name: str) -> Problem:
    if not pod_argument_problems({name: None}, place):
        return Problem(
            place, "is an argument of the pod, not of the Airflow task", f"write pod={{{name!r}: ...}}"
        )
    near = difflib.get_close_matches(name, _ACCEPTED, n=1)
    return Problem(place, "is no argument of an Airflow task", f"did you mean {near[0]!r}?" if near else "")


def add_tasks(
    dag: DAG,
    plan: Plan,
    settings: RunSettings,
    *,
    run: RunParams,
    arguments: StepArguments,
    problems: list[Problem],
) -> None:
    """Fill a DAG with a plan's tasks.

    Args:
        dag: without tasks yet.
        settings: shared by all tasks.
        run: what `run_start` makes the run's parameters of.
        arguments: by step id, checked by `step_argument_problems`.
        problems: values that an operator refuses are added here.
    """
    groups = _groups(dag, plan.scopes)
    start = _start(dag, settings, run)
    documented = len(plan.steps) <= _MOST_DOCUMENTED
    tasks: dict[str, StepOperator] = {}
    for step in plan.steps.values():
        try:
            own = {"doc_md": step_doc(step)} if documented else {}
            given = {**own, **arguments.get(step.id, {})}
            task = _task(step, groups[step.scope], dag, settings, given)
        except Exception as error:  # noqa: BLE001 - operators check their arguments with errors of any type
            problems.append(Problem(f"steps[{step.id!r}]", str(error)))
            continue
        tasks[step.id] = task
        if step.upstream:
            task.set_upstream([tasks[name] for name in step.upstream if name in tasks])
        else:
            task.set_upstream(start)
    _end(dag, plan, settings, start, [task for task in tasks.values() if not task.downstream_task_ids])


def _groups(dag: DAG, scopes: Mapping[str, Scope]) -> dict[str, TaskGroup]:
    groups: dict[str, TaskGroup] = {"": dag.task_group}
    for scope in scopes.values():
        groups[scope.id] = TaskGroup(
            group_id=scope.id.rpartition(".")[2],
            parent_group=groups[scope.parent],
            dag=dag,
            group_display_name=scope.display_name,
            tooltip=scope.description,
        )
    return groups


def _start(dag: DAG, settings: RunSettings, run: RunParams) -> RunStartOperator:
    return _lean(
        RunStartOperator(
            task_id=RUN_START,
            dag=dag,
            pipeline=settings,
            parameters=run.declared,
            templated_params=run.templates,
        )
    )


def _end(
    dag: DAG, plan: Plan, settings: RunSettings, start: RunStartOperator, leaves: list[StepOperator]
) -> None:
    """Add the two teardowns; why there are two and how they decide the run's state: `operators.outcome`."""
    done = EmptyOperator(
        task_id=STEPS_DONE,
        dag=dag,
        doc_md="Every step has ended, one way or the other. Nothing runs here.\n",
        # With callbacks from default_args it would take a worker.
        on_execute_callback=None,
        on_success_callback=None,
    )
    end = RunEndOperator(
        task_id=RUN_END, dag=dag, pipeline=settings, steps=tuple(plan.steps), outputs=plan.outputs
    )
    _lean(done).set_upstream(leaves or start)
    _lean(end).set_upstream(done)
    done.as_teardown(setups=start)
    end.as_teardown(setups=start, on_failure_fail_dagrun=True)


def _task(
    step: Step, group: TaskGroup, dag: DAG, settings: RunSettings, given: Mapping[str, Any]
) -> StepOperator:
    own: dict[str, Any] = {}
    label = step.id.rpartition(".")[2]
    if step.display_name and step.display_name != step.id:
        own["task_display_name"] = step.display_name
    if step.retry is not None:
        own |= _retry(step.retry)
    return _lean(
        StepOperator(
            **(own | dict(given)), task_id=label, task_group=group, dag=dag, step=step, pipeline=settings
        )
    )


def _lean(task: _Task) -> _Task:
    """Take the DAG's params off a task again: every task has them from the DAG when it runs.

    Airflow copies them into each task, and with it into the serialized DAG: a hundred steps with ten
    documented parameters would carry a thousand of them.
    """
    task.params = ParamsDict()
    return task


def _retry(retry: Retry) -> dict[str, Any]:
    """Airflow's words for KFP's retry policy.

    KFP waits `backoff * factor ** (n - 1)` before try n + 1, at most `backoff_max`. So does Airflow 3 with a
    number as `retry_exponential_backoff`, plus a jitter of up to as much again. Its exponential backoff makes
    at least one second of no delay, and of a factor of 1 a constant one; both are given without it.
    """
    exponential = retry.backoff_seconds > 0 and retry.backoff_factor not in (0.0, 1.0)
    longest = (
        {"max_retry_delay": timedelta(seconds=retry.backoff_max_seconds)} if retry.backoff_max_seconds else {}
    )
    return {
        "retries": retry.max_count,
        "retry_delay": timedelta(seconds=retry.backoff_seconds),
        "retry_exponential_backoff": retry.backoff_factor if exponential else 0,
        **(longest if exponential else {}),
    }
