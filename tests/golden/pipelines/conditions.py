"""If, Elif and Else, on outputs and pipeline inputs of every type, nested and named."""

from kfp import dsl


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    return x


@dsl.component
def ratio() -> float:
    return 0.5


@dsl.component
def flag() -> bool:
    return True


@dsl.pipeline
def conditions(kind: str = "a", on: bool = True, n: int = 3):
    first = step()
    with dsl.If(first.output == 1, name="one"):
        step(x=first.output)
    with dsl.Elif(kind != "b"):
        step(x=n)
        with dsl.If(on == True):
            step(x=5)
    with dsl.Else():
        step(x=7)
    with dsl.If(ratio().output > 1):
        step(x=n, s=f"{kind} and {n}")
    with dsl.If(n <= 2.5):
        step()
    with dsl.If(first.output < n):
        step()
    with dsl.If(kind == "x"):
        step()
    with dsl.If(flag().output == False):
        step()
    with dsl.If(n >= first.output, "named"):
        with dsl.If(kind == "c"):
            step()
        with dsl.Else():
            step(x=first.output)
