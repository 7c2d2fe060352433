"""The value of whichever branch ran, in every iteration; collected afterwards."""

from typing import List

from kfp import dsl


@dsl.component
def flip(number: int) -> str:
    return "heads" if number % 2 else "tails"


@dsl.component
def double(number: int) -> int:
    return 2 * number


@dsl.component
def halve(number: int) -> int:
    return number // 2


@dsl.component
def show(number: int) -> int:
    return number


@dsl.component
def total(numbers: List[int]) -> int:
    return sum(numbers)


@dsl.pipeline
def one_of_in_loop(numbers: List[int] = [1, 2, 3]) -> int:
    with dsl.ParallelFor(numbers) as number:
        side = flip(number=number)
        with dsl.If(side.output == "heads"):
            doubled = double(number=number)
        with dsl.Else():
            halved = halve(number=number)
        shown = show(number=dsl.OneOf(doubled.output, halved.output))
    return total(numbers=dsl.Collected(shown.output)).output
