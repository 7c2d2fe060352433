"""A file that travels inside of a component."""

import os

from kfp import dsl


@dsl.component(embedded_artifact_path=os.path.join(os.path.dirname(__file__), "_words.txt"))
def count(words: dsl.EmbeddedInput[dsl.Dataset], least: int = 0) -> int:
    with open(words.path) as file:
        return max(least, len(file.read().split()))


@dsl.component
def show(number: int):
    print(number)


@dsl.pipeline
def embedded_artifact():
    show(number=count(least=1).output)
