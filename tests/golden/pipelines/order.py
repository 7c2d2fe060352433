"""Order without data: a diamond, and names that repeat."""

from kfp import dsl


@dsl.component
def step(x: int = 1) -> int:
    return x


@dsl.component
def Other_Step_2(x: int = 1) -> int:
    return x


@dsl.pipeline(name="order")
def order():
    first = step()
    left = step().after(first)
    right = step(x=first.output).after(first)
    last = step(x=2)
    last.after(left, right)
    Other_Step_2().after(last)
    Other_Step_2(x=last.output)
