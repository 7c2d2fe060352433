"""Helper functions that travel with a component."""

from kfp import dsl


def square(x: int) -> int:
    # A comment that stays.
    return x * x


def text(x: int) -> str:
    return f"""
{x}
"""


@dsl.component(
    base_image="python:3.11",
    additional_funcs=[square, text],
)
def step(x: int) -> str:
    """Uses both."""

    def inner():
        return text(square(x))

    return inner()


@dsl.pipeline
def helpers():
    step(x=3)
