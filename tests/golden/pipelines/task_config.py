"""Components that hand their task's settings on."""

from kfp import dsl


@dsl.component(
    task_config_passthroughs=[
        dsl.TaskConfigField.RESOURCES,
        dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.ENV, apply_to_task=True),
    ]
)
def launch(nodes: int, config: dsl.TaskConfig):
    print(config)


@dsl.pipeline
def task_config():
    launch(nodes=2).set_cpu_limit("1").set_env_variable("A", "b")
