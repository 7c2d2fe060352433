"""Resources and images that are known only when the pipeline runs."""

from kfp import dsl


@dsl.component
def step(x: int = 1) -> str:
    return str(x)


@dsl.pipeline
def dynamic_settings(
    cpu: str = "1",
    memory: str = "1G",
    gpu: str = "nvidia.com/gpu",
    count: str = "1",
    image: str = "python:3.12",
):
    first = step()
    step().set_cpu_request(cpu).set_cpu_limit(cpu).set_memory_request(memory).set_memory_limit(memory)
    step(x=3).set_accelerator_type(gpu).set_accelerator_limit(count)
    step().set_container_image(image)
    step().set_container_image(first.output)
