"""The value of whichever branch ran, as a parameter and as an artifact, used and returned."""

from kfp import dsl


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    return x


@dsl.component
def make(x: int) -> dsl.Dataset:
    return dsl.Dataset()


@dsl.component
def use(data: dsl.Input[dsl.Dataset]):
    print(data.uri)


@dsl.pipeline
def one_of(kind: str = "a") -> int:
    with dsl.If(kind == "a"):
        a = step(x=1)
        a_data = make(x=1)
    with dsl.Elif(kind == "b"):
        b = step(x=2)
        b_data = make(x=2)
    with dsl.Else():
        c = step(x=3)
        c_data = make(x=3)
    chosen = dsl.OneOf(a.output, b.output, c.output)
    step(x=chosen)
    use(data=dsl.OneOf(a_data.output, b_data.output, c_data.output))
    return chosen
