"""A run as the plan's pure functions ask about it (`tradewind.plan.view.RunView`), answered by Airflow.

The functions ask for one thing after another; Airflow answers one request after another. So answers are kept,
and how much is asked at once follows from where the asker stands: what lies in its own iteration is read for
that index alone, what lies in iterations that it looks over (`Collected`, a loop's states) is read for all of
them at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tradewind.errors import FatalError, RetryableError
from tradewind.operators.nest import LoopNest, items_task
from tradewind.operators.outcome import BAD
from tradewind.operators.settings import RUN_START
from tradewind.operators.xcoms import ERROR_KEY, ITERATIONS_KEY, SKIPPED_KEY, RunXComs
from tradewind.plan.bindings import StepArtifact, StepParameter
from tradewind.plan.view import NoValueError, Position

__all__ = ["RunFacts", "TaskView", "position_of"]

BROKEN = "upstream_failed"


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What `run_start` returned, and whose run it is.

    Attributes:
        workspace: name of the volume claim that the run's steps share; None: there is none.
        deadline: seconds since the epoch at which the run has to end; None: never.
    """

    dag_id: str
    run_id: str
    parameters: Mapping[str, Any]
    job_id: str
    job_name: str
    tracking: Mapping[str, Any] | None
    workspace: str | None = None
    deadline: float | None = None

    @classmethod
    def of(cls, ti: Any, xcoms: RunXComs) -> RunFacts:
        """Return what `run_start` said.

        Raises:
            RetryableError: it said nothing.
        """
        start = xcoms.one(RUN_START)
        if not isinstance(start, Mapping):
            raise _no_result(RUN_START)
        run = start["run"]
        return cls(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            parameters=start["parameters"],
            job_id=run["job_id"],
            job_name=run["job_name"],
            workspace=run.get("workspace"),
            deadline=run.get("deadline"),
            tracking=start.get("tracking"),
        )


def position_of(loop: str, map_index: int, nest: LoopNest, xcoms: RunXComs) -> dict[str, int]:
    """Return the iteration that a map index of a loop's body stands for.

    Args:
        loop: id of the innermost loop, "" for none.
        map_index: of the task instance.

    Raises:
        RetryableError: a loop's iterations are gone.
    """
    found: dict[str, int] = {}
    index: int | None = map_index
    for name in reversed(nest.chain(loop)):
        if index is None:
            raise _no_result(items_task(name))
        found[name] = index
        # The outermost index says all; the list of its loop need not be read for it.
        index = _entries(xcoms, name)[index]["parent"] if nest.loops[name] else None
    return found


class TaskView:
    """The run, as seen by one task: a `tradewind.plan.view.RunView`.

    Args:
        xcoms: of the run.
        facts: of the run.
        nest: the loops of its plan.
        own: the iteration of the task; empty for one outside all loops.
        context: values of the constant placeholders.
        engine_words: whether final statuses use the words of KFP's engine.
    """

    def __init__(
        self,
        xcoms: RunXComs,
        facts: RunFacts,
        nest: LoopNest,
        own: Position,
        context: Mapping[str, str],
        *,
        engine_words: bool = False,
    ) -> None:
        self._xcoms = xcoms
        self._facts = facts
        self._nest = nest
        self._own = own
        self._context = context
        self._engine_words = engine_words
        self._indexes: dict[str, Mapping[int | None, Sequence[int]]] = {}

    @property
    def parameters(self) -> Mapping[str, Any]:
        return self._facts.parameters

    @property
    def context(self) -> Mapping[str, str]:
        return self._context

    @property
    def internal_state_words(self) -> bool:
        return self._engine_words

    def expect(self, steps: Iterable[str]) -> None:
        """Ask for the states of steps, which are going to be judged, with few requests."""
        by_index: dict[int | None, list[str]] = {}
        for step in steps:
            loop = self._nest.steps.get(step)
            by_index.setdefault(self._own.get(loop) if loop else -1, []).append(step)
        for index, names in by_index.items():
            self._xcoms.ask_states(names, index)

    def output(self, binding: StepParameter | StepArtifact, at: Position) -> Any:
        """Return an output parameter's value, or an output artifact's references.

        Raises:
            NoValueError: the step was skipped or failed.
            FatalError: the step has no such output.
            RetryableError: the step left no result, though it succeeded.
        """
        index = self._index(binding.step, at)
        if self._is_own(binding.step, at):
            result = self._xcoms.one(binding.step, index)
        else:
            result = self._xcoms.every(binding.step).get(index)
        if not isinstance(result, Mapping):
            if not self._is_own(binding.step, at):
                self._xcoms.ask_states([binding.step])
            if self._xcoms.state(binding.step, index) == "success":
                raise _no_result(binding.step)
            raise NoValueError(f"step {binding.step!r} was skipped or has failed, and so gave no value")
        part = "parameters" if isinstance(binding, StepParameter) else "artifacts"
        try:
            return result[part][binding.key]
        except KeyError:
            raise FatalError(f"step {binding.step!r} left no output {binding.key!r}") from None

    def states(self, step: str, at: Position) -> Sequence[str]:
        """Return the states of a step's instances at and below `at`.

        One that skipped itself because of a failure counts as what it is for those after it:
        "upstream_failed". So does an iteration around, in which a failure kept the loop from running.
        """
        chain = self._nest.around(step)
        if all(loop in at for loop in chain):
            index = self._index(step, at)
            if not self._is_own(step, at):
                self._xcoms.ask_states([step])
            return [self._judged(step, index, self._xcoms.state(step, index))]
        indexes, broken = self._below(chain[-1], at)
        known = self._xcoms.states(step)
        found = [self._judged(step, index, known.get(index, known.get(-1, ""))) for index in indexes]
        return found + [BROKEN] * broken

    def error(self, step: str, at: Position) -> str | None:
        """Return why a step failed, in the first of its instances at and below `at` that did."""
        chain = self._nest.around(step)
        if not chain:
            left = self._xcoms.trace(step, key=ERROR_KEY)
            return str(left["message"]) if left else None
        every = self._xcoms.every(step, ERROR_KEY)
        whole = all(loop in at for loop in chain)
        indexes = [at[chain[-1]]] if whole else self._below(chain[-1], at)[0]
        return next((str(every[index]["message"]) for index in indexes if index in every), None)

    def item(self, loop: str, at: Position) -> Any:
        """Return the item of the iteration that `at` names."""
        return _entries(self._xcoms, loop)[at[loop]]["item"]

    def iterations(self, loop: str, at: Position) -> Sequence[Position]:
        """Return the positions of a loop's iterations within `at`, in the order of the items."""
        return [
            {**at, **position_of(loop, index, self._nest, self._xcoms)} for index in self._below(loop, at)[0]
        ]

    # --- where --------------------------------------------------------------------------------------------

    def _index(self, step: str, at: Position) -> int:
        loop = self._nest.steps.get(step)
        return at[loop] if loop else -1

    def _is_own(self, step: str, at: Position) -> bool:
        """Say whether a step's instance lies on the asker's own way: then it alone is asked for."""
        return all(loop in self._own and self._own[loop] == at[loop] for loop in self._nest.around(step))

    def _below(self, loop: str, at: Position) -> tuple[list[int], int]:
        """Return the indexes of a loop's iterations within `at`, and how many times a failure kept it from
        running there."""
        if loop in at:
            return [at[loop]], 0
        outer = self._nest.loops[loop]
        parents: list[int | None]
        parents, broken = self._below(outer, at) if outer else ([None], 0)  # type: ignore[assignment]
        inside = self._inside(loop)
        if inside is None:
            failed = self._xcoms.state(items_task(loop)) in BAD
            return [], broken + (len(parents) if failed else 0)
        empty = {parent for parent in parents if parent not in inside}
        if empty:
            skips = self._xcoms.trace(items_task(loop)).get("around", ())
            broken += sum(skip["failed"] and skip["parent"] in empty for skip in skips)
        return [index for parent in parents for index in inside.get(parent, ())], broken

    def _inside(self, loop: str) -> Mapping[int | None, Sequence[int]] | None:
        """Return the indexes of a loop's iterations by that of the loop around; None if it never ran."""
        if loop not in self._indexes:
            entries = self._xcoms.one(items_task(loop), key=ITERATIONS_KEY)
            if entries is None:
                return None
            found: dict[int | None, list[int]] = {}
            for index, entry in enumerate(entries):
                found.setdefault(entry["parent"], []).append(index)
            self._indexes[loop] = found
        return self._indexes[loop]

    def _judged(self, step: str, index: int, state: str) -> str:
        if state != "skipped":
            return state
        loop = self._nest.steps.get(step)
        if loop is None or self._own.get(loop) == index:
            left = self._xcoms.trace(step, index)
        else:
            left = self._xcoms.every(step, SKIPPED_KEY).get(index, {})
        return BROKEN if left.get("failed") else state


def _entries(xcoms: RunXComs, loop: str) -> Sequence[Mapping[str, Any]]:
    found = xcoms.one(items_task(loop), key=ITERATIONS_KEY)
    if not isinstance(found, list):
        raise _no_result(items_task(loop))
    return found


def _no_result(task_id: str) -> RetryableError:
    return RetryableError(
        f"task {task_id!r} left no result in this run",
        remedy="Clear it, so that it runs again; its XCom was removed, or it was marked by hand.",
    )
