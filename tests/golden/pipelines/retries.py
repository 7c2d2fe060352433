"""Retries with every setting, in a sub-pipeline, a loop and a branch."""

from kfp import dsl


@dsl.component
def flaky(x: int = 1) -> int:
    return x


@dsl.pipeline
def inner(x: int):
    flaky(x=x).set_retry(num_retries=4)


@dsl.pipeline
def retries(on: bool = True):
    flaky()
    flaky(x=2).set_retry(1)
    flaky(x=3).set_retry(2, backoff_duration="90s")
    flaky(x=4).set_retry(3, backoff_duration="5m", backoff_factor=3.0, backoff_max_duration="1h")
    inner(x=5)
    with dsl.ParallelFor([1, 2]) as i:
        flaky(x=i).set_retry(2, backoff_duration="1s", backoff_factor=1.0)
    with dsl.If(on == True):
        flaky(x=6).set_retry(0)
