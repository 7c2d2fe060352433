"""Descriptions from docstrings in Google's style."""

from typing import NamedTuple

from kfp import dsl


@dsl.component
def train(rows: int, data: dsl.Input[dsl.Dataset], model: dsl.Output[dsl.Model]) -> NamedTuple(
    "Out", [("score", float)]
):
    """Train a model.

    It takes
    some time.

    Args:
        rows: how many rows: at most all,
            at least one.
        data (Dataset): the data.

    Returns:
        score: how good it is.
        model: the model
            itself.
    """
    print(rows)


@dsl.component
def make() -> dsl.Dataset:
    """Make data."""
    return dsl.Dataset()


@dsl.pipeline(name="docstrings")
def docstrings(rows: int = 5):
    """Train on made data.
    Every night.

    A longer text
    in two lines.

    Args:
        rows: the number of rows.
    """
    train(rows=rows, data=make().output)
