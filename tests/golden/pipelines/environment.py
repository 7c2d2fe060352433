"""Components that run in a virtual environment."""

from kfp import dsl


@dsl.component(use_venv=True, packages_to_install=["numpy"])
def step():
    print("ok")


@dsl.pipeline
def environment():
    step()
