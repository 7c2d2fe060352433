"""Conditions in conditions in conditions, on what was worked out on the way in."""

from kfp import dsl


@dsl.component
def profile(rows: int) -> int:
    return rows


@dsl.component
def clean(rows: int) -> int:
    return rows // 2


@dsl.component
def train(rows: int) -> float:
    return 1 - 1 / rows


@dsl.component
def deploy(score: float):
    print(score)


@dsl.component
def complain(why: str):
    print(why)


@dsl.pipeline
def condition_nested(rows: int = 100, live: bool = True):
    with dsl.If(rows > 0):
        profiled = profile(rows=rows)
        with dsl.If(profiled.output >= 10):
            cleaned = clean(rows=profiled.output)
            trained = train(rows=cleaned.output)
            with dsl.If(trained.output > 0.9):
                with dsl.If(live == True):
                    deploy(score=trained.output)
            with dsl.Else():
                complain(why="the model is poor")
        with dsl.Else():
            complain(why="few rows")
    with dsl.Else():
        complain(why="no rows")
