"""Steps and loops of a plan as tasks of a DAG: mechanical, and linear in their number.

Between `run_start` and `run_end` (see docs/architecture.md) each step becomes one task with the step's id,
each loop one that makes its iterations. `tradewind.airflow.groups` puts them into groups. What the author of
the DAG says about single steps is checked first, all of it, so that a DAG is either whole or not made.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Any, TypeVar

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, BaseOperator, TriggerRule
from airflow.sdk.definitions.param import ParamsDict
from tradewind.airflow.arguments import display_name_problem
from tradewind.airflow.docs import loop_doc, step_doc
from tradewind.airflow.groups import Groups
from tradewind.airflow.params import RunParams
from tradewind.cluster.retry_policy import retried_kinds
from tradewind.errors import ConfigurationError, Problem
from tradewind.operators.labels import LABEL_TEMPLATE
from tradewind.operators.loop import LoopOperator
from tradewind.operators.nest import LOOP_ITEMS, LoopNest, items_task
from tradewind.operators.pod_arguments import place_arguments, pod_argument_problems
from tradewind.operators.run import RunEndOperator, RunStartOperator
from tradewind.operators.settings import RUN_END, RUN_START, STEPS_DONE, RunSettings
from tradewind.operators.step import StepOperator
from tradewind.plan.iterations import certain_loops
from tradewind.plan.model import Loop, Plan, Retry, Step

__all__ = ["StepArguments", "add_tasks", "retry_problems", "step_argument_problems"]

StepArguments = Mapping[str, Mapping[str, Any]]
"""By step id: arguments of any Airflow operator, `retry_on`, `pod` with KubernetesPodOperator's arguments."""

_Task = TypeVar("_Task", bound=BaseOperator)

_MOST_DOCUMENTED = 200
"""Steps. Their texts make a fifth of a serialized DAG, which the scheduler loads over and over."""

_OWN_RETRIES = {"retries": 3, "retry_delay": timedelta(seconds=10)}

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
    "trigger_rule": "the pipeline decides what a step waits for",
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
            elif name == "retry_on":
                yield from retry_problems(given["retry_on"], f"{place}, retry_on")
            elif name in _REFUSED:
                yield Problem(f"{place}, argument {name!r}", f"cannot be set: {_REFUSED[name]}")
            elif name not in _ACCEPTED:
                yield _unknown(f"{place}, argument {name!r}", str(name))


def retry_problems(words: Any, place: str) -> Iterator[Problem]:
    """Yield what is wrong with a list of ends that are worth another try; None is none."""
    try:
        retried_kinds(() if words is None else words, place)
    except ConfigurationError as error:
        yield Problem(place, error.message.removeprefix(place).lstrip(": "), error.remedy)


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
    start = _start(dag, settings, run, certain_loops(plan))
    builder = _Builder(dag, plan, settings)
    for loop in plan.loops.values():
        builder.add_loop(loop)
    for step in plan.steps.values():
        try:
            builder.add_step(step, arguments.get(step.id, {}))
        except Exception as error:  # noqa: BLE001 - operators check their arguments with errors of any type
            problems.append(Problem(f"steps[{step.id!r}]", str(error)))
    builder.connect(start)
    _end(dag, plan, settings, start, builder.steps)


class _Builder:
    """Makes the tasks of a plan and joins them.

    Attributes:
        steps, loops: tasks by the id of their step or loop.
    """

    def __init__(self, dag: DAG, plan: Plan, settings: RunSettings) -> None:
        self.steps: dict[str, StepOperator] = {}
        self.loops: dict[str, LoopOperator] = {}
        self._dag = dag
        self._plan = plan
        self._settings = settings
        self._nest = LoopNest.of(plan)
        self._groups = Groups(dag, plan)
        self._documented = len(plan.steps) <= _MOST_DOCUMENTED

    def add_loop(self, loop: Loop) -> None:
        """Make the task of a loop; those of the loops around it are there."""
        task = _lean(
            LoopOperator(
                task_id=items_task(loop.id),
                task_display_name=LOOP_ITEMS,
                task_group=self._groups.of_loop(loop.id),
                dag=self._dag,
                loop=loop,
                nest=self._nest,
                pipeline=self._settings,
                # One iteration around that failed must not keep the others from theirs.
                trigger_rule=TriggerRule.ALL_DONE if loop.loop else _trigger_rule(loop, mapped=False),
                **_own_retries(self._dag),
                **({"doc_md": loop_doc(loop)} if self._documented else {}),
            )
        )
        self.loops[loop.id] = task
        self._groups.add_items(loop.id, task)

    def add_step(self, step: Step, given: Mapping[str, Any]) -> None:
        """Make the task of a step; those of the loops around it are there.

        Args:
            given: what the author of the DAG says about it.
        """
        own: dict[str, Any] = {"doc_md": step_doc(step)} if self._documented else {}
        label = step.id.rpartition(".")[2]
        if step.display_name and step.display_name != step.id:
            own["task_display_name"] = step.display_name
        if step.retry is not None:
            own |= _retry(step.retry)
        if step.loop:
            own |= self._in_loop(step)
            label = step.id
        own |= given
        if problem := display_name_problem(own.get("task_display_name") or step.id):
            raise ValueError(problem)
        rule = _trigger_rule(step, mapped=bool(step.loop))
        if rule is not TriggerRule.ALL_SUCCESS:  # Airflow's default
            own["trigger_rule"] = rule
        self.steps[step.id] = _lean(
            StepOperator(
                **own,
                task_id=label,
                task_group=self._groups.of_step(step),
                dag=self._dag,
                step=step,
                pipeline=self._settings,
                nest=self._nest,
            )
        )

    def _in_loop(self, step: Step) -> dict[str, Any]:
        own: dict[str, Any] = {"map_index_template": LABEL_TEMPLATE}
        own["task_display_name"] = self._groups.name_of(step)
        at_once = self._at_once(step.loop)
        if at_once:
            own["max_active_tis_per_dagrun"] = at_once
        return own

    def _at_once(self, loop: str) -> int:
        """Return how many iterations may run at once, 0 for any number.

        Limits of nested loops multiply. One without a limit around one with a limit counts once: Airflow's
        own limit is on the instances of a task, whichever outer iteration they are in.
        """
        found = 1
        limited = False
        for name in self._nest.chain(loop):
            limit = self._plan.loops[name].parallelism
            limited = limited or limit > 0
            found *= limit or 1
        return found if limited else 0

    def connect(self, start: RunStartOperator) -> None:
        """Set what waits for what."""
        for step in self._plan.steps.values():
            task = self.steps.get(step.id)
            if task is None:
                continue
            before: list[BaseOperator] = [self.steps[name] for name in step.upstream if name in self.steps]
            if step.loop and not any(self._side_by_side(step, name) for name in step.upstream):
                before.append(self.loops[step.loop])
            _wait(task, before or [start])
        for loop in self._plan.loops.values():
            before = [self.steps[name] for name in loop.upstream if name in self.steps]
            if loop.loop:
                before.append(self.loops[loop.loop])
            _wait(self.loops[loop.id], before or [start])

    def _side_by_side(self, step: Step, name: str) -> bool:
        other = self._plan.steps[name]
        return (other.loop, other.region) == (step.loop, step.region)


def _wait(task: BaseOperator, before: Collection[BaseOperator]) -> None:
    """Have a task wait for others of its DAG, as `set_upstream` does, which first compares all their DAGs:
    a sixth of building one.
    """
    for other in before:
        task.upstream_task_ids.add(other.task_id)
        other.downstream_task_ids.add(task.task_id)


def _trigger_rule(subject: Step | Loop, *, mapped: bool) -> TriggerRule:
    """Return Airflow's word for what something waits for.

    In mapped groups only these three are judged per iteration. A barrier there waits for whole tasks, and the
    step itself judges its own iteration; outside of loops "whole" is right.
    """
    if subject.wait == "end" or (subject.barrier and mapped):
        return TriggerRule.ALL_DONE
    if subject.wait == "no_failure" or subject.barrier:
        return TriggerRule.NONE_FAILED
    return TriggerRule.ALL_SUCCESS


def _start(dag: DAG, settings: RunSettings, run: RunParams, loops: Collection[Loop]) -> RunStartOperator:
    return _lean(
        RunStartOperator(
            task_id=RUN_START,
            dag=dag,
            pipeline=settings,
            parameters=run.declared,
            loops=loops,
            templated_params=run.templates,
            **_own_retries(dag),
        )
    )


def _end(
    dag: DAG, plan: Plan, settings: RunSettings, start: RunStartOperator, steps: Mapping[str, StepOperator]
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
    leaves = [task for task in steps.values() if not task.downstream_task_ids]
    end = RunEndOperator(
        task_id=RUN_END,
        dag=dag,
        pipeline=settings,
        plan=plan,
        last_steps=[task.task_id for task in leaves],
        elsewhere=_elsewhere(steps.values()),
        **_own_retries(dag),
    )
    _lean(done).set_upstream([steps[name] for name in _unawaited(plan, steps)] or start)
    _lean(end).set_upstream(done)
    done.as_teardown(setups=start)
    end.as_teardown(setups=start, on_failure_fail_dagrun=True)


def _own_retries(dag: DAG) -> dict[str, Any]:
    """How often the tasks around the steps are tried, where the author says nothing: with the worker of one,
    or an outage of Airflow's API server, all the rest of a run would be lost. What is wrong is tried once.
    """
    return {} if "retries" in dag.default_args else _OWN_RETRIES


def _elsewhere(steps: Iterable[StepOperator]) -> list[dict[str, Any]]:
    """Say where steps are whose own pod arguments lead to another cluster or namespace.

    One that only a run knows, by a template, is left out: nobody can look there in another run's stead.
    """
    found: list[dict[str, Any]] = []
    for step in steps:
        place = place_arguments(step.pod)
        if place and place not in found and "{{" not in str(place):
            found.append(place)
    return found


def _unawaited(plan: Plan, tasks: Mapping[str, StepOperator]) -> Iterator[str]:
    """Yield the steps that may still run when everything after them has been judged: the last ones, and those
    that are waited for together with others. The first of them to fail decides, Airflow waits for no other.
    """
    awaited: set[str] = set()
    for step in plan.steps.values():
        task = tasks.get(step.id)
        if task is None:
            continue
        for name in step.upstream:
            before = plan.steps[name]
            alone = len(task.upstream_task_ids) == 1
            side_by_side = (before.loop, before.region) == (step.loop, step.region)
            if task.trigger_rule == TriggerRule.ALL_DONE or (alone and side_by_side):
                awaited.add(name)
    yield from (name for name in tasks if name not in awaited)


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
