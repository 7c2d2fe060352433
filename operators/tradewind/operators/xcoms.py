"""What the tasks of a run left behind, each asked for once.

Every look into XCom and every look at states is a request to Airflow's API server, so what was read is kept,
and what many instances of a mapped task left is read in one request. Airflow gives such values in the order
of those that are there: an instance that was skipped would shift all behind it. Whatever a mapped task of
ours leaves says its map index, so values are taken by that.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

__all__ = ["ERROR_KEY", "INDEX", "ITERATIONS_KEY", "RESULT", "SKIPPED_KEY", "RunXComs", "indexed"]

RESULT = "return_value"
"""What a task returned."""
ITERATIONS_KEY = "iterations"
"""The iterations of a loop, see docs/architecture.md."""
SKIPPED_KEY = "skipped"
"""Why a step skipped itself: `{"reason": ..., "failed": ...}`; of a loop, `{"around": [...]}` with one entry
for each iteration around it that gave no items."""
ERROR_KEY = "error"
"""Why a step failed: `{"message": ..., "step": ...}`."""
INDEX = "index"
"""In whatever a mapped task leaves: its map index."""


def indexed(value: Mapping[str, Any], map_index: int) -> dict[str, Any]:
    """Return what a task leaves, with its map index if it has one."""
    return {**value, INDEX: map_index} if map_index >= 0 else dict(value)


class RunXComs:
    """XComs and states of one run.

    Args:
        ti: the running task instance.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti
        self._values: dict[tuple[str, str], dict[int, Any]] = {}
        self._complete: set[tuple[str, str]] = set()
        self._states: dict[str, dict[int, str]] = {}
        self._asked: set[tuple[str, int | None]] = set()

    # --- values --------------------------------------------------------------------------------------------

    def one(self, task_id: str, map_index: int = -1, key: str = RESULT) -> Any:
        """Return what one task instance left, None if nothing."""
        known = self._values.setdefault((task_id, key), {})
        if map_index not in known and (task_id, key) not in self._complete:
            known[map_index] = self._ti.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)
        return known.get(map_index)

    def trace(self, task_id: str, map_index: int = -1, key: str = SKIPPED_KEY) -> Mapping[str, Any]:
        """Return what one task instance may have left beside its result, empty if it did not.

        For an XCom that is missing Airflow writes an error into the task's log, unless all are asked for.
        """
        if map_index < 0:
            return dict(self.every(task_id, key).get(-1) or {})
        return dict(self.one(task_id, map_index, key) or {})

    def every(self, task_id: str, key: str = RESULT) -> Mapping[int, Any]:
        """Return what the instances of a task left, by map index; those that left nothing are not in it."""
        known = self._values.setdefault((task_id, key), {})
        if (task_id, key) not in self._complete:
            # A list of one task: Airflow returns a list then, whatever it finds.
            for value in self._ti.xcom_pull(task_ids=[task_id], key=key):
                if isinstance(value, Mapping):
                    known[value.get(INDEX, -1)] = value
            self._complete.add((task_id, key))
        return {index: value for index, value in sorted(known.items()) if value is not None}

    # --- states --------------------------------------------------------------------------------------------

    def ask_states(self, task_ids: Collection[str], map_index: int | None = None) -> None:
        """Ask for states in one request, so that `state` need not.

        Args:
            task_ids: of tasks.
            map_index: of the instances; None for all.
        """
        wanted = [name for name in dict.fromkeys(task_ids) if not self._was_asked(name, map_index)]
        if not wanted:
            return
        ti = self._ti
        options = {} if map_index is None else {"map_index": map_index}
        found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id], task_ids=wanted, **options)
        self._keep(found.get(ti.run_id) or {}, wanted)
        self._asked.update((name, map_index) for name in wanted)

    def ask_all_states(self, task_ids: Collection[str]) -> None:
        """Ask for the states of (nearly) all tasks of the run: their names need not be sent."""
        ti = self._ti
        found = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id])
        self._keep(found.get(ti.run_id) or {}, task_ids)
        self._asked.update((name, None) for name in task_ids)

    def states(self, task_id: str) -> Mapping[int, str]:
        """Return the states of all instances by map index; -1 for a task that is (still) one."""
        self.ask_states([task_id])
        return self._states.get(task_id, {})

    def state(self, task_id: str, map_index: int = -1) -> str:
        """Return the state of one instance. One that Airflow never made has that of the task as a whole."""
        self.ask_states([task_id], map_index)
        known = self._states.get(task_id, {})
        if map_index not in known and map_index >= 0:
            self.ask_states([task_id], -1)
            return self._states.get(task_id, {}).get(-1, "")
        return known.get(map_index, "")

    def _was_asked(self, task_id: str, map_index: int | None) -> bool:
        return (task_id, None) in self._asked or (task_id, map_index) in self._asked

    def _keep(self, found: Mapping[str, Any], task_ids: Collection[str]) -> None:
        names = set(task_ids)
        for label, state in found.items():
            # Airflow joins a map index by an underscore. No step's id ends in one and digits: KFP's names
            # hold no underscore.
            name, _, number = label.rpartition("_")
            if label in names:
                name, number = label, "-1"
            elif not number.isdecimal():  # a task of ours, `run_start` for one, beside a step called `run`
                continue
            if name in names:
                self._states.setdefault(name, {})[int(number)] = str(state)
