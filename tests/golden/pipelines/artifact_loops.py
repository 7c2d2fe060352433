"""Loops over lists of artifacts."""

from typing import List

from kfp import dsl


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    return x


@dsl.component
def look(data: dsl.Input[dsl.Dataset]) -> dsl.Dataset:
    return dsl.Dataset()


@dsl.pipeline
def artifact_loops(parts: dsl.Input[List[dsl.Dataset]]):
    with dsl.ParallelFor(items=parts) as part:
        look(data=part)
