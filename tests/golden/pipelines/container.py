"""Container components: parameters, artifacts and output files in the command line."""

from kfp import dsl


@dsl.container_component
def convert(
    text: str,
    times: int,
    data: dsl.Input[dsl.Dataset],
    out: dsl.Output[dsl.Dataset],
    note: dsl.OutputPath(str),
    many: dsl.Input[list[dsl.Dataset]] = None,
):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=["sh", "-c", f"echo {text} > $1; cp $2 $3", "--"],
        args=[
            note,
            data.path,
            out.path,
            data.uri,
            f"{out.uri}/part",
            data.metadata["rows"],
            data.metadata,
            f"--times={times}",
            times,
            dsl.IfPresentPlaceholder(input_name="many", then=["--many", many]),
        ],
    )


@dsl.container_component
def bare():
    return dsl.ContainerSpec(image="hello-world", args=["echo", "hello"])


@dsl.container_component
def make(data: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec("alpine", ["touch", data.path])


@dsl.component
def describe(data: dsl.Input[dsl.Dataset], described: dsl.Output[dsl.Dataset]):
    with open(data.path) as file, open(described.path, "w") as target:
        target.write(file.read() or "a row")
    described.metadata["rows"] = 1


@dsl.pipeline
def containers(text: str = "hi"):
    made = make()
    described = describe(data=made.outputs["data"])
    convert(text=text, times=2, data=described.outputs["described"]).after(bare())
