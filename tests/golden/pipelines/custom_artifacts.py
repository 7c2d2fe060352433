"""Artifact classes of one's own."""

from _custom_artifact_classes import Embedding, Shard
from kfp import dsl


@dsl.component
def embed(text: str, vectors: dsl.Output[Embedding]) -> Shard:
    return Shard()


@dsl.component
def look(vectors: dsl.Input[Embedding], shard: dsl.Input[dsl.Artifact]):
    print(vectors.uri)


@dsl.pipeline
def custom_artifacts():
    embedded = embed(text="x")
    look(vectors=embedded.outputs["vectors"], shard=embedded.outputs["Output"])
