"""A plan run as Airflow would run it: trigger rules, mapped tasks, joins by region, skips and failures.

Everything that is ready may start, in any order, and what runs ends in any order. What a task decides by
itself it decides as the real operators do, with the plan's own pure functions.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from fixtures.plan_runs import OUTSIDE, Iteration, PlanRun
from property.components import executed
from tradewind.errors import FatalError
from tradewind.plan.bindings import FinalStatus
from tradewind.plan.evaluation import evaluate, iteration_items
from tradewind.plan.model import Loop, Plan, Step
from tradewind.plan.readiness import broken, unmet
from tradewind.plan.view import NoValueError

__all__ = ["Orchestrator"]

FINAL = frozenset({"success", "failed", "upstream_failed", "skipped"})
BAD = frozenset({"failed", "upstream_failed"})
Unit = tuple[str, int]
"""An instance of a step, or the task of a loop (`OUTSIDE`)."""


@dataclass
class Orchestrator:
    """One run.

    Attributes:
        values: what each step that ran was given, by its instance with its path.
        spans: when each of them started and ended.
    """

    plan: Plan
    parameters: dict[str, Any]
    seed: int
    values: dict[tuple[str, tuple[int, ...]], dict[str, Any]] = field(default_factory=dict)
    spans: dict[tuple[str, tuple[int, ...]], list[int]] = field(default_factory=dict)
    failed: set[tuple[str, tuple[int, ...]]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.run = PlanRun(self.plan, self.parameters)
        self.random = random.Random(self.seed)
        self.loop_states: dict[str, str] = {}
        self.whole: dict[str, str] = {}
        self.running: dict[Unit, dict[str, Any]] = {}
        self.clock = 0

    def go(self) -> Orchestrator:
        """Run until nothing is left."""
        while True:
            moves: list[Any] = [("end", unit) for unit in self.running]
            moves += [("start", loop) for loop in self.plan.loops.values() if self.is_due(loop, OUTSIDE)]
            for step in self.plan.steps.values():
                moves += [
                    ("start", (step, index))
                    for index in self.open_instances(step)
                    if self.is_due(step, index)
                ]
            if not moves:
                break
            self.clock += 1
            move, subject = self.random.choice(moves)
            if move == "end":
                self.end(subject)
            elif isinstance(subject, Loop):
                self.loop_states[subject.id] = self.run_loop(subject)
                self.expand(subject.id)
            else:
                self.start(*subject)
        left = [step for step in self.plan.steps.values() if any(True for _ in self.open_instances(step))]
        assert not left, f"never came to their turn: {[step.id for step in left]}"
        return self

    # --- Airflow's rules ---

    def open_instances(self, step: Step) -> list[int]:
        if step.id in self.whole:
            return []
        if not step.loop:
            indexes = [OUTSIDE]
        elif step.loop in self.run.loops:
            indexes = list(range(len(self.run.loops[step.loop])))
        else:
            return [OUTSIDE]
        return [
            index
            for index in indexes
            if (step.id, index) not in self.run.task_states and (step.id, index) not in self.running
        ]

    def is_due(self, subject: Step | Loop, index: int) -> bool:
        if isinstance(subject, Loop):
            if subject.id in self.loop_states or (subject.loop and subject.loop not in self.loop_states):
                return False
        elif subject.loop and subject.loop not in self.run.loops:
            return False
        return self.verdict(subject, index) is not None

    def verdict(self, subject: Step | Loop, index: int) -> str | None:
        """What Airflow makes of a task: None to wait, "run", or the state that it gets."""
        states = [state for name in subject.upstream for state in self.states_of(name, subject, index)]
        mapped = isinstance(subject, Step) and bool(subject.loop)
        nested = isinstance(subject, Loop) and bool(subject.loop)
        done = all(state in FINAL for state in states)
        if nested or subject.wait == "end" or (subject.barrier and mapped):
            return "run" if done else None
        if any(state in BAD for state in states):
            return "upstream_failed"
        if subject.wait == "no_failure" or subject.barrier:
            return "run" if done else None
        if "skipped" in states:
            return "skipped"
        return "run" if done else None

    def states_of(self, name: str, subject: Step | Loop, index: int) -> list[str]:
        if name in self.whole:
            return [self.whole[name]]
        other = self.plan.steps[name]
        known = self.run.task_states
        if not other.loop:
            return [known.get((name, OUTSIDE), "none")]
        side_by_side = isinstance(subject, Step) and (other.loop, other.region) == (
            subject.loop,
            subject.region,
        )
        if side_by_side and not subject.barrier:
            return [known.get((name, index), "none")]
        if other.loop not in self.run.loops:
            return ["none"]
        return [known.get((name, each), "none") for each in range(len(self.run.loops[other.loop]))]

    def expand(self, loop: str) -> None:
        """The tasks of a body: one for each iteration, or none, which Airflow calls a state of the whole."""
        state = self.loop_states[loop]
        for step in self.plan.steps.values():
            if step.loop == loop and not self.run.loops.get(loop):
                self.whole[step.id] = "skipped" if state in ("success", "skipped") else "upstream_failed"

    # --- what tasks do ---

    def run_loop(self, loop: Loop) -> str:
        verdict = self.verdict(loop, OUTSIDE)
        if verdict != "run":
            if verdict == "upstream_failed":
                self.run.failed_loops.add(loop.id)
            return str(verdict)
        around = range(len(self.run.loops.get(loop.loop, ()))) if loop.loop else [OUTSIDE]
        found = []
        for parent in around:
            at = self.run.position(loop.loop, parent)
            try:
                if broken(loop, self.run, at):
                    self.run.broken_around.add((loop.id, parent))
                elif not unmet(loop.precondition, self.run, at):
                    found += [Iteration(parent, item) for item in iteration_items(loop, self.run, at)]
            except FatalError:
                if not loop.loop:
                    self.run.failed_loops.add(loop.id)
                    return "failed"
                self.run.broken_around.add((loop.id, parent))
        self.run.loops[loop.id] = found
        return "success"

    def start(self, step: Step, index: int) -> None:
        verdict = self.verdict(step, index)
        if verdict != "run":
            self.run.task_states[step.id, index] = str(verdict)
            return
        at = self.run.position(step.loop, index)
        try:
            is_broken = broken(step, self.run, at) is not None
            if is_broken or unmet(step.precondition, self.run, at) is not None:
                self.run.task_states[step.id, index] = "skipped"
                if is_broken:
                    self.run.broken.add((step.id, index))
                return
            values = self.inputs(step, at)
        except FatalError:
            self.run.task_states[step.id, index] = "failed"
            return
        self.running[step.id, index] = values
        instance = (step.id, self.path(step, index))
        self.values[instance] = values
        self.spans[instance] = [self.clock, self.clock]

    def inputs(self, step: Step, at: dict[str, int]) -> dict[str, Any]:
        values = {}
        for name, declared in (*step.parameters.items(), *step.artifacts.items()):
            if declared.binding is None:
                continue
            try:
                value = evaluate(declared.binding, self.run, at)
            except NoValueError:
                if step.wait != "end":
                    raise
                continue
            values[name] = without_message(value) if isinstance(declared.binding, FinalStatus) else value
        return values

    def end(self, unit: Unit) -> None:
        values = self.running.pop(unit)
        step = self.plan.steps[unit[0]]
        instance = (step.id, self.path(step, unit[1]))
        self.spans[instance][1] = self.clock
        outputs = executed(step.component, values)
        if outputs is None:
            self.run.task_states[unit] = "failed"
            self.failed.add(instance)
            return
        self.run.outputs[unit] = outputs
        self.run.task_states[unit] = "success"

    def path(self, step: Step, index: int) -> tuple[int, ...]:
        """Positions in the loops around, from the outermost in."""
        found: list[int] = []
        loop = step.loop
        while loop:
            iterations = self.run.loops[loop]
            parent = iterations[index].parent
            found.append(sum(each.parent == parent for each in iterations[:index]))
            index, loop = parent, self.plan.loops[loop].loop
        return tuple(reversed(found))


def without_message(status: dict[str, Any]) -> dict[str, Any]:
    """A final status but for the error's message, which is there where there is an error."""
    error = dict(status["error"])
    assert bool(error.pop("message", "")) == bool(status["error"])
    return {**status, "error": error}
