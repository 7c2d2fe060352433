"""InputPath and OutputPath of parameters and artifacts."""

from kfp import dsl
from kfp.dsl import InputPath, OutputPath


@dsl.component
def write(
    text: str,
    note: OutputPath(str),
    number: OutputPath("Integer"),
    table: OutputPath("Dataset"),
    model: OutputPath(dsl.Model),
    unknown: OutputPath("CSV"),
    plain: OutputPath(),
):
    print(text)


@dsl.component
def read(
    table: InputPath("Dataset"), model: InputPath(dsl.Model), unknown: InputPath(), note: str, number: int
):
    print(table)


@dsl.pipeline
def paths(text: str = "hello"):
    written = write(text=text)
    read(
        table=written.outputs["table"],
        model=written.outputs["model"],
        unknown=written.outputs["unknown"],
        note=written.outputs["note"],
        number=written.outputs["number"],
    )
