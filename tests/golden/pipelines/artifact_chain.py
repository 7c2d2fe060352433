"""One artifact through many hands: of a type, of any type, by path, through a sub-pipeline and back."""

from kfp import dsl
from kfp.dsl import InputPath, OutputPath


@dsl.component
def make(rows: int) -> dsl.Dataset:
    data = dsl.Dataset(uri=dsl.get_uri(suffix="data"))
    with open(data.path, "w") as file:
        file.write("row\n" * rows)
    return data


@dsl.component
def copy(data: dsl.Input[dsl.Artifact], copied: dsl.Output[dsl.Dataset]):
    copied.metadata["copy_of"] = data.uri
    with open(data.path) as source, open(copied.path, "w") as target:
        target.write(source.read())


@dsl.component
def by_path(data: InputPath("Dataset"), out: OutputPath("Dataset")):
    with open(data) as file, open(out, "w") as target:
        target.write(file.read())


@dsl.container_component
def pack(data: dsl.Input[dsl.Dataset], packed: dsl.Output[dsl.Artifact]):
    return dsl.ContainerSpec("alpine:3.20", ["cp", data.path], [packed.path])


@dsl.pipeline
def twice(data: dsl.Input[dsl.Dataset]) -> dsl.Dataset:
    once = copy(data=data)
    return copy(data=once.outputs["copied"]).outputs["copied"]


@dsl.pipeline
def artifact_chain(rows: int = 5) -> dsl.Dataset:
    made = make(rows=rows)
    copied = twice(data=made.output)
    moved = by_path(data=copied.output)
    pack(data=moved.outputs["out"])
    return twice(data=moved.outputs["out"]).output
