"""NamedTuple outputs of parameters and artifacts, together with an output argument."""

from typing import NamedTuple

from kfp import dsl


@dsl.component
def split(rows: int, log: dsl.Output[dsl.Markdown]) -> NamedTuple(
    "Parts", [("train", dsl.Dataset), ("rows_left", int), ("ratio", float), ("names", list)]
):
    print(rows)


@dsl.component
def use(data: dsl.Input[dsl.Dataset], rows: int, ratio: float, names: list) -> str:
    return str(rows)


@dsl.pipeline(name="named-outputs")
def named_outputs(rows: int = 10):
    parts = split(rows=rows)
    use(
        data=parts.outputs["train"],
        rows=parts.outputs["rows_left"],
        ratio=parts.outputs["ratio"],
        names=parts.outputs["names"],
    )
