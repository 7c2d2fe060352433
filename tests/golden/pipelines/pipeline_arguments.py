"""All arguments of @dsl.pipeline, with a second document."""

from kfp import dsl


@dsl.component
def step(path: str):
    print(path)


@dsl.pipeline(
    name="pipeline-arguments",
    description="From the decorator.",
    pipeline_root="s3://bucket/root",
    display_name="Pipeline: arguments!",
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(
            size="10Gi", kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={"storageClassName": "fast"})
        ),
        ttl_seconds_after_finished=3600,
        active_deadline_seconds=7200,
    ),
)
def pipeline_arguments():
    """From the docstring."""
    step(path=dsl.WORKSPACE_PATH_PLACEHOLDER + "/x")
