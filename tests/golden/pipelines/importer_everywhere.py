"""Importers: in a loop over URIs, under a condition, for a sub-pipeline, as the output of one."""

from kfp import dsl


@dsl.component
def choose() -> str:
    return "large"


@dsl.component
def use(data: dsl.Input[dsl.Dataset]) -> int:
    return len(data.uri)


@dsl.pipeline
def sub(data: dsl.Input[dsl.Dataset], size: str) -> dsl.Dataset:
    use(data=data)
    more = dsl.importer(
        artifact_uri="s3://more", artifact_class=dsl.Dataset, metadata={"size": size, size: [size]}
    )
    return more.output


@dsl.pipeline
def importer_everywhere(bucket: str = "s3://data"):
    with dsl.ParallelFor(["s3://data/a", "s3://data/b"]) as name:
        each = dsl.importer(artifact_uri=name, artifact_class=dsl.Dataset)
        use(data=each.output)
    size = choose()
    with dsl.If(size.output == "large"):
        large = dsl.importer(artifact_uri=bucket, artifact_class=dsl.Dataset, metadata={"rows": 5, "by": "x"})
        found = sub(data=large.output, size=size.output)
        use(data=found.output)
