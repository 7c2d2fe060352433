"""A whole pipeline: its head, its executors, its components, and then every scope by itself.

Rules are KFP's (its schema's comments, its compiler's checks, its backend's behaviour). They say only what is
certain to go wrong, so that what KFP runs is never refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from itertools import chain, islice
from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineDeploymentConfig, PipelineSpec

from tradewind.errors import InvalidPipelineError, Problem
from tradewind.ir import schema
from tradewind.ir.executors import deployment, plain
from tradewind.ir.kubernetes import CREATE_CLAIM_IMAGE, DELETE_CLAIM_IMAGE
from tradewind.ir.pipeline import Pipeline
from tradewind.ir.schema import step_into
from tradewind.ir.types import declared_type
from tradewind.ir.validation.bindings import choices, misfit
from tradewind.ir.validation.nesting import check_nesting
from tradewind.ir.validation.scopes import check_scope, empty

__all__ = ["MAX_PROBLEMS", "at_most", "validate"]

MAX_PROBLEMS = 200
"""Nobody reads more, and looking for similar names takes its time."""

_SUPPORTED_SCHEMA = "2."


def validate(
    pipeline: Pipeline, content: Mapping[str, Any] | None = None, *, fits_schema: bool = False
) -> None:
    """Check a pipeline.

    Args:
        pipeline: what to check.
        content: its `deploymentSpec` as plain data, where that is at hand.
        fits_schema: `schema.check` has found nothing wrong with `content`.

    Raises:
        InvalidPipelineError: with the problems found, the first `MAX_PROBLEMS` of them.
    """
    content = deployment(pipeline.spec) if content is None else content
    unfit = (
        () if fits_schema else schema.check(PipelineDeploymentConfig.DESCRIPTOR, content, "$.deploymentSpec")
    )
    found = at_most(_problems(pipeline.spec, content, tuple(unfit)))
    if found:
        raise InvalidPipelineError(pipeline.source, found)


def at_most(found: Iterator[Problem]) -> tuple[Problem, ...]:
    """The first problems, and a last one that says so if there are more."""
    first = tuple(islice(found, MAX_PROBLEMS + 1))
    if len(first) <= MAX_PROBLEMS:
        return first
    return (*first[:MAX_PROBLEMS], Problem("$", f"there are more than these {MAX_PROBLEMS} problems"))


def _problems(
    spec: PipelineSpec, content: Mapping[str, Any], unfit: tuple[Problem, ...]
) -> Iterator[Problem]:
    executors = content.get("executors") or {}
    found = False
    for problem in chain(
        _head(spec),
        unfit or _executors(executors),
        _components(spec, executors if isinstance(executors, dict) else {}),
        () if unfit else _imported(spec, executors),
        _scopes(spec),
    ):
        found = True
        yield problem
    # Names and depth mean something only where every component is there.
    if not found:
        yield from check_nesting(spec)


def _scopes(spec: PipelineSpec) -> Iterator[Problem]:
    yield from check_scope("", spec.root, spec.components, "$.root")
    for name, component in sorted(spec.components.items()):
        yield from check_scope(name, component, spec.components, step_into("$.components", name))


def _head(spec: PipelineSpec) -> Iterator[Problem]:
    if not spec.pipeline_info.name:
        yield Problem("$.pipelineInfo.name", "the pipeline has no name", "compile it again with a name")
    if not spec.schema_version.startswith(_SUPPORTED_SCHEMA):
        given = f"is {spec.schema_version!r}" if spec.schema_version else "is missing"
        remedy = "compile it with KFP's SDK version 2: schemas 2.x are known"
        yield Problem("$.schemaVersion", given, remedy)
    if spec.root.WhichOneof("implementation") != "dag":
        yield Problem("$.root", "has no tasks (`dag`)", "compile a pipeline or a component")


def _executors(executors: Mapping[str, Any]) -> Iterator[Problem]:
    for label, executor in sorted(executors.items()):
        place = step_into("$.deploymentSpec.executors", label)
        if not any(executor.get(kind) is not None for kind in executor):
            yield Problem(place, "says nothing to execute")
        container = executor.get("container")
        if container is not None:
            yield from _container(container, f"{place}.container")
        importer = executor.get("importer")
        if importer is not None:
            yield from _importer(importer, f"{place}.importer")


def _container(container: Mapping[str, Any], place: str) -> Iterator[Problem]:
    if not (container.get("image") or "").strip():
        yield Problem(f"{place}.image", "is empty", "name a container image")
    backend_s_own = container.get("image") in (CREATE_CLAIM_IMAGE, DELETE_CLAIM_IMAGE)
    if not container.get("command") and not container.get("args") and not backend_s_own:
        message = "command and args are both empty, and KFP never uses the image's own entry point"
        yield Problem(place, message, "say what to run")
    names: set[str] = set()
    for index, variable in enumerate(container.get("env") or ()):
        name = variable.get("name") or ""
        where = f"{place}.env[{index}]"
        if not name or "=" in name or not name.isprintable():
            yield Problem(f"{where}.name", f"{name!r} cannot name an environment variable")
        elif name in names:
            yield Problem(f"{where}.name", f"{name!r} is set twice", "keep one of them")
        names.add(name)


def _importer(importer: Mapping[str, Any], place: str) -> Iterator[Problem]:
    uri = importer.get("artifactUri") or importer.get("artifact_uri") or {}
    if not uri:
        yield Problem(f"{place}.artifactUri", "is missing", "say which artifact to import")
    constant = uri.get("constant")
    if constant is not None and not (isinstance(constant, str) and constant):
        yield Problem(f"{place}.artifactUri.constant", f"must be a URI, but is {schema.kind_of(constant)}")


def _components(spec: PipelineSpec, labels: Collection[str]) -> Iterator[Problem]:
    yield from _definitions(spec.root, "$.root")
    for name, component in sorted(spec.components.items()):
        place = step_into("$.components", name)
        yield from _definitions(component, place)
        match component.WhichOneof("implementation"):
            case None:
                yield empty(name, spec.components, place)
            case "executor_label" if component.executor_label not in labels:
                message = f"there is no executor {component.executor_label!r}"
                yield Problem(f"{place}.executorLabel", message, "see $.deploymentSpec.executors")


def _imported(spec: PipelineSpec, executors: Mapping[str, Any]) -> Iterator[Problem]:
    """The parameter that an importer takes its URI from is one of its component's, and has a value."""
    for name, component in sorted(spec.components.items()):
        importer = (executors.get(component.executor_label) or {}).get("importer") or {}
        uri = importer.get("artifactUri") or importer.get("artifact_uri") or {}
        parameter = uri.get("runtimeParameter") or uri.get("runtime_parameter")
        if parameter is None:
            continue
        declared = component.input_definitions.parameters
        place = step_into("$.deploymentSpec.executors", component.executor_label)
        where = f"{place}.importer.artifactUri.runtimeParameter"
        if parameter not in declared:
            message = f"component {name!r} has no input parameter {parameter!r}"
            yield Problem(where, message, choices(declared, parameter))
        elif declared[parameter].is_optional and not declared[parameter].HasField("default_value"):
            yield Problem(where, f"parameter {parameter!r} of component {name!r} may be missing")


def _definitions(component: ComponentSpec, place: str) -> Iterator[Problem]:
    inputs, outputs = component.input_definitions, component.output_definitions
    for side, definitions in (("inputDefinitions", inputs), ("outputDefinitions", outputs)):
        for name in sorted(definitions.parameters.keys() & definitions.artifacts.keys()):
            yield Problem(step_into(f"{place}.{side}.parameters", name), "is an artifact's name too")
        for name, parameter in sorted(definitions.parameters.items()):
            if declared_type(parameter) is None:
                yield Problem(step_into(f"{place}.{side}.parameters", name), "has no parameterType")
    for name, parameter in sorted(inputs.parameters.items()):
        kind = declared_type(parameter)
        if kind is None or not parameter.HasField("default_value"):
            continue
        problem = misfit(plain(parameter.default_value), kind)
        if problem:
            yield Problem(step_into(f"{place}.inputDefinitions.parameters", name) + ".defaultValue", problem)
