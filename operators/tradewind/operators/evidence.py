"""What the tasks of a run left behind, for `run_end`: their states, traces, errors and parked records.

One request per step that has something to say, however many instances it has.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from tradewind.operators.nest import items_task
from tradewind.operators.outcome import BAD, States, failures
from tradewind.operators.step_tracking import TRACKING_KEY
from tradewind.operators.xcoms import ERROR_KEY, ITERATIONS_KEY, RESULT, SKIPPED_KEY, RunXComs
from tradewind.plan.model import Plan

__all__ = ["RunEvidence"]


class RunEvidence:
    """The traces of one run; a `tradewind.operators.outcome.Evidence`.

    Args:
        plan: the pipeline's.
        xcoms: of the run.
    """

    def __init__(self, plan: Plan, xcoms: RunXComs) -> None:
        self._plan = plan
        self._xcoms = xcoms
        tasks = [*plan.steps, *(items_task(loop) for loop in plan.loops)]
        xcoms.ask_all_states(tasks)
        self.states: States = {task: xcoms.states(task) for task in tasks}

    # --- Evidence -----------------------------------------------------------------------------------------

    def skipped(self, step: str) -> Collection[int]:
        return self._left(step, SKIPPED_KEY).keys()

    def is_empty(self, loop: str) -> bool:
        return bool(self._xcoms.one(items_task(loop), key=ITERATIONS_KEY) == [])

    def has_result(self, step: str, map_index: int) -> bool:
        return map_index in self._left(step, RESULT)

    def is_broken(self) -> bool:
        """Say whether anything failed, or did not run since something else did."""
        return any(state in BAD for known in self.states.values() for state in known.values())

    # --- what went wrong ----------------------------------------------------------------------------------

    def failures(self) -> list[str]:
        """Return a line for each thing that failed: its name, and the first line of why if it said so."""
        lines = []
        for task, index in failures(self.states):
            left = self._left(task, ERROR_KEY).get(index) if task in self._plan.steps else None
            name = f"{task}[{index}]" if index >= 0 else task
            lines.append(f"{name}: {left['message'].splitlines()[0]}" if left else name)
        for loop in self._plan.loops.values():
            if loop.loop:
                lines.extend(self._broken(loop.id))
        return lines

    def _broken(self, loop: str) -> Iterator[str]:
        for skip in self._xcoms.trace(items_task(loop)).get("around", ()):
            if skip.get("error"):
                yield f"{items_task(loop)} for iteration {skip['parent']}: {skip['reason']}"

    # --- records ------------------------------------------------------------------------------------------

    def parked(self) -> list[dict[str, Any]]:
        """Return the records that steps kept, since MLflow could not take them or was not asked to."""
        found: list[dict[str, Any]] = []
        for step in self._plan.steps:
            known = self.states[step]
            for state, key, name in (("success", RESULT, "parked"), ("failed", TRACKING_KEY, "pending")):
                if state not in known.values():
                    continue
                for index, left in self._left(step, key).items():
                    if known.get(index) == state and left.get(name):
                        found.append({"kind": "step", "record": left[name]})
        return found

    def _left(self, step: str, key: str) -> dict[int, Any]:
        return dict(self._xcoms.every(step, key))
