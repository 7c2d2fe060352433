"""Loops over lists of artifacts: of a sub-pipeline, of a sub-pipeline's input, with artifacts from each."""

from typing import List

from kfp import dsl


@dsl.component
def extract(source: str, data: dsl.Output[dsl.Dataset]):
    with open(data.path, "w") as file:
        file.write(source)


@dsl.component
def clean(data: dsl.Input[dsl.Dataset], cleaned: dsl.Output[dsl.Dataset]) -> int:
    with open(data.path) as file, open(cleaned.path, "w") as target:
        return target.write(file.read().upper())


@dsl.component
def join(parts: dsl.Input[List[dsl.Dataset]], sizes: List[int]) -> int:
    return sum(sizes) + len(parts)


@dsl.pipeline
def extract_all(sources: List[str]) -> List[dsl.Dataset]:
    with dsl.ParallelFor(sources) as source:
        extracted = extract(source=source)
    return dsl.Collected(extracted.outputs["data"])


@dsl.pipeline
def clean_all(parts: dsl.Input[List[dsl.Dataset]]) -> int:
    with dsl.ParallelFor(parts, parallelism=2) as part:
        cleaned = clean(data=part)
    return join(
        parts=dsl.Collected(cleaned.outputs["cleaned"]), sizes=dsl.Collected(cleaned.outputs["Output"])
    ).output


@dsl.pipeline
def loop_over_artifacts(sources: List[str] = ["a", "b"]) -> int:
    extracted = extract_all(sources=sources)
    with dsl.ParallelFor(items=extracted.output) as part:
        clean(data=part)
    return clean_all(parts=extracted.output).output
