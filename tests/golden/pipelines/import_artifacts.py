"""Importers: constant, pipeline input and output as URI; metadata with values in it."""

from kfp import dsl


@dsl.component
def where(name: str) -> str:
    return name


@dsl.component
def use(data: dsl.Input[dsl.Dataset], model: dsl.Input[dsl.Model]):
    print(data.uri)


@dsl.pipeline
def import_artifacts(uri: str = "s3://bucket/data", owner: str = "me"):
    constant = dsl.importer(
        artifact_uri="s3://bucket/model",
        artifact_class=dsl.Model,
        reimport=True,
        metadata={"framework": "sklearn", "n": 3, "list": [1, {"a": True}]},
    )
    given = dsl.importer(
        artifact_uri=uri, artifact_class=dsl.Dataset, metadata={"owner": owner, "again": [owner]}
    )
    found = where(name="s3://bucket/model")
    late = dsl.importer(
        artifact_uri=found.output,
        artifact_class=dsl.Dataset,
        reimport=False,
        metadata={"note": f"by {owner}", "found": found.output},
    )
    use(data=given.output, model=constant.output)
    use(data=late.outputs["artifact"], model=constant.output)
