"""Outputs of every kind out of sub-pipelines, one level and two."""

from typing import List, NamedTuple

from kfp import dsl


@dsl.component
def describe(name: str, page: dsl.Output[dsl.HTML]) -> NamedTuple(
    "Description",
    [("text", str), ("size", int), ("ratio", float), ("on", bool), ("tags", list), ("table", dict)],
):
    Description = NamedTuple(
        "Description",
        [("text", str), ("size", int), ("ratio", float), ("on", bool), ("tags", list), ("table", dict)],
    )
    return Description(name, len(name), 0.5, True, [name], {"name": name})


@dsl.component
def letter(name: str) -> dsl.Dataset:
    return dsl.Dataset()


@dsl.component
def show(text: str, size: int, ratio: float, on: bool, tags: list, table: dict, page: dsl.Input[dsl.HTML]):
    print(text, size, ratio, on, tags, table, page.uri)


@dsl.component
def count(letters: dsl.Input[List[dsl.Dataset]]) -> int:
    return len(letters)


Everything = NamedTuple(
    "Everything",
    [
        ("text", str),
        ("size", int),
        ("ratio", float),
        ("on", bool),
        ("tags", list),
        ("table", dict),
        ("page", dsl.HTML),
        ("letters", List[dsl.Dataset]),
    ],
)


@dsl.pipeline
def inner(name: str) -> Everything:
    described = describe(name=name)
    with dsl.ParallelFor(["a", "b"]) as each:
        written = letter(name=each)
    return Everything(
        text=described.outputs["text"],
        size=described.outputs["size"],
        ratio=described.outputs["ratio"],
        on=described.outputs["on"],
        tags=described.outputs["tags"],
        table=described.outputs["table"],
        page=described.outputs["page"],
        letters=dsl.Collected(written.output),
    )


@dsl.pipeline
def middle(name: str) -> Everything:
    made = inner(name=name)
    return Everything(
        text=made.outputs["text"],
        size=made.outputs["size"],
        ratio=made.outputs["ratio"],
        on=made.outputs["on"],
        tags=made.outputs["tags"],
        table=made.outputs["table"],
        page=made.outputs["page"],
        letters=made.outputs["letters"],
    )


@dsl.pipeline
def subpipeline_outputs(name: str = "x"):
    made = middle(name=name)
    show(
        text=made.outputs["text"],
        size=made.outputs["size"],
        ratio=made.outputs["ratio"],
        on=made.outputs["on"],
        tags=made.outputs["tags"],
        table=made.outputs["table"],
        page=made.outputs["page"],
    )
    count(letters=made.outputs["letters"])
