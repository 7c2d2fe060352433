"""Environment variables with placeholders and odd characters; settings in one chain."""

from kfp import dsl


@dsl.component
def show(x: int = 1) -> str:
    return str(x)


@dsl.pipeline
def environment_values():
    task = show()
    task.set_env_variable("EMPTY", "").set_env_variable("QUOTES", "a 'b' \"c\" $(d) ${E} `f`")
    task.set_env_variable("LINES", "one\ntwo").set_env_variable("UNICODE", "é ☃")
    task.set_env_variable("JOB", dsl.PIPELINE_JOB_NAME_PLACEHOLDER)
    task.set_env_variable("TEMPLATE", "{{ ds }} {% raw %}")
    (
        show(x=2)
        .set_cpu_request("0.5")
        .set_memory_request("256Mi")
        .set_accelerator_type("nvidia.com/gpu")
        .set_accelerator_limit(1)
        .set_env_variable("A", "1")
        .set_caching_options(False)
        .set_retry(1)
        .set_display_name("Show two")
        .after(task)
    )
