"""A task: a component that is called in a pipeline, and the settings that go with the call."""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineSpec, PipelineTaskSpec, PlatformSpec

from tradewind.dsl.channel import Channel, Facade
from tradewind.dsl.resources import Resources, cores, gigabytes
from tradewind.dsl.trace import Scope, Trace
from tradewind.dsl.values import text_problem
from tradewind.errors import InvalidPipelineError, Problem

if TYPE_CHECKING:
    from tradewind.dsl.base import BaseComponent
    from tradewind.ir.executors import ContainerSpec, ImporterSpec

__all__ = ["PipelineTask", "Retry"]

_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_DURATION = re.compile(r"\s*(\d+)\s*([a-z]*)\s*")


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try again; durations in seconds."""

    count: int
    backoff: int
    factor: float
    backoff_max: int

    def write(self, policy: PipelineTaskSpec.RetryPolicy) -> None:
        policy.max_retry_count = self.count
        policy.backoff_duration.seconds = self.backoff
        policy.backoff_factor = self.factor
        policy.backoff_max_duration.seconds = self.backoff_max


class _Outputs(dict[str, Channel]):
    """Outputs by name, which says what there is when asked for something else."""

    def __init__(self, task: PipelineTask, channels: dict[str, Channel]) -> None:
        super().__init__(channels)
        self._task = task

    def __missing__(self, name: str) -> Channel:
        known = ", ".join(self) or "none"
        message = f"has no output '{name}'; its outputs: {known}"
        self._task.trace.fail(message, task=self._task.name, also=KeyError)


class PipelineTask:
    """A task of a pipeline. Made by calling a component, never directly.

    All methods that set something return the task, so that calls can be chained. What they find wrong is
    reported with everything else when the pipeline function ends.

    Attributes:
        name: unique in the pipeline.
        inputs: the arguments as they were given.
        env: environment variables of the container.
        platform_config: settings for one platform only, by platform (`kubernetes`), as plain data.
    """

    def __init__(self, component: BaseComponent, trace: Trace, arguments: dict[str, Any]) -> None:
        self.component = component
        self.trace = trace
        self.inputs = arguments
        self.scope: Scope = trace.scope
        self.name = trace.add_task(self, component.name)
        self.env: dict[str, str] = {}
        self.resources = Resources()
        self.image = ""
        self.display_name = ""
        self.caching = trace.caching
        self.cache_key = ""
        self.retry: Retry | None = None
        self.upstream: list[Any] = []
        self.ignores_upstream_failure = False
        self.uses_workspace = False
        self.exit_of: Scope | None = None
        self.platform_config: dict[str, Any] = {}
        channels = {
            output.name: Channel(trace, output.name, output.kind, self)
            for output in component.interface.outputs.values()
        }
        self._outputs = _Outputs(self, channels)

    @property
    def outputs(self) -> dict[str, Channel]:
        """All outputs by name."""
        return self._outputs

    @property
    def output(self) -> Channel:
        """The output, of a task that has exactly one."""
        if len(self._outputs) != 1:
            names = ", ".join(self._outputs)
            self.trace.fail(
                f"has {len(self._outputs)} outputs, so .output is not defined",
                task=self.name,
                remedy=f"use .outputs[...] with one of: {names}" if names else "give the component an output",
                also=AttributeError,
            )
        return next(iter(self._outputs.values()))

    @property
    def component_spec(self) -> ComponentSpec:
        """The component, as the IR has it."""
        return self.component.component_spec

    @property
    def container_spec(self) -> ContainerSpec | None:
        """The component's container, as the IR has it, without this task's settings; None: it has none."""
        return self.component.container_spec

    @property
    def importer_spec(self) -> ImporterSpec | None:
        """What an importer imports, as the IR has it; None: it is none."""
        return self.component.importer_spec

    @property
    def pipeline_spec(self) -> PipelineSpec | None:
        """The IR of a pipeline; None: the task is of a single component."""
        return None if self._is_primitive else self.component.pipeline_spec

    @property
    def platform_spec(self) -> PlatformSpec:
        """What only one platform knows of a pipeline.

        Raises:
            InvalidPipelineError: the task is of a single component.
        """
        if self._is_primitive:
            place = f"pipeline '{self.trace.pipeline}', task '{self.name}'"
            problem = Problem(place, "only tasks of pipelines have a platform_spec", "use platform_config")
            raise InvalidPipelineError(place, [problem])
        return self.component.platform_spec

    @property
    def _is_primitive(self) -> bool:
        return not self.component.component_spec.HasField("dag")

    @property
    def dependent_tasks(self) -> list[str]:
        """Names of the tasks given to `after`."""
        return [node.name for node in self.upstream]

    @property
    def channel_inputs(self) -> list[Channel]:
        """The arguments that are known only at run time."""
        return [value for value in self.inputs.values() if isinstance(value, Channel)]

    def after(self, *tasks: Any) -> PipelineTask:
        """Start only after these tasks (or `dsl.ExitHandler` groups) have succeeded."""
        for other in tasks:
            if isinstance(other, Scope) and other.kind != "exit-handler":
                self._complain(
                    "after()", f"a {other.keyword} cannot be waited for", "give the tasks in it instead"
                )
            elif not isinstance(other, PipelineTask | Scope):
                self._complain("after()", f"expects tasks, got a {type(other).__name__}")
            elif other.trace is not self.trace:
                self._complain("after()", f"task '{other.name}' belongs to pipeline '{other.trace.pipeline}'")
            else:
                self.upstream.append(other)
        return self

    def ignore_upstream_failure(self) -> PipelineTask:
        """Run also when a task before it has failed. Inputs that such a task makes need defaults."""
        for name, value in self.inputs.items():
            if (
                isinstance(value, Channel)
                and value.producer
                and not self.component.interface.inputs[name].optional
            ):
                self._complain(
                    f"argument '{name}'",
                    f"has no default, but task '{value.task_name}' may fail before it makes a value",
                    "give the component's input a default to use ignore_upstream_failure()",
                )
        self.ignores_upstream_failure = True
        return self

    def set_caching_options(self, enable_caching: bool, cache_key: str | None = None) -> PipelineTask:
        """Turn the step cache on or off; `cache_key` is a key of your own instead of the computed one."""
        if not isinstance(enable_caching, int):  # a word such as "no" would turn it on
            message = f"enable_caching is True or False, not {enable_caching!r}"
            self._complain("set_caching_options()", message, also=TypeError)
        self.caching = bool(enable_caching)
        self.cache_key = self._constant("set_caching_options()", cache_key or "")
        return self

    def set_display_name(self, name: str) -> PipelineTask:
        """The name that people see."""
        self.display_name = self._constant("set_display_name()", name)
        return self

    def set_retry(
        self,
        num_retries: int,
        backoff_duration: str | None = None,
        backoff_factor: float | None = None,
        backoff_max_duration: str | None = None,
    ) -> PipelineTask:
        """Try again after a failure.

        Args:
            num_retries: how often.
            backoff_duration: wait before the first retry: "30s", "5 minutes"; default none.
            backoff_factor: each wait is this much longer than the one before; default 2.
            backoff_max_duration: longest wait; default an hour.
        """
        try:
            if not isinstance(num_retries, int) or num_retries < 0:
                raise ValueError(f"num_retries is a number from 0 up, not {num_retries!r}")
            factor = 2.0 if backoff_factor is None else backoff_factor
            if not isinstance(factor, int | float) or not 0 <= factor < math.inf:
                raise ValueError(f"backoff_factor is a number from 0 up, not {factor!r}")
            self.retry = Retry(
                num_retries,
                _seconds(backoff_duration or "0s"),
                float(factor or 2.0),
                _seconds(backoff_max_duration or "3600s"),
            )
        except ValueError as error:
            self._complain("set_retry()", str(error))
        return self

    def set_env_variable(self, name: str, value: str) -> PipelineTask:
        """Set an environment variable of the container."""
        part = f"environment variable '{name}'"
        if not self._has_container("set_env_variable()"):
            return self
        if isinstance(value, Channel) or (isinstance(value, str) and self.trace.tokens_in(value)):
            self._complain(
                part,
                "cannot be a value known only at run time",
                "pass it as an argument of the component",
                TypeError,
            )
        elif not isinstance(name, str) or not name or "=" in name or not name.isprintable():
            also = ValueError if isinstance(name, str) else TypeError
            message = f"{name!r} is not a name of an environment variable"
            self._complain("set_env_variable()", message, also=also)
        elif not isinstance(value, str):
            message = f"expects text, got a {type(value).__name__}"
            self._complain(part, message, f"write {str(value)!r}", TypeError)
        elif problem := text_problem(value):
            self._complain(part, problem)
        else:
            self.env[name] = value
        return self

    def set_container_image(self, name: str | Channel) -> PipelineTask:
        """Another image than the component's; may come from a pipeline input or an output."""
        if self._has_container("set_container_image()"):
            self.image = str(name)
            if not isinstance(name, str | Channel | Facade):
                message = f"expects text, got a {type(name).__name__}"
                self._complain("set_container_image()", message, also=TypeError)
            elif not self.image.strip():
                self._complain("set_container_image()", "no image is given")
        return self

    def set_cpu_request(self, cpu: str | Channel) -> PipelineTask:
        """CPUs that are kept free for it: "2", "0.5", "500m"."""
        return self._set_resource("cpu_request", cpu, cores)

    def set_cpu_limit(self, cpu: str | Channel) -> PipelineTask:
        """CPUs that it may use at most: "2", "0.5", "500m"."""
        return self._set_resource("cpu_limit", cpu, cores)

    def set_memory_request(self, memory: str | Channel) -> PipelineTask:
        """Memory that is kept free for it: "512Mi", "4G"."""
        return self._set_resource("memory_request", memory, gigabytes)

    def set_memory_limit(self, memory: str | Channel) -> PipelineTask:
        """Memory that it may use at most: "512Mi", "4G"."""
        return self._set_resource("memory_limit", memory, gigabytes)

    def set_accelerator_type(self, accelerator: str | Channel) -> PipelineTask:
        """Such as "nvidia.com/gpu"; one of them unless `set_accelerator_limit` says otherwise."""
        self.resources.accelerator_count = self.resources.accelerator_count or "1"
        return self._set_resource("accelerator_type", accelerator, str)

    def set_accelerator_limit(self, limit: int | str | Channel) -> PipelineTask:
        """How many accelerators."""
        return self._set_resource("accelerator_count", limit, _count)

    def set_gpu_limit(self, gpu: int | str | Channel) -> PipelineTask:
        """Old name of `set_accelerator_limit`."""
        warnings.warn("set_gpu_limit is now called set_accelerator_limit", DeprecationWarning, stacklevel=2)
        return self.set_accelerator_limit(gpu)

    def add_node_selector_constraint(self, accelerator: str | Channel) -> PipelineTask:
        """Old name of `set_accelerator_type`."""
        warnings.warn(
            "add_node_selector_constraint is now set_accelerator_type", DeprecationWarning, stacklevel=2
        )
        return self.set_accelerator_type(accelerator)

    def set_debug_pause(
        self, before: bool = False, after: bool = True, on_error: bool = False
    ) -> PipelineTask:
        """Exists for Argo Workflows only."""
        self._complain("set_debug_pause()", "is not supported: it is a feature of Argo Workflows")
        return self

    def _set_resource(self, name: str, value: Any, check: Any) -> PipelineTask:
        part = f"set_{name.replace('_count', '_limit')}()"
        if not self._has_container(part):
            return self
        text = str(value)
        try:
            if not isinstance(value, Channel) and not self.trace.tokens_in(text):
                check(text)
            setattr(self.resources, name, text)
        except ValueError as error:
            self._complain(part, str(error), also=ValueError if isinstance(value, str) else TypeError)
        return self

    def _constant(self, part: str, text: Any) -> str:
        problem = "expects constant text"
        if isinstance(text, str) and not self.trace.tokens_in(text):
            problem = text_problem(text) or ""
        if problem:
            self._complain(part, problem, also=ValueError if isinstance(text, str) else TypeError)
        return "" if problem else text

    def _has_container(self, part: str) -> bool:
        if not self.component.is_container:
            self._complain(part, "is for components that run a container, not for pipelines and importers")
        return self.component.is_container

    def _complain(
        self, part: str, message: str, remedy: str = "", also: type[Exception] = ValueError
    ) -> None:
        self.trace.complain(message, task=self.name, part=part, remedy=remedy, also=also)


def _count(text: str) -> int:
    if not re.fullmatch(r"\d+", text):
        raise ValueError(f"expects a number from 0 up, got {text!r}")
    return int(text)


def _seconds(text: str) -> int:
    match = _DURATION.fullmatch(str(text))
    if not match or (match[2] and match[2][0] not in _UNIT_SECONDS):
        raise ValueError(f"{text!r} is not a duration; write for example '30s', '5 minutes' or '1h'")
    return int(match[1]) * _UNIT_SECONDS[match[2][:1] or "s"]
