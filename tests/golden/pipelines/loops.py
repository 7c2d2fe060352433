"""Loops over constants, inputs, outputs and fields of items, nested, with limits."""

from typing import Dict, List

from kfp import dsl


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    return x


@dsl.component
def table() -> List[Dict[str, int]]:
    return []


@dsl.pipeline
def loops(numbers: List[int] = [1, 2], deep: List[Dict[str, List[Dict[str, int]]]] = [], n: int = 1):
    with dsl.ParallelFor([1, 2, 3], name="numbers", parallelism=2) as i:
        step(x=i)
        step(x=n, s=f"item {i}")
    with dsl.ParallelFor(numbers) as i:
        step(x=i, s=f"{i}")
        with dsl.ParallelFor(["a", "b"]) as j:
            last = step(x=i, s=j)
            step(x=last.output)
    with dsl.ParallelFor([{"a": 1, "b": 2}, {"a": 3, "b": 4}]) as item:
        step(x=item.a).after(step(x=item.b))
    with dsl.ParallelFor(items=table().output) as row:
        step(x=row.a)
        with dsl.If(row.b == 1):
            step(x=row.a)
    with dsl.ParallelFor(deep) as outer, dsl.ParallelFor(outer.inner) as inner:
        step(x=inner.k)
