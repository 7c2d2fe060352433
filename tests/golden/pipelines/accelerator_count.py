"""A number of accelerators, and no word of which: compiled, and refused."""

from kfp import dsl


@dsl.component
def step(x: int = 1) -> int:
    return x


@dsl.pipeline
def accelerator_count():
    step().set_accelerator_limit(3)
