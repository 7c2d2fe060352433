"""The tree of everything that a pipeline runs: scopes as branches, what runs as leaves.

In the IR a component is defined once and may be used many times, also inside itself being used; here every
use is a node of its own, with its own id and its own place in the order. Later passes walk this tree and
never look a component up again. The blocks of control flow are components to KFP; what each of them is for
says the task that uses it.
"""

from __future__ import annotations

import hashlib
import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kfp.pipeline_spec.pipeline_spec_pb2 import ComponentSpec, PipelineSpec, PipelineTaskSpec

from tradewind.errors import InvalidPipelineError, Problem
from tradewind.ir.tasks import producers
from tradewind.plan.model import ScopeKind

__all__ = ["Node", "grow", "sort_key"]

LONGEST_STEP_ID = 250
"""In characters: what Airflow takes for a task."""

LONGEST_SCOPE_ID = 120
"""Airflow takes 200 for a group; ours have two underscores for each dot, and a few letters more."""

_Strategy = PipelineTaskSpec.TriggerPolicy.TriggerStrategy


@dataclass(slots=True, eq=False)
class Node:
    """One use of a component: the pipeline itself, a scope or a step.

    Attributes:
        id: names of the tasks on the way from the root, joined by dots (see `_id_of` for long ones); "" for
            the root.
        name: the task's name among its siblings.
        place: of the task in the document, for messages.
        children: by task name, in topological order; empty for a step.
        upstream: the siblings that this one waits for, by name, sorted.
        loop: id of the innermost loop around it, "" for none; a loop is not around itself.
        is_step, is_loop: what it is; asked for often.
    """

    id: str
    name: str
    task: PipelineTaskSpec
    component_name: str
    component: ComponentSpec
    place: str
    parent: Node | None = None
    children: dict[str, Node] = field(default_factory=dict)
    upstream: tuple[str, ...] = ()
    loop: str = ""
    is_step: bool = field(init=False)
    is_loop: bool = field(init=False)

    def __post_init__(self) -> None:
        self.is_step = self.component.WhichOneof("implementation") == "executor_label"
        self.is_loop = self.task.WhichOneof("iterator") is not None

    @property
    def ignores_failures(self) -> bool:
        """Whether it runs however what it waits for has ended: exit tasks, ignore_upstream_failure."""
        return bool(self.task.trigger_policy.strategy == _Strategy.ALL_UPSTREAM_TASKS_COMPLETED)

    @property
    def kind(self) -> ScopeKind:
        """What a scope is for. Branches and exit handlers are told by the names that KFP gives them."""
        if self.is_loop:
            return "loop"
        if self.task.trigger_policy.condition:
            return "condition"
        if self.name.startswith("condition-branches-"):
            return "branches"
        return "exit_handler" if self.name.startswith("exit-handler-") else "pipeline"

    def awaited(self) -> list[Node]:
        """The siblings that this one waits for."""
        return [self.parent.children[name] for name in self.upstream] if self.parent is not None else []

    def steps(self) -> Iterator[Node]:
        """The steps below and including this node, in topological order."""
        if self.is_step:
            yield self
        for child in self.children.values():
            yield from child.steps()

    def scopes(self) -> Iterator[Node]:
        """The scopes below this node, parents before children."""
        for child in self.children.values():
            if not child.is_step:
                yield child
                yield from child.scopes()


def grow(spec: PipelineSpec) -> Node:
    """Make the tree of a valid pipeline."""
    root = Node("", "", PipelineTaskSpec(), "", spec.root, "$.root")
    _grow(root, spec.components, "$.root")
    return root


def _grow(node: Node, components: Mapping[str, ComponentSpec], place: str) -> None:
    upstream = {name: producers(task) for name, task in node.component.dag.tasks.items()}
    for name in _in_order(upstream, place):
        task = node.component.dag.tasks[name]
        component = components[task.component_ref.name]
        child = Node(
            id=_id_of(node.id, name, component.WhichOneof("implementation") == "executor_label"),
            name=name,
            task=task,
            component_name=task.component_ref.name,
            component=component,
            place=f"{place}.dag.tasks.{name}",
            parent=node,
            upstream=tuple(sorted(upstream[name])),
            loop=node.id if node.is_loop else node.loop,
        )
        node.children[name] = child
        if not child.is_step:
            _grow(child, components, f"$.components.{child.component_name}")


def _id_of(around: str, name: str, is_step: bool) -> str:
    """The id of the scope around and the name. Where that is too long, it ends in a hash of all of it.

    The id of a scope then has nothing of the scopes around: the ids of what lies in it begin with it, and are
    short again.
    """
    whole, longest = f"{around}.{name}" if around else name, LONGEST_STEP_ID if is_step else LONGEST_SCOPE_ID
    if len(whole) <= longest:
        return whole
    before = f"{around}." if around and is_step else ""
    digest = hashlib.sha256(whole.encode()).hexdigest()[:10]
    return f"{before}{name[: longest - len(before) - len(digest) - 1]}-{digest}"


def sort_key(name: str) -> tuple[tuple[int, int, str], ...]:
    """Orders `train-2` before `train-10`. Protobuf maps have no order, so names give it."""
    pieces = re.split(r"(\d+)", name)
    return tuple((1, int(piece[:30]), piece) if piece.isdecimal() else (0, 0, piece) for piece in pieces)


def _in_order(upstream: Mapping[str, set[str]], place: str) -> Iterator[str]:
    """Topological order; among those that could come next, by name.

    Raises:
        InvalidPipelineError: some wait for one another, and would be left out.
    """
    downstream: dict[str, list[str]] = {name: [] for name in upstream}
    waiting = {name: len(names) for name, names in upstream.items()}
    for name, names in upstream.items():
        for producer in names:
            downstream[producer].append(name)
    ready = [(sort_key(name), name) for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    while ready:
        _, name = heapq.heappop(ready)
        yield name
        for follower in downstream[name]:
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, (sort_key(follower), follower))
    if left := sorted(name for name, count in waiting.items() if count):
        message = f"these tasks wait for one another: {', '.join(left)}"
        raise InvalidPipelineError("the pipeline", [Problem(f"{place}.dag.tasks", message)])
