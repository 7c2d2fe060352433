"""Preconditions put together: what has to hold for a node to run, from what has to hold for others."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tradewind.plan.bindings import ALWAYS, Guard, Precondition
from tradewind.plan.tree import Node

__all__ = ["Guards", "happened", "united"]

Guards = Mapping[str, Guard]
"""The condition of each node that has one, by its id."""


def united(parts: Iterable[Precondition]) -> Precondition:
    """All of several preconditions, nothing twice, in their order."""
    given = [part for part in parts if part != ALWAYS]
    if len(given) < 2:
        return given[0] if given else ALWAYS
    return Precondition(
        succeeded=tuple(dict.fromkeys(step for part in given for step in part.succeeded)),
        unfailed=tuple(dict.fromkeys(step for part in given for step in part.unfailed)),
        guards=tuple({guard.scope: guard for part in given for guard in part.guards}.values()),
    )


def happened(node: Node, guards: Guards) -> Precondition:
    """When a node ran, given that the scope around it did."""
    if node.is_step:
        return Precondition(succeeded=(node.id,))
    parts = [] if node.ignores_failures else [happened(sibling, guards) for sibling in node.awaited()]
    if node.id in guards:
        parts.append(Precondition(guards=(guards[node.id],)))
    return united(parts)
