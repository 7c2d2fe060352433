"""Pipelines: functions that call components, run once at compile time."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

from tradewind import ir
from tradewind.dsl.base import BaseComponent
from tradewind.dsl.channel import Channel
from tradewind.dsl.interface import Interface, read_interface
from tradewind.dsl.pipeline_config import PipelineConfig
from tradewind.dsl.trace import Trace
from tradewind.dsl.values import text_problem
from tradewind.errors import InvalidPipelineError, Problem
from tradewind.garbage import collection_paused

__all__ = ["PIPELINE_NAME", "GraphComponent", "pipeline"]

PIPELINE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,127}")


class GraphComponent(BaseComponent):
    """A pipeline, made with `@dsl.pipeline`. Call it in another pipeline to use it as a component.

    Attributes:
        compiled: the IR. Never to be changed.
        executors: labels of its executors in the order of their tasks. The IR's maps have no order, and names
            given
            on the way into another pipeline must be the same each time.
        pipeline_func: the decorated function.
    """

    def __init__(
        self,
        interface: Interface,
        compiled: ir.Pipeline,
        executors: Iterable[str],
        components: Iterable[str],
        func: Callable[..., Any] | None = None,
    ) -> None:
        super().__init__(interface, compiled.spec.root)
        self.compiled: ir.Pipeline = compiled
        self.executors = tuple(executors)
        self.components = tuple(components)
        self.pipeline_func = func


def pipeline(
    func: Callable[..., Any] | None = None,
    *,
    name: str | None = None,
    description: str | None = None,
    pipeline_root: str | None = None,
    display_name: str | None = None,
    pipeline_config: PipelineConfig | None = None,
) -> Any:
    """Make a pipeline of a function.

    Args:
        func: its arguments are the pipeline's inputs, what it returns are the pipeline's outputs.
        name: default: the function's name, with dashes.
        description: default: the docstring's.
        pipeline_root: where artifacts go, unless a run says otherwise.
        display_name: the name that people see.
        pipeline_config: settings of the whole pipeline.

    Raises:
        InvalidPipelineError: lists everything that is wrong.
    """
    if func is None:
        return functools.partial(
            pipeline,
            name=name,
            description=description,
            pipeline_root=pipeline_root,
            display_name=display_name,
            pipeline_config=pipeline_config,
        )
    from tradewind.dsl.compiler import compile_trace

    interface = read_interface(func, "pipeline", name, description)
    if not PIPELINE_NAME.fullmatch(interface.name):
        place = f"pipeline '{name or func.__name__}'"
        remedy = "use up to 128 lower case letters, digits and dashes"
        raise InvalidPipelineError(place, [Problem(place, "this name is not allowed", remedy)])
    given = {
        "description": interface.description,
        "display_name": display_name,
        "pipeline_root": pipeline_root,
    }
    place = f"pipeline '{interface.name}'"
    problems = [
        Problem(f"{place}, {part}", problem)
        for part, text in given.items()
        if isinstance(text, str) and (problem := text_problem(text))
    ]
    if problems:
        raise InvalidPipelineError(place, problems)
    trace = Trace(interface.name)
    with collection_paused(), trace.running():
        returned = func(
            **{entry.name: Channel(trace, entry.name, entry.kind) for entry in interface.inputs.values()}
        )
        made = compile_trace(trace, interface, returned, pipeline_config)
    info = made.compiled.spec.pipeline_info
    info.display_name, info.description = display_name or "", interface.description
    made.compiled.spec.default_pipeline_root = pipeline_root or ""
    made.pipeline_func = func
    functools.update_wrapper(made, func)
    return made
