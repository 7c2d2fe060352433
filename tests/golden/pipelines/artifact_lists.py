"""Lists of artifacts, from the pipeline's inputs."""

from typing import List

from kfp import dsl


@dsl.component
def join(parts: dsl.Input[List[dsl.Dataset]]) -> dsl.Dataset:
    return dsl.Dataset()


@dsl.component
def count(parts: List[dsl.Artifact]) -> int:
    return len(parts)


@dsl.pipeline
def artifact_lists(parts: dsl.Input[List[dsl.Dataset]]):
    join(parts=parts)
    count(parts=parts)
