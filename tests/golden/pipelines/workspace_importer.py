"""Artifacts that are brought into the workspace once, for all steps that use them."""

from kfp import dsl


@dsl.component
def newest(bucket: str) -> str:
    return f"{bucket}/2026"


@dsl.component
def train(data: dsl.Input[dsl.Dataset], base: dsl.Input[dsl.Model], model: dsl.Output[dsl.Model]):
    print(data.path, base.path, model.path)


@dsl.pipeline(
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(size="20Gi"), ttl_seconds_after_failure=86400
    )
)
def workspace_importer(bucket: str = "s3://data"):
    found = newest(bucket=bucket)
    data = dsl.importer(
        artifact_uri=found.output,
        artifact_class=dsl.Dataset,
        metadata={"from": found.output},
        download_to_workspace=True,
    )
    base = dsl.importer(
        artifact_uri="s3://models/base", artifact_class=dsl.Model, reimport=True, download_to_workspace=True
    )
    train(data=data.output, base=base.output)
    train(data=data.output, base=base.output)
