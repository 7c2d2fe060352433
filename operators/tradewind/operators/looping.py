"""What a loop's task does: work out the items, once for every iteration of the loops around it.

A loop that is not to run has no items, and so has one whose items cannot be had in an iteration around it:
the other iterations go on. Both leave their reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tradewind.errors import FatalError
from tradewind.operators.iteration_limit import check_iterations
from tradewind.operators.nest import LoopNest, items_task
from tradewind.operators.placeholders import constant_placeholders
from tradewind.operators.view import RunFacts, TaskView, position_of
from tradewind.operators.xcoms import ITERATIONS_KEY, SKIPPED_KEY, RunXComs
from tradewind.plan.evaluation import iteration_items
from tradewind.plan.model import Loop
from tradewind.plan.readiness import broken, judged, unmet
from tradewind.plan.view import Position

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.loop import LoopOperator

__all__ = ["make_iterations"]


def make_iterations(operator: LoopOperator, context: Context) -> list[int]:
    """Leave a loop's iterations in XCom (docs/architecture.md); returns their indexes.

    Raises:
        FatalError: there are no items, or too many of them.
    """
    ti: Any = context["ti"]
    loop, nest = operator.loop, operator.nest
    xcoms = RunXComs(ti)
    facts = RunFacts.of(ti, xcoms)
    placeholders = constant_placeholders(context, facts, operator.pipeline)
    view = TaskView(xcoms, facts, nest, {}, placeholders)
    view.expect(judged(loop))
    iterations: list[dict[str, Any]] = []
    skips: list[dict[str, Any]] = []
    for parent, path, at in _around(loop, nest, xcoms):
        items, skip = _items(loop, view, at)
        if skip is not None:
            operator.log.info("No items%s: %s", f" in iteration {path}" if path else "", skip["reason"])
            skips.append({"parent": parent, **skip})
        iterations.extend(
            {"parent": parent, "path": [*path, number], "item": item} for number, item in enumerate(items)
        )
    check_iterations({loop.id: len(iterations)})
    if skips:
        ti.xcom_push(key=SKIPPED_KEY, value={"around": skips})
    ti.xcom_push(key=ITERATIONS_KEY, value=iterations)
    operator.log.info("%d iterations", len(iterations))
    return list(range(len(iterations)))


def _around(loop: Loop, nest: LoopNest, xcoms: RunXComs) -> list[tuple[int | None, list[int], Position]]:
    """Return the iterations around a loop: index, path, position; outside of loops one without an index."""
    if not loop.loop:
        return [(None, [], {})]
    around = xcoms.one(items_task(loop.loop), key=ITERATIONS_KEY) or []
    return [
        (index, entry["path"], position_of(loop.loop, index, nest, xcoms))
        for index, entry in enumerate(around)
    ]


def _items(loop: Loop, view: TaskView, at: Position) -> tuple[list[Any], dict[str, Any] | None]:
    """Return the items of one iteration around, or why there are none."""
    failure = broken(loop, view, at)
    if failure is not None:
        return [], {"reason": failure, "failed": True}
    try:
        reason = unmet(loop.precondition, view, at)
        if reason is not None:
            return [], {"reason": reason, "failed": False}
        return iteration_items(loop, view, at), None
    except FatalError as error:
        if not loop.loop:
            raise
        return [], {"reason": error.message, "failed": True, "error": True}
