"""The name `kfp.dsl` in the pod: artifact classes and markers, and decorators that only pass through.

`from kfp.dsl import *` gives what KFP gives at run time. What only the compiler knows is there as a name,
since modules of containerised components mention it, and does nothing.
"""

import os
import sys
from typing import Any

__path__ += [path for entry in sys.path if os.path.isdir(path := os.path.join(entry, "kfp", "dsl"))]

from tradewind.runtime.annotations import (  # noqa: E402
    EmbeddedInput,  # noqa: F401
    Input,
    InputPath,
    Output,
    OutputPath,
    PipelineTaskFinalStatus,
    TaskConfig,
)
from tradewind.runtime.artifacts import (  # noqa: E402
    HTML,
    Artifact,
    ClassificationMetrics,
    Dataset,
    Markdown,
    Metrics,
    Model,
    SlicedClassificationMetrics,
    get_uri,
)

PIPELINE_JOB_NAME_PLACEHOLDER = "{{$.pipeline_job_name}}"
PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER = "{{$.pipeline_job_resource_name}}"
PIPELINE_JOB_ID_PLACEHOLDER = "{{$.pipeline_job_uuid}}"
PIPELINE_TASK_NAME_PLACEHOLDER = "{{$.pipeline_task_name}}"
PIPELINE_TASK_ID_PLACEHOLDER = "{{$.pipeline_task_uuid}}"
PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER = "{{$.outputs.output_file}}"
PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER = "{{$}}"
PIPELINE_ROOT_PLACEHOLDER = "{{$.pipeline_root}}"
PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER = "{{$.pipeline_job_create_time_utc}}"
PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER = "{{$.pipeline_job_schedule_time_utc}}"
WORKSPACE_PATH_PLACEHOLDER = "{{$.workspace_path}}"

__all__ = [
    "HTML",
    "PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER",
    "PIPELINE_JOB_ID_PLACEHOLDER",
    "PIPELINE_JOB_NAME_PLACEHOLDER",
    "PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER",
    "PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER",
    "PIPELINE_ROOT_PLACEHOLDER",
    "PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER",
    "PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER",
    "PIPELINE_TASK_ID_PLACEHOLDER",
    "PIPELINE_TASK_NAME_PLACEHOLDER",
    "WORKSPACE_PATH_PLACEHOLDER",
    "Artifact",
    "ClassificationMetrics",
    "Dataset",
    "Input",
    "InputPath",
    "Markdown",
    "Metrics",
    "Model",
    "Output",
    "OutputPath",
    "PipelineTaskFinalStatus",
    "SlicedClassificationMetrics",
    "TaskConfig",
    "get_uri",
    "run_notebook",
]

COMPILE_TIME = (
    "Collected",
    "ConcatPlaceholder",
    "Condition",
    "ContainerSpec",
    "Elif",
    "Else",
    "ExitHandler",
    "If",
    "IfPresentPlaceholder",
    "KubernetesWorkspaceConfig",
    "OneOf",
    "ParallelFor",
    "PipelineConfig",
    "PipelineTask",
    "TaskConfigField",
    "TaskConfigPassthrough",
    "WorkspaceConfig",
    "importer",
)


def component(func: Any = None, **options: Any) -> Any:
    """Pass the function through: it is the component's code that runs here."""
    return component_decorator if func is None else func


def component_decorator(func: Any) -> Any:
    return func


container_component = notebook_component = pipeline = component


def run_notebook(**parameters: Any) -> None:
    """Run the component's notebook; the compiled source of a notebook component replaces this."""
    raise NotImplementedError("dsl.run_notebook is only available inside a @dsl.notebook_component")


class _Anything(type):
    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return cls


def __getattr__(name: str) -> Any:
    if name in COMPILE_TIME:
        return _Anything(name, (), {"__init__": lambda self, *arguments, **options: None})
    raise AttributeError(f"module 'kfp.dsl' has no attribute {name!r} while a component runs")
