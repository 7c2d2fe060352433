"""Values that only a run knows."""

from kfp import dsl


@dsl.component
def show(text: str):
    print(text)


@dsl.pipeline
def constant_placeholders():
    show(text=dsl.PIPELINE_JOB_NAME_PLACEHOLDER)
    show(text=dsl.PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER)
    show(text=dsl.PIPELINE_JOB_ID_PLACEHOLDER)
    show(text=dsl.PIPELINE_TASK_NAME_PLACEHOLDER)
    show(text=dsl.PIPELINE_TASK_ID_PLACEHOLDER)
    show(text=dsl.PIPELINE_ROOT_PLACEHOLDER + "/tmp")
    show(text=f"made {dsl.PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER}")
    show(text=dsl.PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER)
