"""A long chain of Elif, with a value from whichever branch ran."""

from kfp import dsl


@dsl.component
def grade(score: int) -> str:
    return "ABCDF"[min(4, (100 - score) // 10)]


@dsl.component
def praise(name: str, words: str) -> str:
    return f"{words}, {name}"


@dsl.component
def send(letter: str):
    print(letter)


@dsl.pipeline
def condition_chain(name: str = "Ada", score: int = 84):
    mark = grade(score=score).output
    with dsl.If(mark == "A"):
        best = praise(name=name, words="Splendid")
    with dsl.Elif(mark == "B"):
        good = praise(name=name, words="Well done")
    with dsl.Elif(mark == "C"):
        fair = praise(name=name, words="Not bad")
    with dsl.Elif(score > 50):
        poor = praise(name=name, words="Passed")
    with dsl.Else():
        failed = praise(name=name, words="Once more")
    send(letter=dsl.OneOf(best.output, good.output, fair.output, poor.output, failed.output))
