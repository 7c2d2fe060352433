"""Items of loops on the right side of comparisons: Python asks them first there, and so do the documents."""

from kfp import dsl


@dsl.component
def count() -> int:
    return 2


@dsl.component
def step(name: str):
    print(name)


@dsl.pipeline
def condition_items_right(least: int = 2, name: str = "b"):
    most = count()
    with dsl.ParallelFor([1, 2, 3]) as number:
        with dsl.If(least != number):
            step(name="other")
        with dsl.If(least <= number):
            step(name="enough")
        with dsl.If(2 < number):
            step(name="more")
        with dsl.If(most.output > number):
            step(name="below")
        with dsl.Elif(most.output == number):
            step(name="equal")
        with dsl.Else():
            step(name="above")
    with dsl.ParallelFor([{"title": "a"}, {"title": "b"}]) as item:
        with dsl.If(name == item.title):
            step(name="found")
