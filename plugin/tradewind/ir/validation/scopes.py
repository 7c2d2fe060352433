"""The tasks of one pipeline or sub-pipeline: what they refer to, their order, what comes out of the whole."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, DagOutputsSpec, DagSpec, PipelineTaskSpec

from tradewind.errors import Problem
from tradewind.ir.schema import step_into
from tradewind.ir.tasks import producers
from tradewind.ir.validation.bindings import Task, check_inputs, choices

__all__ = ["check_scope", "empty"]

_BLOCK = re.compile(r"(?P<first>comp-(?:for-loop|condition|condition-branches|exit-handler)-\d+)(?:-\d+)?\Z")
"""Names of the components that compilers make of blocks; a second one of a name gets a number behind it."""


def empty(name: str, components: Mapping[str, ComponentSpec], place: str) -> Problem:
    """What to say about a component without tasks and executor; empty blocks have their own stories."""
    block = _BLOCK.match(name)
    if block is None:
        return Problem(place, "has neither an executor nor tasks", "give executorLabel or dag")
    first = block["first"]
    if first != name and first in components and components[first].WhichOneof("implementation") == "dag":
        message = f"the KFP SDK has put its tasks into {first!r}, the block of that number in a sub-pipeline"
        return Problem(place, message, "compile it with `tradewind compile`, which tells blocks apart")
    return Problem(place, "the block has no tasks in it", "put one in, or leave the block out")


def check_scope(
    own_name: str, component: ComponentSpec, components: Mapping[str, ComponentSpec], place: str
) -> Iterator[Problem]:
    """Yield what is wrong inside one pipeline or sub-pipeline; nothing for a component that is a step.

    Args:
        own_name: of the component, empty for the whole pipeline's.
        component: whose tasks to check.
        components: all of the document's.
        place: of the component.
    """
    if component.WhichOneof("implementation") != "dag":
        return
    dag = component.dag
    if not dag.tasks:
        if _BLOCK.match(own_name):
            yield empty(own_name, components, place)
        else:
            yield Problem(f"{place}.dag.tasks", "is empty", "call at least one component in the pipeline")
        return
    siblings = {}
    for name, task in sorted(dag.tasks.items()):
        reference = task.component_ref.name
        if reference in components:
            siblings[name] = components[reference]
        else:
            where = step_into(f"{place}.dag.tasks", name) + ".componentRef.name"
            yield Problem(where, f"there is no component {reference!r}", choices(components, reference))
    iterates = {name for name, task in dag.tasks.items() if task.WhichOneof("iterator") is not None}
    for name, task in sorted(dag.tasks.items()):
        where = step_into(f"{place}.dag.tasks", name)
        yield from _task(name, task, dag, where)
        if name in siblings:
            yield from check_inputs(Task(name, task, siblings[name], siblings, component, where, iterates))
    yield from _cycles(dag, place)
    yield from _outputs(dag, component, siblings, f"{place}.dag.outputs")


def _task(name: str, task: PipelineTaskSpec, dag: DagSpec, place: str) -> Iterator[Problem]:
    for index, upstream in enumerate(task.dependent_tasks):
        where = f"{place}.dependentTasks[{index}]"
        if upstream == name:
            yield Problem(where, "the task depends on itself")
        elif upstream not in dag.tasks:
            yield Problem(where, f"there is no task {upstream!r}", choices(dag.tasks, upstream))
    if task.retry_policy.max_retry_count < 0:
        yield Problem(f"{place}.retryPolicy.maxRetryCount", "is negative")
    if not 0 <= task.retry_policy.backoff_factor < math.inf:
        yield Problem(f"{place}.retryPolicy.backoffFactor", "is no number from 0 up")
    for field, duration in task.retry_policy.ListFields():
        if field.name.endswith("duration") and (duration.seconds < 0 or duration.nanos < 0):
            yield Problem(f"{place}.retryPolicy.{field.json_name}", "is negative")


# --- order ---


def _cycles(dag: DagSpec, place: str) -> Iterator[Problem]:
    names = set(dag.tasks)
    upstream = {name: (producers(task) & names) - {name} for name, task in sorted(dag.tasks.items())}
    cycle = _find_cycle(upstream)
    if cycle:
        path = " → ".join([*cycle, cycle[0]])
        yield Problem(
            f"{place}.dag.tasks", f"these tasks wait for one another: {path}", "remove one dependency"
        )


def _find_cycle(upstream: Mapping[str, set[str]]) -> list[str]:
    """Names of the tasks of one cycle, each before the one that waits for it; empty if there is none."""
    left = {name: set(names) for name, names in upstream.items()}
    downstream: dict[str, list[str]] = {name: [] for name in upstream}
    for name, names in upstream.items():
        for producer in names:
            downstream[producer].append(name)
    ready = [name for name, names in left.items() if not names]
    while ready:
        done = ready.pop()
        del left[done]
        for follower in downstream[done]:
            left[follower].discard(done)
            if not left[follower]:
                ready.append(follower)
    if not left:
        return []
    # Every task that is left waits for another one that is left: going back from any of them runs into a
    # cycle.
    path = {min(left): 0}
    current = min(left)
    while (current := min(left[current])) not in path:
        path[current] = len(path)
    cycle = list(path)[path[current] :][::-1]
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]


# --- outputs ---


def _outputs(
    dag: DagSpec, component: ComponentSpec, siblings: Mapping[str, ComponentSpec], place: str
) -> Iterator[Problem]:
    declared = component.output_definitions
    for side, given, wanted in (
        ("parameters", dag.outputs.parameters, declared.parameters),
        ("artifacts", dag.outputs.artifacts, declared.artifacts),
    ):
        for name in sorted(wanted.keys() - given.keys()):
            yield Problem(
                step_into(f"{place}.{side}", name), "is declared as an output, but no task gives it"
            )
        for name in sorted(given.keys()):
            where = step_into(f"{place}.{side}", name)
            if name not in wanted:
                yield Problem(where, "is not declared as an output", choices(wanted, name))
            selectors = list(_selectors(given[name]))
            if not selectors:
                yield Problem(where, "says no task")
            for producer, key in selectors:
                yield from _selector(producer, key, side, dag, siblings, where)


def _selectors(
    output: DagOutputsSpec.DagOutputParameterSpec | DagOutputsSpec.DagOutputArtifactSpec,
) -> Iterator[tuple[str, str]]:
    if isinstance(output, DagOutputsSpec.DagOutputArtifactSpec):
        for selector in output.artifact_selectors:
            yield selector.producer_subtask, selector.output_artifact_key
    elif output.WhichOneof("kind") == "value_from_parameter":
        single = output.value_from_parameter
        yield single.producer_subtask, single.output_parameter_key
    else:
        for one in output.value_from_oneof.parameter_selectors:
            yield one.producer_subtask, one.output_parameter_key


def _selector(
    producer: str, key: str, side: str, dag: DagSpec, siblings: Mapping[str, ComponentSpec], where: str
) -> Iterator[Problem]:
    if producer not in dag.tasks:
        yield Problem(where, f"there is no task {producer!r}", choices(dag.tasks, producer))
    elif producer in siblings:
        there = getattr(siblings[producer].output_definitions, side)
        if key not in there:
            yield Problem(where, f"task {producer!r} has no output {side[:-1]} {key!r}", choices(there, key))
