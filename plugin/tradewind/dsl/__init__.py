"""Pipelines in Python: `from tradewind import dsl` in place of `from kfp import dsl`.

The names and what they mean are KFP's (2.17), and so is what comes out: the same IR, which runs on Kubeflow,
too. The code is ours. Two things are stricter: all problems of a pipeline are reported at once, with
pipeline, task and argument, and what KFP accepts but cannot mean (a Python `if` on a value that only a run
knows) is an error.
"""

from __future__ import annotations

from tradewind.dsl.base import BaseComponent
from tradewind.dsl.compiler import compile
from tradewind.dsl.constants import (
    PIPELINE_JOB_CREATE_TIME_UTC_PLACEHOLDER,
    PIPELINE_JOB_ID_PLACEHOLDER,
    PIPELINE_JOB_NAME_PLACEHOLDER,
    PIPELINE_JOB_RESOURCE_NAME_PLACEHOLDER,
    PIPELINE_JOB_SCHEDULE_TIME_UTC_PLACEHOLDER,
    PIPELINE_ROOT_PLACEHOLDER,
    PIPELINE_TASK_EXECUTOR_INPUT_PLACEHOLDER,
    PIPELINE_TASK_EXECUTOR_OUTPUT_PATH_PLACEHOLDER,
    PIPELINE_TASK_ID_PLACEHOLDER,
    PIPELINE_TASK_NAME_PLACEHOLDER,
    WORKSPACE_PATH_PLACEHOLDER,
)
from tradewind.dsl.container import (
    ContainerComponent,
    ContainerSpec,
    PythonComponent,
    component,
    container_component,
)
from tradewind.dsl.control import Condition, Elif, Else, ExitHandler, If, ParallelFor
from tradewind.dsl.importer import importer
from tradewind.dsl.loops import Collected, OneOf
from tradewind.dsl.notebook import NOTEBOOK_PACKAGES, notebook_component, run_notebook
from tradewind.dsl.pipeline import GraphComponent, pipeline
from tradewind.dsl.pipeline_config import KubernetesWorkspaceConfig, PipelineConfig, WorkspaceConfig
from tradewind.dsl.placeholders import ConcatPlaceholder, IfPresentPlaceholder
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.task_config import TaskConfigField, TaskConfigPassthrough
from tradewind.runtime.annotations import (
    EmbeddedInput,
    Input,
    InputPath,
    Output,
    OutputPath,
    PipelineTaskFinalStatus,
    TaskConfig,
)
from tradewind.runtime.artifacts import (
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

__all__ = [
    "HTML",
    "NOTEBOOK_PACKAGES",
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
    "BaseComponent",
    "ClassificationMetrics",
    "Collected",
    "ConcatPlaceholder",
    "Condition",
    "ContainerComponent",
    "ContainerSpec",
    "Dataset",
    "Elif",
    "Else",
    "EmbeddedInput",
    "ExitHandler",
    "GraphComponent",
    "If",
    "IfPresentPlaceholder",
    "Input",
    "InputPath",
    "KubernetesWorkspaceConfig",
    "Markdown",
    "Metrics",
    "Model",
    "OneOf",
    "Output",
    "OutputPath",
    "ParallelFor",
    "PipelineConfig",
    "PipelineTask",
    "PipelineTaskFinalStatus",
    "PythonComponent",
    "SlicedClassificationMetrics",
    "TaskConfig",
    "TaskConfigField",
    "TaskConfigPassthrough",
    "WorkspaceConfig",
    "compile",
    "component",
    "container_component",
    "get_uri",
    "importer",
    "notebook_component",
    "pipeline",
    "run_notebook",
]
