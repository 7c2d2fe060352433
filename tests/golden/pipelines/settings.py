"""What can be set on a task."""

from kfp import dsl


@dsl.component
def step(x: int = 1) -> int:
    return x


@dsl.pipeline
def settings():
    step().set_env_variable("A", "1").set_env_variable("B", "{{ not a template }}").set_env_variable("A", "2")
    step().set_cpu_request("500m").set_cpu_limit("2").set_memory_request("512Mi").set_memory_limit("4G")
    step().set_cpu_limit("0.3").set_memory_limit("3Mi").set_memory_request("1000000")
    step().set_memory_limit("7E").set_memory_request("2Ti")
    step().set_accelerator_type("nvidia.com/gpu")
    step().set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(2)
    step().set_accelerator_limit("4").set_accelerator_type("cloud-tpus.google.com/v3")
    step().set_retry(3)
    step().set_retry(2, backoff_duration="30s", backoff_factor=1.5, backoff_max_duration="2 hours")
    step().set_caching_options(False)
    step().set_caching_options(True, cache_key="mine")
    step().set_display_name("Say it loud")
    step().set_container_image("python:3.12")
