"""Concatenated and optional parts of command lines."""

from kfp import dsl
from kfp.dsl import ConcatPlaceholder, IfPresentPlaceholder


@dsl.container_component
def run(
    name: str,
    data: dsl.Output[dsl.Dataset],
    flag: str = "",
    level: int = 1,
    model: dsl.Input[dsl.Model] = None,
):
    return dsl.ContainerSpec(
        image="alpine",
        command=["echo", ConcatPlaceholder(["--name=", name, "-", level, "@", data.uri])],
        args=[
            IfPresentPlaceholder(input_name="flag", then=["--flag", flag], else_=["--no-flag"]),
            IfPresentPlaceholder(input_name="level", then=level),
            IfPresentPlaceholder(
                input_name="model",
                then=[
                    "--model",
                    ConcatPlaceholder(["file:", IfPresentPlaceholder("flag", then=flag, else_="x")]),
                ],
                else_=[IfPresentPlaceholder(input_name="flag", then=[data.path])],
            ),
        ],
    )


@dsl.pipeline
def container_placeholders():
    run(name="a")
    run(name="b", flag="on", level=3)
