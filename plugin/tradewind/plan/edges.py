"""What each step waits for.

In the IR, dependencies join siblings, steps and sub-pipelines alike. Between steps this becomes: whoever
waits for a sub-pipeline waits for its last steps, and what a sub-pipeline waits for, its first steps wait
for. As in KFP a sub-pipeline is a unit: a value from inside is there for others when all of it has succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping

from tradewind.plan.binding import steps_of
from tradewind.plan.tree import Node
from tradewind.plan.wiring import Inputs

__all__ = ["connect"]


def connect(root: Node, wired: Mapping[str, Inputs]) -> dict[str, tuple[str, ...]]:
    """Ids of the steps that each step waits for, by step id; sorted."""
    last: dict[str, frozenset[str]] = {}
    _find_last(root, last)
    edges: dict[str, tuple[str, ...]] = {}
    _connect_children(root, frozenset(), last, wired, edges)
    return edges


def _find_last(node: Node, last: dict[str, frozenset[str]]) -> None:
    """For every node, the steps in it that no other step in it waits for."""
    if node.is_step:
        last[node.id] = frozenset((node.id,))
        return
    awaited = {name for child in node.children.values() for name in child.upstream}
    for child in node.children.values():
        _find_last(child, last)
    ends = (last[child.id] for name, child in node.children.items() if name not in awaited)
    last[node.id] = frozenset().union(*ends)


def _connect_children(
    parent: Node,
    inherited: frozenset[str],
    last: Mapping[str, frozenset[str]],
    wired: Mapping[str, Inputs],
    edges: dict[str, tuple[str, ...]],
) -> None:
    for child in parent.children.values():
        # Who waits for a sibling waits for all that the parent waits for, through the sibling.
        awaited = frozenset().union(*(last[parent.children[name].id] for name in child.upstream))
        upstream = awaited or inherited
        if child.is_step:
            edges[child.id] = tuple(sorted(upstream | _data_sources(wired[child.id])))
        else:
            _connect_children(child, upstream, last, wired, edges)


def _data_sources(inputs: Inputs) -> set[str]:
    bindings = [*inputs.parameters.values(), *inputs.artifacts.values()]
    return {step for binding in bindings for step in steps_of(binding)}
