"""Pipelines in pipelines in pipelines, with artifacts in and out."""

from typing import NamedTuple

from kfp import dsl


@dsl.component
def make(rows: int) -> dsl.Dataset:
    return dsl.Dataset()


@dsl.component
def fit(data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]) -> float:
    return 0.5


@dsl.pipeline
def inner(data: dsl.Input[dsl.Dataset]) -> NamedTuple("Fitted", [("model", dsl.Model), ("score", float)]):
    fitted = fit(data=data)
    Fitted = NamedTuple("Fitted", [("model", dsl.Model), ("score", float)])
    return Fitted(model=fitted.outputs["model"], score=fitted.outputs["Output"])


@dsl.pipeline
def middle(rows: int = 7) -> NamedTuple("Outputs", [("model", dsl.Model), ("score", float)]):
    made = make(rows=rows)
    fitted = inner(data=made.output)
    Outputs = NamedTuple("Outputs", [("model", dsl.Model), ("score", float)])
    return Outputs(fitted.outputs["model"], fitted.outputs["score"])


@dsl.component
def report(model: dsl.Input[dsl.Model], score: float):
    print(score)


@dsl.pipeline
def nested_deep(rows: int):
    result = middle(rows=rows)
    middle()
    report(model=result.outputs["model"], score=result.outputs["score"])
