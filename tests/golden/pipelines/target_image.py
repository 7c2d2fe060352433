"""Containerised Python components: the function lies in the image."""

from kfp import dsl


@dsl.component(base_image="python:3.11", target_image="registry.example/train:1")
def train(rows: int, model: dsl.Output[dsl.Model]) -> float:
    return 1.0


@dsl.component(target_image="registry.example/train:1", packages_to_install=["numpy"])
def score(model: dsl.Input[dsl.Model]) -> float:
    return 1.0


@dsl.pipeline
def target_image(rows: int = 5):
    score(model=train(rows=rows).outputs["model"])
