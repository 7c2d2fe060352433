"""What will run: an immutable picture of a pipeline, free of Airflow, Kubernetes and MLflow.

A `Plan` is what is left when everything that can be known before a run has been worked out. Sub-pipelines are
dissolved: a step says where its inputs come from in terms of pipeline parameters and other steps, never in
terms of the scopes in between. Scopes survive for the eye only (task groups) and as part of step ids.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tradewind.plan.bindings import ALWAYS, Binding, Precondition, Wait
from tradewind.plan.pod_settings import PodSettings
from tradewind.plan.run_config import RunConfig
from tradewind.plan.task_config import TaskConfig

__all__ = [
    "Action",
    "ArtifactInput",
    "ArtifactOutput",
    "Cache",
    "Command",
    "Container",
    "CreateVolume",
    "DeleteVolume",
    "Importer",
    "Loop",
    "ParameterInput",
    "ParameterOutput",
    "ParameterType",
    "PipelineParameter",
    "Plan",
    "PythonFunction",
    "Resources",
    "Retry",
    "Scope",
    "ScopeKind",
    "Step",
]

ParameterType = Literal["STRING", "NUMBER_INTEGER", "NUMBER_DOUBLE", "BOOLEAN", "LIST", "STRUCT"]


# --- inputs and outputs of a step ---


@dataclass(frozen=True, slots=True)
class ParameterInput:
    """An input parameter.

    Attributes:
        binding: None when the pipeline gives no value: the component's default applies.
        default: the component's default. KFP fills it into command placeholders only; in the executor
            input it stays absent, and Python's own default applies.
        has_default: tells a default of None from no default.
        literals: the only values allowed; empty: any of the type.
    """

    type: ParameterType
    binding: Binding | None = None
    default: Any = None
    has_default: bool = False
    optional: bool = False
    literals: tuple[Any, ...] = ()


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
        reimport: whether its content counts as new in every run; else the same uri, type and metadata stand
            for the same content.
        to_workspace: its content is brought into the run's workspace: that does take a pod.
    """

    uri: Binding
    schema_title: str
    schema_version: str = "0.0.1"
    metadata: Mapping[str, Any] = field(default_factory=dict)
    reimport: bool = False
    to_workspace: bool = False


@dataclass(frozen=True, slots=True)
class CreateVolume:
    """A persistent volume claim is made (CreatePVC of kfp-kubernetes, with its inputs). Starts no pod."""


@dataclass(frozen=True, slots=True)
class DeleteVolume:
    """A persistent volume claim is deleted (DeletePVC). Starts no pod."""


Action = PythonFunction | Command | Importer | CreateVolume | DeleteVolume


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
    """Where a step runs. Image, env values and resources may hold KFP placeholders.

    Without an image it is the deployment's: an importer into the workspace only needs some Python.
    """

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
        upstream: ids of the steps that it waits for, data and control edges alike, sorted.
        container: None: it starts no pod (importers, volume claims).
        loop: id of the innermost loop around it, "" for none.
        region: steps of one loop with the same number run iteration by iteration side by side; between two
            regions lies an inner loop, which joins all iterations before the next begins.
        wait: what `upstream` must come to.
        barrier: some of `upstream` runs in iterations that are not joined one to one with this step's: an
            orchestrator waits for the end of them all, and `tradewind.plan.readiness` judges this iteration.
        precondition: decides whether it is skipped.
        platform: what only Kubernetes knows about its pod.
        task_config: what of its settings it passes on; None: it applies them all itself.
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
    loop: str = ""
    region: int = 0
    wait: Wait = "success"
    barrier: bool = False
    precondition: Precondition = ALWAYS
    platform: PodSettings | None = None
    task_config: TaskConfig | None = None


ScopeKind = Literal["pipeline", "condition", "branches", "loop", "exit_handler"]


@dataclass(frozen=True, slots=True)
class Scope:
    """A part of a pipeline with steps inside, shown as a task group. Ids as of steps; "" is the top."""

    id: str
    display_name: str
    parent: str = ""
    description: str = ""
    kind: ScopeKind = "pipeline"


@dataclass(frozen=True, slots=True)
class Loop:
    """What makes the iterations of dsl.ParallelFor: works out the items, once for every iteration around it.

    Attributes:
        id: id of the loop's scope.
        loop: id of the loop around it, "" for none.
        items: a list of JSON values, or JSON text of one; a list of artifact references for `artifacts`.
        artifacts: whether it goes over artifacts.
        parallelism: iterations that may run at once, 0 for any number.
        upstream, wait, barrier, precondition: as of a step. A loop that is not to run has no items: it never
            fails and is never skipped by itself.
        region: of the loop around it: after its steps of this region, before those of the next.
    """

    id: str
    loop: str
    items: Binding
    artifacts: bool = False
    parallelism: int = 0
    upstream: tuple[str, ...] = ()
    wait: Wait = "success"
    barrier: bool = False
    precondition: Precondition = ALWAYS
    region: int = 0


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
        loops: by id, those around before those inside.
        outputs: the pipeline's own outputs.
        pipeline_root: URI below which the artifacts are to be kept; "": as the deployment has it.
        config: settings of every run.
    """

    name: str
    display_name: str
    description: str
    parameters: Mapping[str, PipelineParameter]
    scopes: Mapping[str, Scope]
    steps: Mapping[str, Step]
    outputs: Mapping[str, Binding] = field(default_factory=dict)
    pipeline_root: str = ""
    loops: Mapping[str, Loop] = field(default_factory=dict)
    config: RunConfig = field(default_factory=RunConfig)
