"""A sub-pipeline that tidies up after itself, used twice."""

from kfp import dsl


@dsl.component
def start_cluster(size: int) -> str:
    if size > 100:
        raise ValueError(f"no cluster of {size}")
    return f"cluster-{size}"


@dsl.component
def compute(cluster: str) -> int:
    return len(cluster)


@dsl.component
def stop_cluster(size: int, status: dsl.PipelineTaskFinalStatus):
    print(size, status.state, status.error_message)


@dsl.component
def report(text: str):
    print(text)


@dsl.pipeline
def on_cluster(size: int):
    with dsl.ExitHandler(stop_cluster(size=size)):
        cluster = start_cluster(size=size)
        compute(cluster=cluster.output)


@dsl.pipeline
def exit_handler_in_subpipeline(size: int = 2):
    small = on_cluster(size=size)
    large = on_cluster(size=16).after(small)
    report(text="done").after(large)
