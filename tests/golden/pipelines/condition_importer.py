"""Importers under conditions, and the artifact of whichever ran."""

from kfp import dsl


@dsl.component
def newest() -> str:
    return "s3://models/v7"


@dsl.component
def evaluate(model: dsl.Input[dsl.Model]) -> float:
    return 0.9


@dsl.component
def serve(model: dsl.Input[dsl.Model]):
    print(model.uri)


@dsl.pipeline
def condition_importer(pinned: str = "", least: float = 0.8):
    with dsl.If(pinned == ""):
        latest = dsl.importer(artifact_uri=newest().output, artifact_class=dsl.Model)
    with dsl.Else():
        fixed = dsl.importer(artifact_uri=pinned, artifact_class=dsl.Model, reimport=True)
    model = dsl.OneOf(latest.output, fixed.output)
    with dsl.If(evaluate(model=model).output >= least):
        serve(model=model)
