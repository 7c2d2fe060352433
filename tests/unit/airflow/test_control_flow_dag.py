"""Control flow as a DAG: what is mapped over what, which rule waits for what, and what people see of it."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.serialization.serialized_objects import DagSerialization

from tradewind import dsl
from tradewind.airflow import pipeline_dag
from tradewind.plan import build
from tradewind.plan.evaluation import steps_of


@dsl.component
def numbers(n: int) -> list:
    return list(range(n))


@dsl.component
def work(n: int) -> int:
    return n


@dsl.component
def collect(ns: list) -> int:
    return sum(ns)


@dsl.pipeline
def double(n: int) -> int:
    return work(n=work(n=n).output).output


@dsl.pipeline(name="nest")
def nest(n: int = 2):
    first = numbers(n=n)
    with dsl.ParallelFor(first.output, parallelism=3) as outer:
        inside = numbers(n=outer)
        inside.set_display_name("Look inside")
        with dsl.If(outer > 0):
            with dsl.ParallelFor(inside.output, parallelism=2) as inner:
                twice = double(n=inner)
            collect(ns=dsl.Collected(twice.output))
    with dsl.ParallelFor([1, 2]) as number:
        double(n=number)
    work(n=n).after(first).ignore_upstream_failure()


OUTER = "for-loop-1"
INNER = f"{OUTER}.condition-2.for-loop-3"


@pytest.fixture(scope="module")
def dag() -> Any:
    return pipeline_dag(nest)


def test_tasks_have_the_ids_of_their_steps(dag: Any):
    assert set(dag.task_dict) == {
        "run_start",
        "numbers",
        f"{OUTER}.loop_items",
        f"{OUTER}.numbers-2",
        f"{INNER}.loop_items",
        f"{INNER}.double.work",
        f"{INNER}.double.work-2",
        f"{OUTER}.condition-2.collect",
        "for-loop-5.loop_items",
        "for-loop-5.double-2.work",
        "for-loop-5.double-2.work-2",
        "work",
        "steps_done",
        "run_end",
    }


def test_each_region_is_mapped_over_the_items_of_its_loop(dag: Any):
    def mapped_over(task_id: str) -> str:
        (group,) = dag.get_task(task_id).iter_mapped_task_groups()
        (source,) = group.iter_mapped_dependencies()
        return f"{group.group_id} over {source.task_id}"

    assert mapped_over(f"{OUTER}.numbers-2") == f"{OUTER}__loop_body over {OUTER}.loop_items"
    assert mapped_over(f"{OUTER}.condition-2.collect") == f"{OUTER}__loop_body_2 over {OUTER}.loop_items"
    body = f"{INNER.replace('.', '__')}__loop_body"
    assert mapped_over(f"{INNER}.double.work-2") == f"{body} over {INNER}.loop_items"
    assert not list(dag.get_task(f"{INNER}.loop_items").iter_mapped_task_groups())


def test_what_waits_for_what_and_how(dag: Any):
    def waits(task_id: str) -> tuple[str, set[str]]:
        task = dag.get_task(task_id)
        return task.trigger_rule.value, set(task.upstream_task_ids)

    assert waits(f"{OUTER}.loop_items") == ("all_success", {"numbers"})
    assert waits(f"{OUTER}.numbers-2") == ("all_success", {f"{OUTER}.loop_items"})
    # One outer iteration that fails keeps no other from its inner items, or from what comes after them.
    assert waits(f"{INNER}.loop_items") == ("all_done", {f"{OUTER}.loop_items", f"{OUTER}.numbers-2"})
    assert waits(f"{OUTER}.condition-2.collect")[0] == "all_done"
    assert waits(f"{INNER}.double.work-2") == ("all_success", {f"{INNER}.double.work"})
    assert waits("for-loop-5.loop_items") == ("all_success", {"run_start"})
    assert waits("work") == ("all_done", {"numbers"})


def test_limits_of_nested_loops_multiply(dag: Any):
    limits = {task.task_id: task.max_active_tis_per_dagrun for task in dag.tasks}
    assert limits[f"{OUTER}.numbers-2"] == limits[f"{OUTER}.condition-2.collect"] == 3
    assert limits[f"{INNER}.double.work"] == 6
    assert limits["for-loop-5.double-2.work"] is None
    mine = {f"{OUTER}.numbers-2": {"max_active_tis_per_dagrun": 1}}
    assert pipeline_dag(nest, steps=mine).get_task(f"{OUTER}.numbers-2").max_active_tis_per_dagrun == 1


def test_names_are_for_people(dag: Any):
    groups = dag.task_group.get_task_group_dict()
    assert groups[OUTER].label == "for-loop-1"
    assert groups[f"{OUTER}__loop_body"].label == "for each item"
    assert groups[f"{OUTER}__loop_body_2"].label == "for each item, part 2"
    assert groups[INNER.replace(".", "__")].label == "condition-2.for-loop-3"
    assert dag.get_task(f"{OUTER}.numbers-2").task_display_name == "Look inside"
    assert dag.get_task(f"{INNER}.double.work").task_display_name == "work"
    assert dag.get_task(f"{OUTER}.condition-2.collect").task_display_name == "condition-2.collect"
    assert dag.get_task(f"{INNER}.loop_items").task_display_name == "loop_items"
    assert "**If** for-loop-1.condition-2" in dag.get_task(f"{OUTER}.condition-2.collect").doc_md


def test_airflow_can_keep_and_draw_it(dag: Any):
    kept = DagSerialization.from_dict(DagSerialization.to_dict(dag))
    assert set(kept.task_dict) == set(dag.task_dict)
    drawn: list[str] = []
    waiting = [kept.task_group]
    while waiting:
        for child in waiting.pop().topological_sort():
            drawn.append(child.node_id)
            if hasattr(child, "children"):
                waiting.append(child)
    assert set(kept.task_dict) <= set(drawn)


def test_the_words_of_a_final_status_are_checked():
    with pytest.raises(Exception, match=r"final_status: is 'kfp' \(use one of documented, engine\)"):
        pipeline_dag(nest, final_status="kfp")  # type: ignore[arg-type]


@dsl.pipeline(name="fan-in")
def fan_in(n: int = 1):
    slow, fast = work(n=n), work(n=n)
    both = work(n=n).after(slow, fast)
    last = work(n=n).after(both)
    with dsl.ParallelFor([1, 2]) as number:
        each = work(n=number).after(last)
    collect(ns=dsl.Collected(each.output))


def test_the_end_waits_for_steps_that_others_do_not_wait_for_to_the_end():
    dag = pipeline_dag(fan_in)
    # One of two that fails decides for who waits for both: Airflow does not wait for the other then. So it is
    # with the iterations of a loop.
    assert dag.get_task("steps_done").upstream_task_ids == {
        "run_start",
        "work",
        "work-2",
        "for-loop-2.work-5",
        "work-4",
        "collect",
    }


@pytest.mark.parametrize("in_loops", [False, True])
def test_ids_are_short_enough_for_airflow_however_deep_they_lie(in_loops: bool):
    def nested(level: int) -> Any:
        below = nested(level - 1) if level else work

        @dsl.pipeline(name=f"all-that-happens-on-level-{level}")
        def around(n: int) -> int:
            first = work(n=n)
            if in_loops:
                with dsl.ParallelFor([1]) as number:
                    below(n=number)
                return first.output
            return below(n=first.output).output

        return around

    deep = nested(12)
    plan, again, dag = build(dsl.compile(deep)), build(dsl.compile(deep)), pipeline_dag(deep)
    assert list(plan.steps) == list(again.steps)
    assert len(plan.steps) == 14
    assert set(plan.steps) <= set(dag.task_dict)
    assert max(map(len, dag.task_dict)) <= 250
    assert max(len(group or "") for group in dag.task_group.get_task_group_dict()) <= 250
    # Scopes begin anew where they would be too long, and what lies in them begins with them.
    assert all(step.scope in plan.scopes or not step.scope for step in plan.steps.values())
    assert all(step.id.startswith(f"{step.scope}.") for step in plan.steps.values() if step.scope)
    made = {step.id for step in plan.steps.values() if step.output_parameters}
    used = {
        id
        for step in plan.steps.values()
        for given in step.parameters.values()
        for id in steps_of(given.binding)
    }
    assert used <= made
    assert len(used) == (0 if in_loops else 13)


def test_names_that_are_too_long_for_an_id_end_in_a_hash():
    longest = "n" * 128

    @dsl.pipeline(name=longest)
    def inner(n: int):
        work(n=n)

    @dsl.pipeline
    def outer():
        inner(n=1)
        inner(n=2)

    first, second = build(dsl.compile(outer)).steps
    assert first != second
    assert all(len(step.rpartition(".")[0]) == 120 for step in (first, second))
