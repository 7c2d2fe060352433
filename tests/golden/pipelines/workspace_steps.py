"""A volume that the steps of a run share: whole, inside text, through an output, in a sub-pipeline."""

from kfp import dsl


@dsl.component
def clone(repository: str, folder: str) -> str:
    import os

    os.makedirs(folder)
    with open(f"{folder}/README", "w") as file:
        file.write(repository)
    return folder


@dsl.component
def build(folder: str, cache: str = ""):
    import os

    print(folder, os.listdir(folder), cache)


@dsl.container_component
def clean(folder: str):
    return dsl.ContainerSpec(image="busybox", command=["rm", "-r", folder])


@dsl.pipeline
def both(folder: str):
    build(folder=folder, cache="/tmp")


@dsl.pipeline(
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(
            size="5Gi",
            kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={"accessModes": ["ReadWriteMany"]}),
        )
    )
)
def workspace_steps(repository: str = "https://example.com/repo", branch: str = "main"):
    cloned = clone(repository=repository, folder=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/source/{branch}")
    built = build(folder=cloned.output, cache=dsl.WORKSPACE_PATH_PLACEHOLDER)
    again = both(folder=cloned.output).after(built)
    clean(folder=f"{dsl.WORKSPACE_PATH_PLACEHOLDER}/source").after(again)
