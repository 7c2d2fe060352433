"""NamedTuple outputs of parameters and artifacts, together with an output argument."""

from typing import NamedTuple

from kfp import dsl


@dsl.component
def split(rows: int, log: dsl.Output[dsl.Markdown]) -> NamedTuple(
    "Parts", [("train", dsl.Dataset), ("rows_left", int), ("ratio", float), ("names", list)]
):
    train = dsl.Dataset(uri=dsl.get_uri("train"), metadata={"rows": rows // 2})
    with open(train.path, "w") as file:
        file.write("row\n" * (rows // 2))
    with open(log.path, "w") as file:
        file.write(f"# {rows} rows")
    Parts = NamedTuple(
        "Parts", [("train", dsl.Dataset), ("rows_left", int), ("ratio", float), ("names", list)]
    )
    return Parts(train, rows - rows // 2, 0.5, ["a", "b"])


@dsl.component
def use(data: dsl.Input[dsl.Dataset], rows: int, ratio: float, names: list) -> str:
    with open(data.path) as file:
        return f"{len(file.readlines())} {rows} {ratio} {names} {data.metadata}"


@dsl.pipeline(name="named-outputs")
def named_outputs(rows: int = 10):
    parts = split(rows=rows)
    use(
        data=parts.outputs["train"],
        rows=parts.outputs["rows_left"],
        ratio=parts.outputs["ratio"],
        names=parts.outputs["names"],
    )
