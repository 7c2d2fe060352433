"""What loops put out, as lists: of parameters and artifacts, through several loops, used and returned."""

from typing import List

from kfp import dsl


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    return x


@dsl.component
def make(x: int) -> dsl.Dataset:
    return dsl.Dataset()


@dsl.component
def total(numbers: List[int]) -> int:
    return sum(numbers)


@dsl.component
def join(parts: dsl.Input[List[dsl.Dataset]]):
    print(parts)


@dsl.pipeline
def collected(n: int = 1) -> List[dsl.Dataset]:
    with dsl.ParallelFor([1, 2]) as i:
        with dsl.ParallelFor([3, 4]) as j:
            one = step(x=j)
        two = make(x=i)
        total(numbers=dsl.Collected(one.output))
    total(numbers=dsl.Collected(one.output))
    join(parts=dsl.Collected(two.output))
    return dsl.Collected(two.output)
