"""What all components have in common: a name, an interface, and that calling them makes a task."""

from __future__ import annotations

from typing import Any

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineSpec, PlatformSpec

from tradewind.dsl.channel import Channel, unwrap, with_tokens
from tradewind.dsl.interface import Input, Interface, constant_problem
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.trace import Trace, current_trace
from tradewind.dsl.types import ArtifactKind
from tradewind.errors import ConfigurationError
from tradewind.ir import Pipeline
from tradewind.ir.executors import ContainerSpec, ImporterSpec

__all__ = ["BaseComponent"]


class BaseComponent:
    """A component or a pipeline.

    Attributes:
        name: as in the IR: lower case, with dashes.
        description: None when there is none.
        interface: inputs and outputs.
        proto: the IR's component: the interface and, for pipelines, what is inside. Never to be changed.
        compiled: the IR of a pipeline, or of what was loaded; None: it is made when asked for. Never to be
            changed.
    """

    is_container = False
    compiled: Pipeline | None = None

    def __init__(self, interface: Interface, proto: ComponentSpec | None = None) -> None:
        self.interface = interface
        self.name = interface.name
        self.description: str | None = interface.description or None
        self.proto = interface.to_proto() if proto is None else proto

    @property
    def required_inputs(self) -> list[str]:
        """Inputs that every call must give."""
        return [entry.name for entry in self.interface.inputs.values() if not entry.optional]

    @property
    def component_spec(self) -> ComponentSpec:
        """As the IR has it (KFP's SDK has classes of its own here). Never to be changed."""
        return self.proto

    @property
    def container_spec(self) -> ContainerSpec | None:
        """The container, as the IR has it; None: there is none."""
        return None

    @property
    def importer_spec(self) -> ImporterSpec | None:
        """What an importer imports, as the IR has it; None: it is none."""
        return None

    @property
    def pipeline_spec(self) -> PipelineSpec:
        """Compiled: the IR."""
        from tradewind.dsl.compiler import compile

        return compile(self).spec

    @property
    def platform_spec(self) -> PlatformSpec:
        """Compiled: what only one platform knows; empty when there is nothing."""
        from tradewind.dsl.compiler import compile

        return compile(self).platform or PlatformSpec()

    def __call__(self, *args: Any, **arguments: Any) -> PipelineTask:
        """Make a task in the pipeline whose function is running.

        Args:
            arguments: by keyword only: constants, pipeline inputs, outputs of other tasks.

        Raises:
            ConfigurationError: no pipeline function is running.
        """
        trace = current_trace()
        if trace is None:
            named = arguments.keys()
            fits = not args and named <= self.interface.inputs.keys() and named >= set(self.required_inputs)
            raise ConfigurationError(
                f"component '{self.name}' was called outside of a pipeline.",
                remedy="Call it in a @dsl.pipeline function; to try its Python code, use .python_func(...).",
                also=RuntimeError if fits else TypeError,
            )
        arguments = {name: unwrap(value) for name, value in arguments.items()}
        given = {name: value for name, value in arguments.items() if self._is_given(name, value)}
        task = PipelineTask(self, trace, given)
        if args:
            trace.complain(
                f"arguments are given by keyword; {len(args)} came without",
                task=task.name,
                remedy=self._example(),
                also=TypeError,
            )
        self._check(task, trace, skip_missing=bool(args), arguments=arguments)
        return task

    def _is_given(self, name: str, value: Any) -> bool:
        """None where the default is None means left out: the IR has no null arguments."""
        entry = self.interface.inputs.get(name)
        return entry is not None and not (value is None and entry.optional and entry.default is None)

    def _check(self, task: PipelineTask, trace: Trace, skip_missing: bool, arguments: dict[str, Any]) -> None:
        for name, value in arguments.items():
            entry = self.interface.inputs.get(name)
            if entry is None or entry.given_by_backend:
                task.inputs.pop(name, None)
                message = (
                    "unknown argument" if entry is None else "is filled in by the backend and cannot be given"
                )
                part = f"argument '{name}'"
                trace.complain(message, task=task.name, part=part, remedy=self._example(), also=TypeError)
            elif name in task.inputs and (problem := argument_problem(entry, value, trace)):
                trace.complain(problem, task=task.name, part=f"argument '{name}'")
                task.inputs.pop(name)
        for name in self.required_inputs:
            if name not in arguments and not skip_missing:
                part = f"argument '{name}'"
                trace.complain("missing argument", task=task.name, part=part, also=TypeError)

    def _example(self) -> str:
        callable_inputs = [entry for entry in self.interface.inputs.values() if not entry.given_by_backend]
        known = ", ".join(f"{entry.name}: {entry.kind}" for entry in callable_inputs)
        return f"it takes {known}" if known else "it takes no arguments"


def argument_problem(entry: Input, value: Any, trace: Trace) -> str | None:
    """Say why a value cannot be passed to an input; None when it can."""
    if isinstance(value, PipelineTask):
        return f"got the task '{value.name}' itself; pass its .output or one of its .outputs[...]"
    if isinstance(value, Channel):
        if value.trace is not trace:
            return f"'{value.full_name}' belongs to pipeline '{value.trace.pipeline}' and stays in it"
        return (
            None
            if entry.kind.accepts(value.kind)
            else f"expects {entry.kind}, got {value.kind} '{value.full_name}'"
        )
    if isinstance(entry.kind, ArtifactKind):
        return (
            f"expects {entry.kind}, got a {type(value).__name__}; for artifacts that exist see dsl.importer"
        )
    constant = with_tokens(value) if isinstance(value, list | dict) else value
    return constant_problem(constant, entry.kind) or foreign_token_problem(constant, trace)


def foreign_token_problem(constant: Any, trace: Trace) -> str | None:
    """Say which value put into a text cannot be there; None when all can."""
    if isinstance(constant, str):
        for channel in trace.tokens_in(constant).values():
            if channel is None:
                return "holds a value of another pipeline"
            if isinstance(channel.kind, ArtifactKind):
                return f"'{channel.full_name}' is an artifact and cannot be put into text"
    elif isinstance(constant, list):
        return next(filter(None, (foreign_token_problem(item, trace) for item in constant)), None)
    elif isinstance(constant, dict):
        parts = [*constant.keys(), *constant.values()]
        return next(filter(None, (foreign_token_problem(part, trace) for part in parts)), None)
    return None
