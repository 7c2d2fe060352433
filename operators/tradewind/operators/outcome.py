"""The state that a run ends in, which Airflow alone gets wrong in two ways.

Airflow takes a run's state from its last tasks, teardowns left aside.

When a run is marked failed by hand, its running tasks fail, all waiting ones are skipped, and teardowns still
run; only after them is the run's state worked out. A skipped last task does not speak against a success, and
so the run that was marked failed ends as one.

And when a step fails, but what comes last runs whatever happened (an exit task, a step that ignores failures)
or was skipped for it, the last tasks show nothing of the failure either.

So `run_end` counts, too, and fails where a failure is not seen in the last steps. For the last steps to count
beside it, they must not be followed by a teardown that counts: between them and `run_end` stands
`steps_done`, a teardown that does not count and never reaches a worker. Both are teardowns of `run_start`, so
that clearing any step runs all three again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Protocol

from tradewind.operators.nest import items_task
from tradewind.plan.model import Loop, Plan, Step

__all__ = ["BAD", "Evidence", "States", "failures", "shows_failure", "was_cut_short"]

States = Mapping[str, Mapping[int, str]]
"""By task id and map index, -1 for a task that is not mapped, or not yet."""

BAD = ("failed", "upstream_failed")


class Evidence(Protocol):
    """What the tasks of a run left behind."""

    def skipped(self, step: str) -> Collection[int]:
        """Return the map indexes of a step's instances that said why they did not run."""

    def is_empty(self, loop: str) -> bool:
        """Say whether a loop went over no items."""

    def has_result(self, step: str, map_index: int) -> bool:
        """Say whether a step left its XCom; a successful one without was marked so by hand."""


def was_cut_short(plan: Plan, states: States, evidence: Evidence) -> bool:
    """Say whether somebody ended the run by hand, and not as a success.

    A failed step marks all that depend on it as `upstream_failed`, and a condition that is false leaves a
    trace. Where steps were skipped for no such reason, somebody ended the run. If no step was running at that
    moment, Airflow leaves nothing behind that tells a run that was marked failed from one that was marked
    successful: it counts as cut short, since it did not do its work.
    """
    if not any(_unexplained(plan, states, evidence)):
        return False
    of_steps = [(step, index, state) for step in plan.steps for index, state in states.get(step, {}).items()]
    if any(state == "failed" for _, _, state in of_steps):
        return True
    return all(evidence.has_result(step, index) for step, index, state in of_steps if state == "success")


def _unexplained(plan: Plan, states: States, evidence: Evidence) -> Iterator[bool]:
    """Yield True for a skip that nothing in the pipeline accounts for."""
    for loop in plan.loops.values():
        if "skipped" in states.get(items_task(loop.id), {}).values():
            yield not _follows(plan, loop, -1, states)
    for step in plan.steps.values():
        indexes = [index for index, state in states.get(step.id, {}).items() if state == "skipped"]
        told: Collection[int] | None = None
        for index in indexes:
            if _follows(plan, step, index, states) or (index < 0 and _never_ran(step, states, evidence)):
                continue
            if told is None:
                told = evidence.skipped(step.id)
            yield index not in told


def _follows(plan: Plan, subject: Step | Loop, index: int, states: States) -> bool:
    """Say whether Airflow skipped something since a step before it was skipped."""
    if subject.wait != "success" or subject.barrier:
        return False
    for name in subject.upstream:
        known = states.get(name, {})
        inside = isinstance(subject, Step) and subject.loop and plan.steps[name].loop == subject.loop
        if "skipped" in ([known.get(index, known.get(-1))] if inside else known.values()):
            return True
    return False


def _never_ran(step: Step, states: States, evidence: Evidence) -> bool:
    """Say whether a step is in a loop that had no iterations."""
    if not step.loop:
        return False
    return "skipped" in states.get(items_task(step.loop), {}).values() or evidence.is_empty(step.loop)


def failures(states: States) -> list[tuple[str, int]]:
    """Return what failed by itself, as task id and map index."""
    return [(task, index) for task, known in states.items() for index in known if known[index] == "failed"]


def shows_failure(states: States, last_steps: Collection[str]) -> bool:
    """Say whether Airflow sees a failure in the last tasks of the run."""
    return any(state in BAD for task in last_steps for state in states.get(task, {}).values())
