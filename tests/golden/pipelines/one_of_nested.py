"""Whichever of branches within branches, from a sub-pipeline, in use outside."""

from kfp import dsl


@dsl.component
def fit_linear() -> dsl.Model:
    return dsl.Model()


@dsl.component
def fit_net() -> dsl.Model:
    return dsl.Model()


@dsl.component
def fit_tree() -> dsl.Model:
    return dsl.Model()


@dsl.component
def score(model: dsl.Input[dsl.Model]) -> float:
    return 0.5


@dsl.component
def serve(model: dsl.Input[dsl.Model]):
    print(model.uri)


@dsl.pipeline
def flexible(deep: bool) -> dsl.Model:
    with dsl.If(deep == True):
        net = fit_net()
    with dsl.Else():
        tree = fit_tree()
    return dsl.OneOf(net.output, tree.output)


@dsl.pipeline
def choose(kind: str, deep: bool) -> dsl.Model:
    with dsl.If(kind == "linear"):
        linear = fit_linear()
    with dsl.Else():
        other = flexible(deep=deep)
    return dsl.OneOf(linear.output, other.output)


@dsl.pipeline
def one_of_nested(kind: str = "tree", deep: bool = False, least: float = 0.4):
    chosen = choose(kind=kind, deep=deep)
    with dsl.If(score(model=chosen.output).output > least):
        serve(model=chosen.output)
