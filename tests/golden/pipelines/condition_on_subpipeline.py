"""Conditions on outputs of sub-pipelines, around sub-pipelines, and inside of them."""

from typing import NamedTuple

from kfp import dsl


@dsl.component
def fit(rows: int) -> float:
    return rows / 100


@dsl.component
def tune(score: float) -> float:
    return score + 0.1


@dsl.component
def publish(score: float, note: str = "tuned"):
    print(score, note)


@dsl.component
def rows_of(rows: int) -> int:
    return rows


@dsl.pipeline
def train(rows: int, least: float) -> NamedTuple("Trained", [("score", float), ("rows", int)]):
    first = fit(rows=rows)
    with dsl.If(first.output < least):
        tune(score=first.output)
    Trained = NamedTuple("Trained", [("score", float), ("rows", int)])
    return Trained(score=first.output, rows=rows_of(rows=rows).output)


@dsl.pipeline
def release(score: float):
    with dsl.If(score > 0.99, "perfect"):
        publish(score=score, note="perfect")
    with dsl.Else("usual"):
        publish(score=score)


@dsl.pipeline
def condition_on_subpipeline(rows: int = 50, least: float = 0.6):
    small = train(rows=rows, least=least)
    with dsl.If(small.outputs["score"] < least):
        large = train(rows=small.outputs["rows"], least=0.5)
        with dsl.If(large.outputs["score"] >= least):
            release(score=large.outputs["score"])
    with dsl.Else():
        release(score=small.outputs["score"])
    fit(rows=1).after(small)
