"""`tradewind check FILE`: what of a pipeline would run, or everything that is wrong with it.

What would run is shown as the tree that Airflow shows: sub-pipelines, loops and branches with the steps in
them. What is wrong is shown the way compilers do, `FILE:LINE: what`, so that an editor finds the place.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from tradewind.cli.check_dag import require_dag
from tradewind.cli.check_plan import plan_text
from tradewind.cli.check_pods import count_pods
from tradewind.cli.check_tree import tree
from tradewind.cli.exits import ExitCode
from tradewind.cli.source import choose, read_source
from tradewind.errors import InvalidPipelineError, Problem
from tradewind.plan import build
from tradewind.plan.bindings import Constant
from tradewind.plan.iterations import least_iterations
from tradewind.plan.model import Plan

__all__ = ["check_file"]


def check_file(options: argparse.Namespace) -> ExitCode:
    """Carry out `tradewind check FILE`."""
    try:
        built, is_kfp_s = _sound(options.file, options.pipeline)
    except InvalidPipelineError as error:
        for line in _report(options.file, error):
            print(line, file=sys.stderr)
        return ExitCode.USAGE
    style = _Style(sys.stdout.isatty() and not os.environ.get("NO_COLOR"))
    lines = plan_text(built) if options.plan else _summary(options.file, built, style)
    for line in chain(lines, () if options.plan else _notes(built, is_kfp_s)):
        print(line)
    return ExitCode.OK


def _sound(file: str, name: str) -> tuple[Plan, bool]:
    """What would run of a file, and whether the KFP SDK compiled it.

    What is wrong with a compiled one comes with what could not be run of it.
    """
    path = Path(file).expanduser().absolute()
    if path.suffix == ".py" and path.is_file():
        chosen = choose(path, name)
        if chosen.arguments is not None:
            require_dag(path, chosen)
        content = chosen.load()
        return content if isinstance(content, Plan) else build(content), False
    if not path.is_file():
        return read_source(file, pipeline=name).plan(), False
    from tradewind import ir
    from tradewind.ir.executors import executors
    from tradewind.plan.support import unsupported

    pipeline = ir.load(path, source=file, checked=False)
    try:
        ir.validate(pipeline)
    except InvalidPipelineError as error:
        more = unsupported(pipeline, executors(pipeline.spec))
        raise InvalidPipelineError(file, dict.fromkeys((*error.problems, *more))) from None
    return build(pipeline), pipeline.spec.sdk_version.startswith("kfp-")


# --- a pipeline that would run ---


class _Style:
    """Escape sequences of a terminal, or none."""

    def __init__(self, coloured: bool) -> None:
        self._coloured = coloured

    def __call__(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._coloured and text else text


def _summary(file: str, plan: Plan, style: _Style) -> Iterator[str]:
    steps = len(plan.steps)
    yield f"{style('32', 'pass')}  {file}: pipeline {plan.name}, {steps} step{'s' if steps != 1 else ''}"
    yield f"      pods: {count_pods(plan)} (retries not counted; a step taken from the cache needs none)"
    for name, parameter in plan.parameters.items():
        value = f" = {parameter.default!r}" if parameter.has_default else ""
        yield f"      parameter {name}: {parameter.type}{value}"
    rows = list(tree(plan))
    names = max(len(row.name) + 2 * row.depth for row in rows)
    images = max(len(row.what) for row in rows if row.is_step)
    for row in rows:
        indent = "  " * row.depth
        padding = " " * (names - len(row.name) - len(indent))
        name = row.name if row.is_step else style("1", row.name)
        what = row.what.ljust(images) if row.is_step else style("36", row.what)
        yield f"      {indent}{name}{padding}  {what}  {style('2', row.notes)}".rstrip()


def _notes(plan: Plan, is_kfp_s: bool) -> Iterator[str]:
    """What may be meant otherwise, or may not be possible where the pipeline is going to run."""
    for loop in plan.loops.values() if is_kfp_s else ():
        around = loop.loop
        while around and plan.loops[around].items != loop.items:
            around = plan.loops[around].loop
        if around and not isinstance(loop.items, Constant):
            yield f"note  {loop.id} goes over the list of {around}: the KFP SDK gives both items one name,"
            yield "      which is the inner one's. Compile with `tradewind compile` to tell them apart."
    numbers = least_iterations(plan.loops.values(), {})
    if numbers:
        from tradewind.operators.iteration_limit import iteration_problems

        for problem in iteration_problems(numbers):
            yield f"note  {problem.place} {problem.message} here: {problem.remedy}"


# --- a pipeline that would not ---


def _report(file: str, error: InvalidPipelineError) -> Iterator[str]:
    count = len(error.problems)
    yield f"{file}: {count} problem{'s' if count != 1 else ''}; nothing of it would run"
    placed = [(line, problem) for problem, line in zip(error.problems, _lines(file, error), strict=True)]
    for line, problem in sorted(placed, key=lambda entry: (entry[0] is None, entry[0] or 0)):
        where = f"{file}:{line}: " if line is not None else f"{file}: "
        yield where + _said(problem)
        if problem.remedy:
            yield f"    Remedy: {problem.remedy}"


def _said(problem: Problem) -> str:
    return problem.message if problem.place.startswith("line ") else f"{problem.place}: {problem.message}"


def _lines(file: str, error: InvalidPipelineError) -> list[int | None]:
    """The line of each problem; of a pipeline in Python, its places say more than lines would."""
    if not file.endswith(".py"):
        from tradewind.ir.lines import Lines

        try:
            text = Path(file).expanduser().read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            text = ""
        found = Lines(text)
        return [found.find(problem.place) for problem in error.problems]
    return [None] * len(error.problems)
