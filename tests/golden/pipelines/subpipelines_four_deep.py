"""Four levels of sub-pipelines; an order between them that no data makes."""

from kfp import dsl


@dsl.component
def add(x: int, y: int = 1) -> int:
    return x + y


@dsl.pipeline
def level_three(x: int) -> int:
    first = add(x=x)
    return add(x=first.output, y=first.output).output


@dsl.pipeline
def level_two(x: int, y: int = 2) -> int:
    left = level_three(x=x)
    right = level_three(x=y).after(left)
    return add(x=left.output, y=right.output).output


@dsl.pipeline
def level_one(x: int) -> int:
    deep = level_two(x=x)
    add(x=0).after(deep)
    return deep.output


@dsl.pipeline
def subpipelines_four_deep(x: int = 1) -> int:
    one = level_one(x=x)
    two = level_one(x=one.output)
    add(x=5).after(one, two)
    return level_two(x=two.output, y=x).output
