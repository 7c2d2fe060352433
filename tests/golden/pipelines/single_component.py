"""A component that is compiled by itself."""

from kfp import dsl


@dsl.component
def train(rows: int, data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model], lr: float = 0.1) -> float:
    """Train.

    Args:
        rows: how many.
    """
    return lr
