"""An artifact as return value."""

from kfp import dsl


@dsl.component
def make() -> dsl.Dataset:
    return dsl.Dataset(uri=dsl.get_uri())


@dsl.component
def look(data: dsl.Dataset) -> bool:
    return True


@dsl.pipeline
def artifact_returns() -> bool:
    return look(data=make().output).output
