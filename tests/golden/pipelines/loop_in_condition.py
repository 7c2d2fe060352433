"""Loops that run only if a condition holds, in one branch or in several."""

from typing import List

from kfp import dsl


@dsl.component
def shards(rows: int) -> List[int]:
    return list(range(rows))


@dsl.component
def load(shard: int) -> int:
    return shard


@dsl.component
def add(numbers: List[int]) -> int:
    return sum(numbers)


@dsl.component
def load_all(rows: int) -> int:
    return rows


@dsl.pipeline
def loop_in_condition(rows: int = 3, parallel: bool = True, deep: bool = False):
    with dsl.If(parallel == True):
        split = shards(rows=rows)
        with dsl.ParallelFor(split.output) as shard:
            loaded = load(shard=shard)
        total = add(numbers=dsl.Collected(loaded.output))
        with dsl.If(total.output > 2):
            with dsl.ParallelFor(["a", "b"]):
                with dsl.If(deep == True):
                    with dsl.ParallelFor(split.output) as again:
                        load(shard=again)
    with dsl.Else():
        load_all(rows=rows)
