"""Which loops each step of a pipeline is in: all that a task needs to know of the plan around it.

Loops are flattened (docs/architecture.md, "Control flow"): whatever runs in a loop, however deep, has one map
index, the index of its iteration in one list of the innermost loop. Which iterations of the loops around that
is follows from the list; which loops there are does not, so every task gets it along.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from tradewind.plan.model import Plan

__all__ = ["LOOP_ITEMS", "NO_LOOPS", "LoopNest", "items_task"]

LOOP_ITEMS = "loop_items"


def items_task(loop: str) -> str:
    """Return the id of the task that makes a loop's iterations."""
    return f"{loop}.{LOOP_ITEMS}"


@dataclass(frozen=True, slots=True)
class LoopNest:
    """The loops of a plan.

    Attributes:
        loops: the loop around each loop by id, "" for none.
        steps: the innermost loop around each step that is in one.
    """

    loops: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, plan: Plan) -> Self:
        """Return the loops of a plan."""
        return cls(
            {loop.id: loop.loop for loop in plan.loops.values()},
            {step.id: step.loop for step in plan.steps.values() if step.loop},
        )

    def chain(self, loop: str) -> tuple[str, ...]:
        """Return a loop and all loops around it, the outermost first; nothing for ""."""
        found: list[str] = []
        while loop:
            found.append(loop)
            loop = self.loops[loop]
        return tuple(reversed(found))

    def around(self, step: str) -> tuple[str, ...]:
        """Return the loops around a step, the outermost first."""
        return self.chain(self.steps.get(step, ""))


NO_LOOPS = LoopNest()
