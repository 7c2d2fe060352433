"""Loops one after another: what one makes, the next goes over."""

from typing import List

from kfp import dsl


@dsl.component
def square(x: int) -> int:
    return x * x


@dsl.component
def negate(x: int) -> int:
    return -x


@dsl.component
def keep_even(numbers: List[int]) -> List[int]:
    return [number for number in numbers if number % 2 == 0]


@dsl.pipeline
def loop_chain(numbers: List[int] = [1, 2, 3, 4]) -> List[int]:
    with dsl.ParallelFor(numbers) as number:
        squared = square(x=number)
    kept = keep_even(numbers=dsl.Collected(squared.output))
    with dsl.ParallelFor(kept.output) as even:
        negated = negate(x=even)
    with dsl.ParallelFor([1, 2], name="independent") as number:
        square(x=number).after(kept)
    return dsl.Collected(negated.output)
