"""Values from outside of blocks, several blocks deep, as arguments and in text; KFP's SDK loses them."""

from typing import Dict, List

from kfp import dsl


@dsl.component
def say(text: str) -> str:
    return text


@dsl.component
def add(numbers: List[int]) -> int:
    return sum(numbers)


@dsl.component
def tables(count: int) -> List[Dict[str, str]]:
    return [{"label": f"table-{number}", "key": "id"} for number in range(count)]


@dsl.pipeline
def outer_values(numbers: List[int] = [1, 2], word: str = "so", count: int = 2):
    said = say(text=word)
    with dsl.ParallelFor(numbers) as number:
        with dsl.If(number == 1):
            say(text=word)
        with dsl.Else():
            add(numbers=numbers)
        with dsl.If(count == 2):
            with dsl.If(number > 1):
                say(text=word)
                say(text=said.output)
    made = tables(count=count)
    with dsl.ParallelFor(made.output) as table:
        say(text=f"{table.label} has {table.key}")
        with dsl.If(table.key == "id"):
            with dsl.ParallelFor(numbers) as number:
                say(text=f"{number} of {table.label}")
