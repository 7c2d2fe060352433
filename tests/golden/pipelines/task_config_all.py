"""A component that starts a workload of its own, and gets every group of its task's settings for it."""

from kfp import dsl


@dsl.component(
    task_config_passthroughs=[
        dsl.TaskConfigField.RESOURCES,
        dsl.TaskConfigField.KUBERNETES_TOLERATIONS,
        dsl.TaskConfigField.KUBERNETES_NODE_SELECTOR,
        dsl.TaskConfigField.KUBERNETES_AFFINITY,
        dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.ENV, apply_to_task=True),
        dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.KUBERNETES_VOLUMES, apply_to_task=True),
    ]
)
def train(nodes: int, folder: str, settings: dsl.TaskConfig) -> str:
    print(nodes, folder, settings)
    return str(settings.resources)


@dsl.pipeline(pipeline_config=dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi")))
def task_config_all(memory: str = "50Gi"):
    task = train(nodes=2, folder=dsl.WORKSPACE_PATH_PLACEHOLDER)
    task.set_cpu_request("1").set_cpu_limit("2").set_memory_limit(memory)
    task.set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(1)
    task.set_env_variable("MODE", "fast")
