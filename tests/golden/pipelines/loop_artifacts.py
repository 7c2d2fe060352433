"""Artifacts made in loops: collected, joined, and looped over again."""

from typing import List

from kfp import dsl


@dsl.component
def extract(source: str, data: dsl.Output[dsl.Dataset], prefix: str = ""):
    with open(data.path, "w") as file:
        file.write(prefix + source)
    data.metadata["source"] = source


@dsl.component
def clean(data: dsl.Input[dsl.Dataset], cleaned: dsl.Output[dsl.Dataset], report: dsl.Output[dsl.Markdown]):
    with open(data.path) as file, open(cleaned.path, "w") as target:
        target.write(file.read().strip())


@dsl.component
def join(parts: dsl.Input[List[dsl.Dataset]], whole: dsl.Output[dsl.Dataset]) -> int:
    return len(parts)


@dsl.pipeline
def loop_artifacts(sources: List[str] = ["a", "b"]) -> List[dsl.Dataset]:
    with dsl.ParallelFor(sources) as source:
        extracted = extract(source=source)
        cleaned = clean(data=extracted.outputs["data"])
    joined = join(parts=dsl.Collected(cleaned.outputs["cleaned"]))
    with dsl.ParallelFor(["x", "y"]) as outer:
        with dsl.ParallelFor(sources) as inner:
            deep = extract(source=inner, prefix=outer)
        join(parts=dsl.Collected(deep.outputs["data"]))
    join(parts=dsl.Collected(deep.outputs["data"])).after(joined)
    return dsl.Collected(deep.outputs["data"])
