"""Conditions: chains, in loops and around them, and what comes after: OneOf, Collected, steps that wait."""

from typing import List

from tradewind import dsl


@dsl.component
def flip(number: int) -> str:
    return "heads" if number % 2 else "tails"


@dsl.component
def say(text: str, said: dsl.Output[dsl.Dataset]) -> str:
    with open(said.path, "w") as file:
        file.write(text)
    return text


@dsl.component
def read(said: dsl.Input[dsl.Dataset]) -> str:
    with open(said.path) as file:
        return file.read()


@dsl.component
def read_all(said: dsl.Input[List[dsl.Dataset]], texts: List[str]) -> str:
    found = []
    for one in said:
        with open(one.path) as file:
            found.append(file.read())
    return f"{found} {texts}"


@dsl.pipeline
def one_of(side: str) -> str:
    with dsl.If(side == "heads"):
        first = say(text="it is heads")
    with dsl.Elif(side == "tails"):
        second = say(text="it is tails")
    with dsl.Else():
        third = say(text="it is neither")
    read(said=dsl.OneOf(first.outputs["said"], second.outputs["said"], third.outputs["said"]))
    return dsl.OneOf(first.outputs["Output"], second.outputs["Output"], third.outputs["Output"])


@dsl.pipeline(name="conditions")
def pipeline(numbers: List[int] = [1, 2, 3], wanted: str = "heads") -> str:
    side = flip(number=3)
    chosen = one_of(side=side.output)
    after = say(text=chosen.output)
    with dsl.If(side.output == "tails"):
        not_taken = say(text="never")
        with dsl.ParallelFor(numbers) as number:
            flip(number=number)
        say(text="waits for it").after(not_taken)
    with dsl.If(after.outputs["Output"] == "it is heads"):
        with dsl.ParallelFor(numbers) as number:
            tossed = flip(number=number)
            with dsl.If(tossed.output == wanted):
                told = say(text=tossed.output)
                with dsl.ParallelFor([10, 20]) as other:
                    with dsl.If(other > 10):
                        with dsl.If(tossed.output == "heads"):
                            flip(number=other)
        summary = read_all(
            said=dsl.Collected(told.outputs["said"]), texts=dsl.Collected(told.outputs["Output"])
        )
        say(text=summary.output)
    return chosen.output
