"""How many iterations loops have, as far as that is known before anything has run."""

from __future__ import annotations

from typing import Any

from tradewind import dsl, plan
from tradewind.plan.iterations import certain_loops, least_iterations
from tradewind.plan.model import Plan


@dsl.component
def step(x: int = 1) -> int:
    return x


@dsl.component
def make() -> list[int]:
    return [1]


def plan_of(function: Any) -> Plan:
    return plan.build(dsl.compile(dsl.pipeline(function)))


def counted(function: Any, **parameters: Any) -> list[int]:
    return sorted(least_iterations(plan_of(function).loops.values(), parameters).values())


def test_literal_lists_and_those_in_them() -> None:
    def churn():
        with dsl.ParallelFor([1, 2, 3]) as outer, dsl.ParallelFor([1, 2]):
            step(x=outer)
        with dsl.ParallelFor([{"a": [1, 2, 3]}, {"a": [4]}]) as item, dsl.ParallelFor(item.a) as part:
            step(x=part)

    assert counted(churn) == [2, 3, 4, 6]


def test_parameters_and_what_is_in_them() -> None:
    def churn(numbers: list[int], tables: list[dict[str, list[int]]]):
        with dsl.ParallelFor(numbers), dsl.ParallelFor([1, 2]) as inner:
            step(x=inner)
        with dsl.ParallelFor(tables) as table, dsl.ParallelFor(table.rows) as row:
            step(x=row)

    given = {"numbers": [5, 6, 7], "tables": [{"rows": [1, 2]}, {"rows": [3]}]}
    assert counted(churn, **given) == [2, 3, 3, 6]
    assert counted(churn, **given | {"numbers": []}) == [0, 2, 3]
    assert counted(churn) == [2]  # of the literal, in each iteration that there may be


def test_what_is_behind_a_condition_counts_once() -> None:
    def churn(n: int):
        with dsl.ParallelFor([1, 2, 3]) as outer, dsl.If(outer == n), dsl.ParallelFor([1, 2]) as inner:
            step(x=inner)

    assert counted(churn) == [2, 3]


def test_numbers_that_nobody_counts_to() -> None:
    def churn():
        many = list(range(1000))
        with dsl.ParallelFor(many), dsl.ParallelFor(many), dsl.ParallelFor(many) as inner:
            step(x=inner)

    assert max(counted(churn)) == 100_000


def test_loops_that_run_for_certain() -> None:
    def churn(numbers: list[int], n: int):
        first = step()
        with dsl.ParallelFor(numbers) as number:
            step(x=number).after(first)
        with dsl.If(n == 1):
            maybe = step()
            with dsl.ParallelFor(numbers) as number:
                step(x=number).after(maybe)
        with dsl.ParallelFor(make().output) as number:
            step(x=number)

    assert {loop.id for loop in certain_loops(plan_of(churn))} == {"for-loop-1", "for-loop-4"}


def test_without_lists_of_the_run_there_is_nothing_to_count_later() -> None:
    def churn():
        with dsl.ParallelFor([1, 2]) as number:
            step(x=number)

    assert certain_loops(plan_of(churn)) == ()
