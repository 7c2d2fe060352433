"""The comments at the head of a compiled file: what it is called, what goes in and what comes out.

Readers of the file want to know, and KFP's SDK reads the description of a component from there.
"""

from __future__ import annotations

from collections.abc import Iterator

from kfp.pipeline_spec.pipeline_spec_pb2 import PipelineSpec

from tradewind.dsl.interface import Input, Output, interface_of

__all__ = ["comments"]

_INDENT = "#    "


def comments(spec: PipelineSpec, description: str | None) -> str:
    """The comments, each line with its `#`."""
    return "".join(f"{line}\n" for line in _lines(spec, description))


def _lines(spec: PipelineSpec, description: str | None) -> Iterator[str]:
    yield "# PIPELINE DEFINITION"
    yield f"# Name: {spec.pipeline_info.name}"
    if description:
        first, *more = description.splitlines()
        yield f"# Description: {first}"
        # The SDK knows by this many blanks that the description goes on.
        yield from (f"#              {line}" for line in more)
    interface = interface_of(spec.pipeline_info.name, spec.root)
    for title, ports in (("Inputs", interface.inputs), ("Outputs", interface.outputs)):
        if ports:
            yield f"# {title}:"
            yield from (_INDENT + _port(ports[name]) for name in sorted(ports))


def _port(port: Input | Output) -> str:
    default = port.default if isinstance(port, Input) else None
    kind = str(port.kind).removeprefix("list of ")
    return f"{port.name}: {kind}" + (f" [Default: {default!r}]" if default is not None else "")
