"""Scopes and loops of a plan as task groups: what people see, and what Airflow maps.

Outside of loops a scope is a task group of its name. A loop is a group, too, and holds its `loop_items` task,
a mapped group for each region of its body (`loop_body`, `loop_body_2`) and the groups of the loops inside:
Airflow allows no mapped group in a mapped one. Other scopes in a body are groups in its regions; one that
holds a loop would lie across several of them, and is seen in the names of its steps only.

A task's id is its step's id, whatever group it lies in: so groups in loops lend their names to nobody, and
their ids are the scopes' with double underscores for dots (which ids of groups cannot have).
"""

from __future__ import annotations

from typing import cast

from airflow.sdk import DAG, TaskGroup, task_group
from tradewind.operators.loop import LoopOperator
from tradewind.plan.model import Plan, Scope, Step

__all__ = ["Groups"]

BODY = "loop_body"


class Groups:
    """The task groups of a DAG, made when they are first asked for.

    Args:
        dag: without groups yet.
        plan: the pipeline's plan.
    """

    def __init__(self, dag: DAG, plan: Plan) -> None:
        self._dag = dag
        self._plan = plan
        self._around = _loops_around(plan)
        self._holding = _holding_loops(plan)
        self._items: dict[str, LoopOperator] = {}
        self._plain: dict[str, TaskGroup] = {"": dag.task_group}
        self._bodies: dict[tuple[str, int], TaskGroup] = {}
        self._inner: dict[tuple[str, int], TaskGroup] = {}
        for scope in plan.scopes.values():
            if not self._around[scope.id] or scope.id in plan.loops:
                self._plain[scope.id] = self._outer_group(scope)

    def of_loop(self, loop: str) -> TaskGroup:
        """Return the group of a loop, for its `loop_items` task."""
        return self._plain[loop]

    def add_items(self, loop: str, task: LoopOperator) -> None:
        """Say which task the groups of a loop's body are mapped over. Comes before any of its steps."""
        self._items[loop] = task

    def of_step(self, step: Step) -> TaskGroup:
        """Return the group of a step."""
        if not step.loop:
            return self._plain[step.scope]
        return self._inner_group(step.scope, step.loop, step.region)

    def name_of(self, step: Step) -> str:
        """Return what a step in a loop is called within its group; scopes without a group are part of it."""
        scope = step.scope
        while scope != step.loop and scope in self._holding:
            scope = self._plan.scopes[scope].parent
        without_group = step.scope.removeprefix(scope).strip(".")
        own = step.display_name or step.id.rpartition(".")[2]
        return f"{without_group}.{own}" if without_group else own

    def _outer_group(self, scope: Scope) -> TaskGroup:
        around = self._around[scope.id]
        # A long id was made short without that of the scope around, which the group would put before it.
        parent = self._plain[around or (scope.parent if "." in scope.id else "")]
        return TaskGroup(
            group_id=_joined(scope.id) if around else scope.id.rpartition(".")[2],
            prefix_group_id=scope.id not in self._plan.loops,
            parent_group=parent,
            dag=self._dag,
            group_display_name=self._label(scope, around),
            tooltip=scope.description,
        )

    def _body(self, loop: str, region: int) -> TaskGroup:
        """The mapped group of a region, mapped over the loop's indexes."""
        if (loop, region) not in self._bodies:
            number = "" if region == 0 else f"_{region + 1}"
            make = task_group(
                group_id=f"{_joined(loop)}__{BODY}{number}",
                prefix_group_id=False,
                parent_group=self._plain[loop],
                dag=self._dag,
                group_display_name="for each item" if region == 0 else f"for each item, part {region + 1}",
                tooltip=f"Once for every item of {self._plan.scopes[loop].display_name}.",
            )
            group = make(_nothing).expand(iteration=self._items[loop].output)
            self._bodies[loop, region] = cast(TaskGroup, group)
        return self._bodies[loop, region]

    def _inner_group(self, scope_id: str, loop: str, region: int) -> TaskGroup:
        """The group of a scope in one region of the body around it."""
        if scope_id == loop or scope_id in self._holding:
            return self._body(loop, region)
        if (scope_id, region) not in self._inner:
            scope = self._plan.scopes[scope_id]
            number = "" if region == 0 else f"__{region + 1}"
            self._inner[scope_id, region] = TaskGroup(
                group_id=_joined(scope_id) + number,
                prefix_group_id=False,
                parent_group=self._inner_group(scope.parent, loop, region),
                dag=self._dag,
                group_display_name=scope.display_name,
                tooltip=scope.description,
            )
        return self._inner[scope_id, region]

    def _label(self, scope: Scope, around: str) -> str:
        between = scope.parent.removeprefix(around).strip(".") if around else ""
        return f"{between}.{scope.display_name}" if between else scope.display_name


def _loops_around(plan: Plan) -> dict[str, str]:
    """Return the innermost loop around each scope, "" for none; a loop is not around itself."""
    around = {"": ""}
    for scope in plan.scopes.values():
        around[scope.id] = scope.parent if scope.parent in plan.loops else around[scope.parent]
    return around


def _holding_loops(plan: Plan) -> frozenset[str]:
    """Return the scopes that have a loop inside."""
    found: set[str] = set()
    for loop in plan.loops:
        scope = plan.scopes[loop].parent
        while scope and scope not in found:
            found.add(scope)
            scope = plan.scopes[scope].parent
    return frozenset(found)


def _joined(scope_id: str) -> str:
    return scope_id.replace(".", "__")


def _nothing(iteration: int) -> None:
    # The group's tasks are added one by one; they know their iteration by their map index.
    return None
