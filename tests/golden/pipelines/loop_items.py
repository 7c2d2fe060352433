"""Loops over constants and inputs, of every type."""

from typing import List

from kfp import dsl


@dsl.component
def show_text(text: str):
    print(text)


@dsl.component
def show_int(number: int):
    print(number)


@dsl.component
def show_float(number: float):
    print(number)


@dsl.component
def show_dict(values: dict):
    print(values)


@dsl.pipeline
def loop_items(nothing: List[str] = [], rates: List[float] = [0.1, 1.0]):
    with dsl.ParallelFor(["a", "b c", "é ☃"]) as letter:
        show_text(text=letter)
    with dsl.ParallelFor([1, 20, 300]) as number:
        show_int(number=number)
    with dsl.ParallelFor([0.5, 1.5]) as ratio:
        show_float(number=ratio)
    with dsl.ParallelFor([{"label": "a", "tag": "x"}, {"label": "b", "tag": ""}]) as entry:
        show_dict(values=entry)
        show_text(text=entry.label)
    with dsl.ParallelFor(nothing) as each:
        show_text(text=each)
    with dsl.ParallelFor(rates) as rate:
        show_float(number=rate)
