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
    contents = {note: text, number: "3", table: "a,b", model: "weights", unknown: "c,d", plain: "e"}
    for path, content in contents.items():
        with open(path, "w") as file:
            file.write(content)


@dsl.component
def read(
    table: InputPath("Dataset"), model: InputPath(dsl.Model), unknown: InputPath(), note: str, number: int
):
    for path in (table, model, unknown):
        with open(path) as file:
            print(file.read(), note, number)


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
