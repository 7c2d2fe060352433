"""Sub-pipelines in loops, with loops of their own, and lists out of them."""

from typing import List

from kfp import dsl


@dsl.component
def fold(model: str, number: int) -> float:
    return len(model) / number


@dsl.component
def mean(numbers: List[float]) -> float:
    return sum(numbers) / len(numbers)


@dsl.component
def models(best: int) -> List[str]:
    return ["tree", "forest", "boost"][:best]


@dsl.pipeline
def cross_validate(model: str, folds: List[int] = [1, 2, 3]) -> float:
    with dsl.ParallelFor(folds) as number:
        score = fold(model=model, number=number)
    return mean(numbers=dsl.Collected(score.output)).output


@dsl.pipeline
def candidates(best: int = 2) -> List[str]:
    return models(best=best).output


@dsl.pipeline
def loop_with_subpipelines(best: int = 3) -> float:
    found = candidates(best=best)
    with dsl.ParallelFor(found.output) as model:
        validated = cross_validate(model=model)
        again = cross_validate(model=model, folds=[1, 2]).after(validated)
        mean(numbers=[1.0]).after(again)
    return mean(numbers=dsl.Collected(validated.output)).output
