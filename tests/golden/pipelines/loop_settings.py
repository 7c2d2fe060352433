"""Settings of tasks in loops; an image for each item."""

from typing import Dict, List

from kfp import dsl


@dsl.component
def train(size: str) -> str:
    return size


@dsl.pipeline
def loop_settings(
    sizes: List[Dict[str, str]] = [{"size": "small"}, {"size": "large"}],
    images: List[str] = ["python:3.11", "python:3.12"],
):
    with dsl.ParallelFor(sizes) as entry:
        trained = train(size=entry.size).set_memory_limit("4Gi")
        trained.set_retry(2, backoff_duration="10s").set_caching_options(False)
        trained.set_env_variable("OMP_NUM_THREADS", "1").set_display_name("Train one size")
    with dsl.ParallelFor(images) as image:
        train(size="small").set_container_image(image).set_caching_options(True, cache_key="by-image")
