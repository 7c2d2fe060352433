"""Settings of a sub-pipeline: retries and caching hold for the steps inside that have none of their own."""

from kfp import dsl


@dsl.component
def step(x: int = 1) -> int:
    return x


@dsl.pipeline
def inner():
    step()
    step(x=2).set_retry(1)
    step(x=3).set_caching_options(False)


@dsl.pipeline
def outer():
    inner().set_retry(5)
    step(x=4)


@dsl.pipeline
def subpipeline_settings():
    outer().set_caching_options(False)
    outer().set_retry(2, backoff_duration="10s").set_display_name("Again")
