"""`compiler.Compiler().compile(...)`: a pipeline goes into a file, with names and defaults of the caller's.

The pipeline itself was compiled when its function was decorated; `dsl.compile` gives it without a file.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from tradewind import ir
from tradewind.compiler.comments import comments
from tradewind.compiler.manifest import KubernetesManifestOptions
from tradewind.dsl.base import BaseComponent
from tradewind.dsl.compiler import compile as compile_component
from tradewind.dsl.interface import constant_problem, interface_of
from tradewind.dsl.pipeline import PIPELINE_NAME
from tradewind.dsl.types import ParameterKind
from tradewind.dsl.values import assign
from tradewind.errors import ConfigurationError, InvalidPipelineError, Problem

__all__ = ["Compiler"]


class Compiler:
    """Writes pipelines to files."""

    def compile(
        self,
        pipeline_func: BaseComponent,
        package_path: str,
        pipeline_name: str | None = None,
        pipeline_display_name: str | None = None,
        pipeline_parameters: Mapping[str, Any] | None = None,
        type_check: bool = True,
        kubernetes_manifest_options: KubernetesManifestOptions | None = None,
        kubernetes_manifest_format: bool = False,
    ) -> None:
        """Compile a pipeline, or a single component, into a file.

        Args:
            pipeline_func: made with a decorator of `dsl`, or loaded.
            package_path: the file, ending in `.yaml`, `.yml` or (old) `.json`.
            pipeline_name: instead of its own.
            pipeline_display_name: the name that people see.
            pipeline_parameters: defaults of inputs, instead of their own.
            type_check: has no effect, as in KFP: types were checked when the function was decorated.
            kubernetes_manifest_options: names in the manifest.
            kubernetes_manifest_format: write a manifest for Kubeflow's Kubernetes API instead.

        Raises:
            InvalidPipelineError: a parameter is not one of the pipeline's, or its value is of another type.
            ConfigurationError: the file's name tells no format, or `pipeline_func` is something else.
        """
        if not isinstance(pipeline_func, BaseComponent):
            raise ConfigurationError(
                f"A {type(pipeline_func).__name__} cannot be compiled.",
                remedy="Give a function with @dsl.pipeline or @dsl.component.",
            )
        compiled = compile_component(pipeline_func)
        spec = PipelineSpec()
        spec.CopyFrom(compiled.spec)
        _rename(spec, pipeline_name, pipeline_display_name)
        _set_defaults(spec, pipeline_parameters or {})
        pipeline = ir.Pipeline(spec, compiled.platform, compiled.source, compiled.checked)
        if kubernetes_manifest_format:
            options = kubernetes_manifest_options or KubernetesManifestOptions()
            text = options.render(pipeline, pipeline_func.description)
        else:
            text = _text(pipeline, package_path, pipeline_func.description)
        Path(package_path).write_text(text, encoding="utf-8")


def _rename(spec: PipelineSpec, name: str | None, display_name: str | None) -> None:
    if name is not None:
        if not PIPELINE_NAME.fullmatch(name):
            remedy = "use up to 128 lower case letters, digits and dashes"
            raise InvalidPipelineError(name, [Problem("pipeline_name", f"{name!r} is not allowed", remedy)])
        spec.pipeline_info.name = name
    if display_name is not None:
        spec.pipeline_info.display_name = display_name


def _set_defaults(spec: PipelineSpec, given: Mapping[str, Any]) -> None:
    problems = []
    inputs = interface_of(spec.pipeline_info.name, spec.root).inputs
    for name, value in given.items():
        place = f"pipeline_parameters, '{name}'"
        entry = inputs.get(name)
        if entry is None:
            known = ", ".join(inputs) or "none"
            problems.append(Problem(place, "is no input of the pipeline", f"its inputs: {known}"))
        elif not isinstance(entry.kind, ParameterKind):
            problems.append(Problem(place, "is an artifact, and has no default"))
        elif value is not None and (problem := constant_problem(value, entry.kind)):
            problems.append(Problem(place, problem, also=TypeError))
        elif value is not None:
            assign(spec.root.input_definitions.parameters[name].default_value, value)
    if problems:
        raise InvalidPipelineError(f"pipeline '{spec.pipeline_info.name}'", problems)


def _text(pipeline: ir.Pipeline, path: str, description: str | None) -> str:
    if path.endswith((".yaml", ".yml")):
        return comments(pipeline.spec, description) + ir.dump(pipeline)
    if not path.endswith(".json"):
        raise ConfigurationError(f"'{path}' does not tell a format.", remedy="Let it end in .yaml.")
    if pipeline.platform is not None:
        raise ConfigurationError(
            f"'{path}': JSON has no place for what only one platform knows.", remedy="Let it end in .yaml."
        )
    warnings.warn("Compiling to JSON is deprecated; give a path that ends in .yaml.", DeprecationWarning, 3)
    return json.dumps(json_format.MessageToDict(pipeline.spec), indent=2, sort_keys=True)
