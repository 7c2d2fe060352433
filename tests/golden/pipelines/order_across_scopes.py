"""Order without data between loops, conditions, exit handlers and sub-pipelines."""

from kfp import dsl


@dsl.component
def step(name: str = "") -> str:
    return name


@dsl.component
def part(name: str):
    print(name)


@dsl.component
def rest():
    print("rest")


@dsl.component
def tidy():
    print("tidy")


@dsl.pipeline
def two_steps(name: str):
    first = part(name=name)
    rest().after(first)


@dsl.pipeline
def order_across_scopes(on: bool = True):
    start = step(name="start")
    group = two_steps(name="group").after(start)
    with dsl.ParallelFor([1, 2]) as _:
        looped = step(name="looped").after(group)
        step(name="in turn").after(looped)
    with dsl.If(on == True):
        chosen = step(name="chosen").after(group)
        step(name="next").after(chosen)
    exit_task = tidy()
    with dsl.ExitHandler(exit_task) as guarded:
        step(name="guarded")
    step(name="after the handler").after(guarded)
