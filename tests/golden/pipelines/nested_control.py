"""Blocks in pipelines that are used as components, beside blocks of the same names."""

from kfp import dsl


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    return x


@dsl.pipeline
def inner(n: int, kind: str = "a") -> int:
    first = step(x=n)
    with dsl.If(kind == "a"), dsl.ParallelFor([1, 2]) as i:
        step(x=i, s=kind)
    return first.output


@dsl.pipeline
def nested_control(n: int = 1):
    with dsl.If(n > 0):
        inner(n=n)
    with dsl.ParallelFor([1, 2]) as i:
        inner(n=i, kind="b")
