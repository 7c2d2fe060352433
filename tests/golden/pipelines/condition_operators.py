"""Every operator, between values of every type: constants, inputs and outputs on either side."""

from kfp import dsl


@dsl.component
def measure(rows: int = 10) -> float:
    return rows / 3


@dsl.component
def count() -> int:
    return 4


@dsl.component
def word() -> str:
    return "b"


@dsl.component
def is_weekend() -> bool:
    return False


@dsl.component
def note(text: str):
    print(text)


@dsl.pipeline
def condition_operators(limit: float = 0.5, most: int = 3, name: str = "it's", fast: bool = False):
    score, rows, letter, weekend = measure().output, count().output, word().output, is_weekend().output
    with dsl.If(rows == 4, "int-equal"):
        note(text="rows == 4")
    with dsl.If(rows != most, "int-unequal"):
        note(text="rows != most")
    with dsl.If(rows < 4.5, "int-below-float"):
        note(text="rows < 4.5")
    with dsl.If(score <= rows, "float-at-most-int"):
        note(text="score <= rows")
    with dsl.If(score > limit, "float-above-input"):
        note(text="score > limit")
    with dsl.If(score >= 3, "float-at-least-int"):
        note(text="score >= 3")
    with dsl.If(letter == "b", "text-equal"):
        note(text="letter == b")
    with dsl.If(letter < name, "text-before"):
        note(text="letter < name")
    with dsl.If(name != "", "text-not-empty"):
        note(text="name is given")
    with dsl.If(weekend == False, "bool-equal"):
        note(text="a weekday")
    with dsl.If(fast != True, "bool-unequal"):
        note(text="slow")
    with dsl.If(most >= -1, "negative"):
        note(text="most >= -1")
    with dsl.If(5 > most, "constant-first"):
        note(text="most < 5")
