"""Placeholders in any place of a command line: first word, inside of words, more than one, metadata."""

from kfp import dsl
from kfp.dsl import ConcatPlaceholder, IfPresentPlaceholder

RUN = 'mkdir -p "$(dirname "$1")" "$(dirname "$3")"; wc -l < "$2" > "$1"; cp "$2" "$3"; shift 3; echo "$@"'


@dsl.container_component
def make(text: str, data: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=["sh", "-c", 'mkdir -p "$(dirname "$1")"; echo "$0" > "$1"'],
        args=[text, data.path],
    )


@dsl.container_component
def run(
    program: str,
    data: dsl.Input[dsl.Dataset],
    copy: dsl.Output[dsl.Dataset],
    lines: dsl.OutputPath(int),
    ratio: float = 0.5,
    table: dict = {"a": [1, True]},
    words: list = ["x"],
    verbose: bool = False,
    label: str = None,
):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=[program, "-ec", RUN, program, lines, data.path, copy.path, f"--to={copy.path}:{copy.uri}"],
        args=[
            f"{ratio}/{verbose}",
            table,
            words,
            f"table={table}",
            ConcatPlaceholder([program, "=", ConcatPlaceholder([ratio, ",", ratio])]),
            IfPresentPlaceholder(
                "label", then=["--label", ConcatPlaceholder(["<", label, ">"])], else_=["--plain"]
            ),
        ],
    )


@dsl.container_component
def describe(data: dsl.Input[dsl.Dataset]):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=["echo", data.metadata["rows"]],
        args=[f"{data.uri}?{data.metadata['owner']}", data.metadata["tags"]],
    )


@dsl.pipeline
def placeholders_anywhere(program: str = "sh", text: str = "a $(b) `c` {{d}}"):
    made = make(text=text)
    run(program=program, data=made.outputs["data"])
    run(program="/bin/sh", data=made.outputs["data"], ratio=1.0, label="l", words=[], verbose=True)
    imported = dsl.importer(
        artifact_uri="warehouse://sales/data.csv",
        artifact_class=dsl.Dataset,
        metadata={"rows": 3, "owner": "me", "tags": ["a", "b"]},
    )
    describe(data=imported.output)
