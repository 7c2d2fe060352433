"""What will run: an immutable picture of a pipeline, free of Airflow, Kubernetes and MLflow.

A `Plan` is what is left when everything that can be known before a run has been worked out. Sub-pipelines are
dissolved: a step says where its inputs come from in terms of pipeline parameters and other steps, never in
terms of the scopes in between. Scopes survive for the eye only (task groups) and as part of step ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = [
    "Action",
    "ArtifactInput",
    "ArtifactOutput",
    "Binding",
    "Cache",
    "Command",
    "Constant",
    "Container",
    "Importer",
    "ParameterInput",
    "ParameterOutput",
    "ParameterType",
    "PipelineInput",
    "PipelineParameter",
    "Plan",
    "PythonFunction",
    "Resources",
    "Retry",
    "Scope",
    "Step",
    "StepArtifact",
    "StepParameter",
    "Template",
]

ParameterType = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT"]


# --- bindings: where a value comes from ---


@dataclass(frozen=True, slots=True)
class Constant:
    """A value fixed at compile time; any JSON value, integers as int."""

    value: Any


@dataclass(frozen=True, slots=True)
class PipelineInput:
    """The value that the run was given for an input parameter of the pipeline."""

    name: str


@dataclass(frozen=True, slots=True)
class StepParameter:
    """An output parameter of a step."""

    step: str
    key: str


@dataclass(frozen=True, slots=True)
class StepArtifact:
    """An output artifact (or artifact list) of a step."""

    step: str
    key: str


@dataclass(frozen=True, slots=True)
class Template:
    """A constant with KFP placeholders inside: what `f"rows: {rows}"` in a pipeline function compiles to.

    `tradewind.plan.binding.evaluate` puts the values in, in a single pass.

    Attributes:
        value: any JSON value, with placeholders in its strings.
        inputs: where the value of `{{$.inputs.parameters['name']}}` comes from, by name.
    """

    value: Any
    inputs: Mapping[str, Binding] = field(default_factory=dict)


Binding = Constant | PipelineInput | StepParameter | StepArtifact | Template


# --- inputs and outputs of a step ---


@dataclass(frozen=True, slots=True)
class ParameterInput:
    """An input parameter.

    Attributes:
        binding: None when the pipeline gives no value: the component's default applies.
        default: the component's default. KFP fills it into command placeholders only; in the executor
            input it stays absent, and Python's own default applies.
        has_default: tells a default of None from no default.
    """

    type: ParameterType
    binding: Binding | None = None
    default: Any = None
    has_default: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class ArtifactInput:
    """An input artifact; `binding` is None for an optional one that is not given."""

    schema_title: str
    schema_version: str = "0.0.1"
    is_list: bool = False
    optional: bool = False
    binding: Binding | None = None


@dataclass(frozen=True, slots=True)
class ParameterOutput:
    type: ParameterType


@dataclass(frozen=True, slots=True)
class ArtifactOutput:
    schema_title: str
    schema_version: str = "0.0.1"
    is_list: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)


# --- what a step does ---


@dataclass(frozen=True, slots=True)
class PythonFunction:
    """A lightweight Python component: source travels with the pod, packages are installed there.

    Attributes:
        function: name of the function in `source`.
        source: the module's text, KFP's preamble included. None: the function lives in the image
            (containerised Python component, `target_image`) in the file `module`.
        packages: requirements of the user's, and options for pip among them, in their order; KFP's own
            (`kfp==...`, `typing-extensions`) are dropped.
        module: path of a Python file in the image. None without source: the image's `kfp_config.ini`, in the
        working
            directory, says in which file `function` is.
        pip_index_urls, pip_trusted_hosts: as given to the component.
    """

    function: str
    source: str | None
    packages: tuple[str, ...] = ()
    pip_index_urls: tuple[str, ...] = ()
    pip_trusted_hosts: tuple[str, ...] = ()
    module: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """A container component: `command + args` with KFP's placeholders still in them."""

    command: tuple[str, ...]
    args: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Importer:
    """An artifact that exists already. Starts no pod.

    Attributes:
        uri: where it is.
        metadata: may hold KFP placeholders in its strings.
        reimport: False: an artifact of the same uri, type and metadata is used again.
    """

    uri: Binding
    schema_title: str
    schema_version: str = "0.0.1"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    reimport: bool = False


Action = PythonFunction | Command | Importer


# --- how it runs ---


@dataclass(frozen=True, slots=True)
class Resources:
    """Kubernetes quantities as strings ("500m", "2", "1G"); empty string: not set."""

    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""
    accelerator_type: str = ""
    accelerator_count: str = ""


@dataclass(frozen=True, slots=True)
class Container:
    """Where a step runs. Image, env values and resources may hold KFP placeholders."""

    image: str
    env: tuple[tuple[str, str], ...] = ()
    resources: Resources = Resources()


@dataclass(frozen=True, slots=True)
class Retry:
    """KFP's retry policy; durations in seconds."""

    max_count: int
    backoff_seconds: float = 0.0
    backoff_factor: float = 2.0
    backoff_max_seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Cache:
    enabled: bool = True
    key: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that runs: at most one pod.

    Attributes:
        id: names of the enclosing scopes and of the task, joined by dots ("prepare.split"). Unique in the
        plan.
        display_name: for people.
        component: name of the component, for people and for the cache key.
        scope: id of the enclosing scope, "" for the pipeline itself.
        upstream: ids of the steps that must have succeeded before, data and control edges alike, sorted.
        container: None exactly for importers.
    """

    id: str
    display_name: str
    component: str
    scope: str
    action: Action
    container: Container | None
    parameters: Mapping[str, ParameterInput] = field(default_factory=dict)
    artifacts: Mapping[str, ArtifactInput] = field(default_factory=dict)
    output_parameters: Mapping[str, ParameterOutput] = field(default_factory=dict)
    output_artifacts: Mapping[str, ArtifactOutput] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    retry: Retry | None = None
    cache: Cache = Cache()


@dataclass(frozen=True, slots=True)
class Scope:
    """A sub-pipeline: shown as a task group. `id` like step ids; `parent` is "" at the top."""

    id: str
    display_name: str
    parent: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True)
class PipelineParameter:
    """An input of the pipeline: becomes an Airflow Param.

    Attributes:
        literals: the only values allowed (`Literal["a", "b"]`); empty: any of the type.
    """

    type: ParameterType
    default: Any = None
    has_default: bool = False
    optional: bool = False
    description: str = ""
    literals: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole pipeline, ready to be mapped onto a DAG.

    Attributes:
        name: the pipeline's name as in `pipelineInfo.name`.
        parameters: sorted by name, as in the document.
        scopes: by id, parents before children.
        steps: by id, in topological order, deterministic.
        outputs: the pipeline's own outputs.
    """

    name: str
    display_name: str
    description: str
    parameters: Mapping[str, PipelineParameter]
    scopes: Mapping[str, Scope]
    steps: Mapping[str, Step]
    outputs: Mapping[str, Binding] = field(default_factory=dict)
    pipeline_root: str = ""
