"""What only a run knows, inside of longer text, lists and dictionaries, and in command lines."""

from kfp import dsl


@dsl.component
def show(text: str, parts: list = [], table: dict = {}):
    print(text, parts, table)


@dsl.container_component
def echo(where: str):
    return dsl.ContainerSpec(
        image="alpine:3.20",
        command=["echo", dsl.PIPELINE_JOB_NAME_PLACEHOLDER, f"{dsl.PIPELINE_ROOT_PLACEHOLDER}/x"],
        args=[f"--task={dsl.PIPELINE_TASK_NAME_PLACEHOLDER}:{dsl.PIPELINE_TASK_ID_PLACEHOLDER}", where],
    )


@dsl.pipeline
def constants_in_text(team: str = "ml"):
    show(
        text=f"{team}/{dsl.PIPELINE_JOB_ID_PLACEHOLDER} at {dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER}",
        parts=[
            dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER,
            f"due {dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER}",
        ],
        table={"job": dsl.PIPELINE_JOB_NAME_PLACEHOLDER, "team": team},
    )
    echo(where=f"{dsl.PIPELINE_ROOT_PLACEHOLDER}/{team}")
    with dsl.If(team != ""):
        show(text=dsl.PIPELINE_TASK_NAME_PLACEHOLDER)
