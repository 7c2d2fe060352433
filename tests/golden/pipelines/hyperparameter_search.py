"""A search as people write it: a grid, a fit for each, the best one trained on all and served if it is good."""

from typing import Dict, List, NamedTuple

from kfp import dsl


@dsl.component(packages_to_install=["scikit-learn"])
def split(rows: int, train: dsl.Output[dsl.Dataset], test: dsl.Output[dsl.Dataset]):
    print(rows)


@dsl.component
def grid(depths: List[int], rates: List[float]) -> List[Dict[str, float]]:
    return [{"depth": float(depth), "rate": rate} for depth in depths for rate in rates]


@dsl.component
def fit(data: dsl.Input[dsl.Dataset], depth: float, rate: float, model: dsl.Output[dsl.Model]) -> NamedTuple(
    "Fitted", [("score", float), ("name", str)]
):
    Fitted = NamedTuple("Fitted", [("score", float), ("name", str)])
    return Fitted(depth * rate, f"{depth}-{rate}")


@dsl.component
def choose(scores: List[float], names: List[str], models: dsl.Input[List[dsl.Model]]) -> float:
    return max(scores)


@dsl.component
def serve(score: float):
    print(score)


@dsl.component
def give_up(score: float):
    print(score)


@dsl.pipeline
def hyperparameter_search(
    rows: int = 1000, depths: List[int] = [2, 4], rates: List[float] = [0.1, 0.3], least: float = 0.8
) -> float:
    parts = split(rows=rows)
    candidates = grid(depths=depths, rates=rates)
    with dsl.ParallelFor(candidates.output, parallelism=4, name="search") as candidate:
        fitted = fit(data=parts.outputs["train"], depth=candidate.depth, rate=candidate.rate)
        fitted.set_cpu_limit("1").set_retry(1)
    best = choose(
        scores=dsl.Collected(fitted.outputs["score"]),
        names=dsl.Collected(fitted.outputs["name"]),
        models=dsl.Collected(fitted.outputs["model"]),
    )
    with dsl.If(best.output >= least):
        serve(score=best.output)
    with dsl.Else():
        give_up(score=best.output)
    return best.output
