"""How many pods a run of a plan starts: as far as it can be known, between two numbers.

Conditions make a range of it, and loops over what only a run knows make it grow with their items. Of branches
that exclude one another at most one counts, and one at least if there is an Else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from tradewind.plan.bindings import Constant, Guard
from tradewind.plan.model import Loop, Plan, Step

__all__ = ["Pods", "count_pods", "guards_by_subject"]


@dataclass(frozen=True, slots=True)
class Pods:
    """Least and most pods.

    Attributes:
        fixed: whatever the items of loops are.
        per_item: for each item of a loop, by its id; of a loop in a loop, all of its items in a run count.
    """

    fixed: tuple[int, int] = (0, 0)
    per_item: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    def __str__(self) -> str:
        pieces = [_range(self.fixed)] if any(self.fixed) or not self.per_item else []
        pieces += [f"{_range(pods)} for each item of {loop}" for loop, pods in self.per_item.items()]
        return " + ".join(pieces)

    def plus(self, other: Pods) -> Pods:
        loops = [*self.per_item, *(loop for loop in other.per_item if loop not in self.per_item)]
        return Pods(
            _sum(self.fixed, other.fixed),
            {loop: _sum(self.per_item.get(loop, (0, 0)), other.per_item.get(loop, (0, 0))) for loop in loops},
        )

    def times(self, count: int) -> Pods:
        return Pods(
            _times(self.fixed, count), {loop: _times(pods, count) for loop, pods in self.per_item.items()}
        )

    def each_item_of(self, loop: str) -> Pods:
        return Pods((0, 0), {loop: self.fixed, **self.per_item} if any(self.fixed) else self.per_item)

    def if_at_all(self) -> Pods:
        return Pods((0, self.fixed[1]), {loop: (0, most) for loop, (_, most) in self.per_item.items()})


def count_pods(plan: Plan) -> Pods:
    """Count the pods of one run, without retries, when nothing comes from the cache."""
    return _Counter(plan).scope("")


def guards_by_subject(plan: Plan) -> dict[str, Guard]:
    """The condition of each scope and step that has one of its own, by id."""
    subjects: list[Step | Loop] = [*plan.steps.values(), *plan.loops.values()]
    return {guard.scope: guard for subject in subjects for guard in subject.precondition.guards}


class _Counter:
    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._guards = guards_by_subject(plan)
        self._scopes: dict[str, list[str]] = {}
        self._steps: dict[str, int] = {}
        self._conditional: dict[str, int] = {}
        for scope in plan.scopes.values():
            self._scopes.setdefault(scope.parent, []).append(scope.id)
        for step in plan.steps.values():
            counts = self._conditional if step.id in self._guards else self._steps
            counts[step.scope] = counts.get(step.scope, 0) + (step.container is not None)

    def scope(self, id: str) -> Pods:
        always, at_times = self._steps.get(id, 0), self._conditional.get(id, 0)
        pods = Pods((always, always + at_times))
        inside = self._scopes.get(id, ())
        if id and self._plan.scopes[id].kind == "branches":
            return pods.plus(self._branches(list(inside)))
        for each in inside:
            whole = self._whole(each)
            pods = pods.plus(whole.if_at_all() if each in self._guards else whole)
        return pods

    def _whole(self, id: str) -> Pods:
        """A scope that runs, a loop with all its iterations."""
        body = self.scope(id)
        loop = self._plan.loops.get(id)
        if loop is None:
            return body
        count = _item_count(loop)
        return body.each_item_of(id) if count is None else body.times(count)

    def _branches(self, branches: list[str]) -> Pods:
        each = [self._whole(branch) for branch in branches]
        loops = list(dict.fromkeys(loop for pods in each for loop in pods.per_item))
        either = Pods(
            _either([pods.fixed for pods in each]),
            {loop: (0, max(pods.per_item.get(loop, (0, 0))[1] for pods in each)) for loop in loops},
        )
        has_else = _covers_all(
            [self._guards[branch].expression for branch in branches if branch in self._guards]
        )
        return either if has_else else either.if_at_all()


def _covers_all(conditions: list[str]) -> bool:
    """Whether the last branch is an Else: its condition negates each one before it, and says no more."""
    negated = ""
    for number, condition in enumerate(sorted(conditions, key=len)):
        if number and condition == negated:
            return True
        own = condition.removeprefix(f"{negated} && ") if negated else condition
        negated = f"{negated} && !({own})" if negated else f"!({own})"
    return False


def _item_count(loop: Loop) -> int | None:
    """Number of the items of a loop over constants."""
    if not isinstance(loop.items, Constant):
        return None
    items = loop.items.value
    if isinstance(items, str):
        try:
            items = json.loads(items)
        except ValueError:
            return None
    return len(items) if isinstance(items, list) else None


def _sum(one: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
    return one[0] + other[0], one[1] + other[1]


def _times(pods: tuple[int, int], count: int) -> tuple[int, int]:
    return pods[0] * count, pods[1] * count


def _either(ranges: list[tuple[int, int]]) -> tuple[int, int]:
    return min((least for least, _ in ranges), default=0), max((most for _, most in ranges), default=0)


def _range(pods: tuple[int, int]) -> str:
    least, most = pods
    return str(most) if least == most else f"{least} to {most}"
