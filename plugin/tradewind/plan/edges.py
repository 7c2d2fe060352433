"""What each step and each loop waits for, and what decides then whether it runs.

In the IR, dependencies join siblings, steps and scopes alike. Between steps this becomes: whoever waits for a
scope waits for its last steps, and what a scope waits for, its first steps wait for. Three things make it
less simple.

*Skipping.* As in KFP a scope is a unit: who waits for it is skipped when the whole of it was, not when
something inside was. An orchestrator that skips whoever waits for something skipped (Airflow's "all_success")
gets that right only where all that is waited for is skipped for the very reasons for which the waiter is to
be. These reasons, the conditions that lie before and around a node, are followed here; where they differ,
the waiter looks for itself (`wait = "no_failure"`, and a complete precondition).

*Failing.* Who waits for a scope must see every failure in it. A step inside is seen through another one that
waits for it and fails with it; so the last steps are those that nobody inside follows in this way. Loops fail
with nobody, nor does what waits for a mere end or judges failures by itself.

*Loops.* The iterations of one region of a loop run side by side, each joined with itself only. What waits for
a step in another region or in a deeper loop waits for all iterations (`barrier`), and judges its own. Inside
a loop nothing waits for what is outside: the loop has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from tradewind.plan.bindings import (
    ALWAYS,
    Binding,
    Precondition,
    Selected,
    StepArtifact,
    StepParameter,
    Template,
    Wait,
)
from tradewind.plan.preconditions import united
from tradewind.plan.tree import Node
from tradewind.plan.wiring import Inputs

__all__ = ["Waits", "connect"]

_Steps = frozenset[str]
_NONE: _Steps = frozenset()


@dataclass(frozen=True, slots=True)
class Waits:
    """What a step or loop waits for; the fields are those of `tradewind.plan.model.Step`."""

    upstream: tuple[str, ...]
    wait: Wait
    barrier: bool
    precondition: Precondition
    region: int


@dataclass(frozen=True, slots=True)
class _Start:
    """How a node begins.

    Attributes:
        upstream, wait, barrier: as of a step.
        checked: what the node has to check by itself, given how it waits.
        complete: all that has to hold for it to run, back to the steps that it waits for.
        reasons: the conditions for which it may be skipped, as ids of what they guard.
        region: in the loop around it; 0 outside of loops.
        hides: whether it may be skipped for a failure, since it, or what it follows, judges them by itself.
    """

    upstream: _Steps = _NONE
    wait: Wait = "success"
    barrier: bool = False
    checked: Precondition = ALWAYS
    complete: Precondition = ALWAYS
    reasons: frozenset[str] = frozenset()
    region: int = 0
    hides: bool = False

    def guarded(self, guard: Precondition) -> _Start:
        """The same under one more condition."""
        return replace(
            self,
            checked=united((self.checked, guard)),
            complete=united((self.complete, guard)),
            reasons=self.reasons | {guard.guards[0].scope},
        )


@dataclass(frozen=True, slots=True)
class _End:
    """How a node ends.

    Attributes:
        last: the steps in it of which a failure is not seen through another step in it.
        region: the first in which what follows can be.
        passes_on: whether some step in it fails when something fails that the node waits for.
    """

    last: _Steps
    region: int
    passes_on: bool


_FREE = _Start()


def connect(root: Node, wired: Mapping[str, Inputs]) -> dict[str, Waits]:
    """What each step and each loop waits for, by its id."""
    flow = _Flow(wired)
    flow.children(root, _FREE)
    return flow.waits


class _Flow:
    """One walk over the tree, in topological order."""

    def __init__(self, wired: Mapping[str, Inputs]) -> None:
        self.wired = wired
        self.waits: dict[str, Waits] = {}
        self.starts: dict[str, _Start] = {}
        self.ends: dict[str, _End] = {}
        self.loops: dict[str, str] = {}
        self.depths: dict[str, int] = {"": 0}

    def children(self, parent: Node, around: _Start) -> None:
        for child in parent.children.values():
            start = self._start(child, around)
            self.starts[child.id] = start
            if child.is_loop:
                self.depths[child.id] = self.depths[child.loop] + 1
            if child.is_step or child.is_loop:
                self.waits[child.id] = self._waits(child, start)
            if child.is_step:
                self.loops[child.id] = child.loop
                passes_on = start.wait != "end" and not start.barrier and not start.checked.unfailed
                self.ends[child.id] = _End(frozenset((child.id,)), start.region, passes_on)
            else:
                self.children(child, _FREE if child.is_loop else start)
                self.ends[child.id] = self._end(child, start)

    # --- how nodes begin ---

    def _start(self, node: Node, around: _Start) -> _Start:
        awaited = node.awaited()
        if not awaited:
            start = around
        elif node.ignores_failures:
            start = self._after_the_end(node, awaited, around)
        else:
            start = self._after(node, awaited)
        guard = self.wired[node.id].guard
        return start if guard is None else start.guarded(Precondition(guards=(guard,)))

    def _after(self, node: Node, awaited: list[Node]) -> _Start:
        if len(awaited) == 1 and awaited[0].is_step:  # as in most pipelines; what follows says the same
            only = awaited[0].id
            start, complete = self.starts[only], Precondition((only,))
            return _Start(
                self.ends[only].last, "success", False, ALWAYS, complete, start.reasons, start.region
            )
        ends = [self.ends[sibling.id] for sibling in awaited]
        starts = [self.starts[sibling.id] for sibling in awaited]
        upstream = _union(end.last for end in ends)
        region = max(end.region for end in ends) if node.loop else 0
        reasons = _union(start.reasons for start in starts)
        hides = any(self.starts[step].hides for step in upstream)
        # Where one is skipped for a failure and another one fails, it must not be skipped for the first.
        is_plain = self._are_skipped_alike(upstream, node.loop, reasons) and (len(upstream) == 1 or not hides)
        wait: Wait = "success" if is_plain else "no_failure"
        barrier = self._needs_barrier(upstream, node.loop, region)
        unseen = tuple(sorted(upstream if barrier else self._deep(upstream, node.loop)))
        succeeded = (
            Precondition(succeeded=(sibling.id,)) if sibling.is_step else self.starts[sibling.id].complete
            for sibling in awaited
        )
        complete = united((*succeeded, Precondition(unfailed=unseen)))
        decided = wait == "success" and not barrier
        checked = ALWAYS if decided else complete
        return _Start(upstream, wait, barrier, checked, complete, reasons, region, hides or bool(unseen))

    def _after_the_end(self, node: Node, awaited: list[Node], around: _Start) -> _Start:
        """It runs whatever happened to those; but not when the scope around it does not."""
        upstream = frozenset(step.id for sibling in awaited for step in sibling.steps())
        region = max(self.ends[sibling.id].region for sibling in awaited) if node.loop else 0
        unfailed = () if around.wait == "end" else tuple(sorted(around.upstream))
        complete = united((around.complete, Precondition(unfailed=unfailed)))
        barrier = self._needs_barrier(upstream, node.loop, region)
        hides = around.hides or bool(unfailed)
        return _Start(upstream, "end", barrier, complete, complete, around.reasons, region, hides)

    def _are_skipped_alike(self, steps: _Steps, loop: str, reasons: frozenset[str]) -> bool:
        return all(self.loops[step] == loop and self.starts[step].reasons == reasons for step in steps)

    def _needs_barrier(self, upstream: _Steps, loop: str, region: int) -> bool:
        return bool(loop) and any(
            self.loops[step] != loop or self.starts[step].region != region for step in upstream
        )

    def _deep(self, upstream: _Steps, loop: str) -> _Steps:
        """Steps of loops within loops: where an inner loop cannot have its items, nothing in it fails."""
        deep = self.depths[loop] + 2
        return frozenset(step for step in upstream if self.depths[self.loops[step]] >= deep)

    # --- how nodes end ---

    def _end(self, node: Node, start: _Start) -> _End:
        children = list(node.children.values())
        ends = [self.ends[child.id] for child in children]
        seen = _union(
            self.starts[child.id].upstream
            for child, end in zip(children, ends, strict=True)
            if child.upstream and end.passes_on
        )
        last = _union(end.last for end in ends) - seen
        if node.is_loop:
            return _End(last, start.region + 1 if node.loop else 0, passes_on=False)
        first = (end for child, end in zip(children, ends, strict=True) if not child.upstream)
        return _End(last, max(end.region for end in ends), any(end.passes_on for end in first))

    # --- edges of data ---

    def _waits(self, node: Node, start: _Start) -> Waits:
        upstream = start.upstream | self._sources(node, start)
        if node.is_loop and node.loop and upstream:
            # One task works out the items for all iterations around: it is joined with none of them.
            unseen = () if start.wait == "end" else tuple(sorted(start.upstream))
            judged = united((start.complete, Precondition(unfailed=unseen)))
            return Waits(tuple(sorted(upstream)), start.wait, True, judged, start.region)
        return Waits(tuple(sorted(upstream)), start.wait, start.barrier, start.checked, start.region)

    def _sources(self, node: Node, start: _Start) -> _Steps:
        """Steps whose outputs are used, as far as they are waited for anyway, for people to see.

        They make an edge only where it changes nothing.
        """
        if not start.upstream:
            return _NONE
        inputs = self.wired[node.id]
        bindings = [*inputs.parameters.values(), *inputs.artifacts.values(), inputs.items]
        used = {step for binding in bindings for step in _made_by(binding)} - start.upstream
        if not used:
            return _NONE
        reasons = self.starts[next(iter(start.upstream))].reasons
        awaited = {sibling.id for sibling in _awaited_around(node)}
        return frozenset(
            step
            for step in used
            if self.loops[step] == node.loop
            and self.starts[step].region == start.region
            and (start.wait != "success" or self.starts[step].reasons == reasons)
            and any(scope in awaited for scope in _way_to(step))
        )


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    """Their union; most often there is but one, and it is handed on as it is."""
    found: frozenset[str] = frozenset()
    for each in sets:
        if not found:
            found = each
        elif each is not found:
            found |= each
    return found


def _awaited_around(node: Node) -> list[Node]:
    """What a node waits for, or the scope whose first it is."""
    while not node.upstream and node.parent is not None and not node.parent.is_loop:
        node = node.parent
    return node.awaited()


def _way_to(step: str) -> Iterator[str]:
    """Ids of the scopes around a step, and its own."""
    end = step.find(".")
    while end >= 0:
        yield step[:end]
        end = step.find(".", end + 1)
    yield step


def _made_by(binding: Binding | None) -> Iterator[str]:
    """Steps without whose output a value does not exist."""
    match binding:
        case StepParameter(step) | StepArtifact(step):
            yield step
        case Selected(inner):
            yield from _made_by(inner)
        case Template(_, inputs):
            for inner in inputs.values():
                yield from _made_by(inner)
