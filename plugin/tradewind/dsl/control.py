"""Control flow: `with dsl.If(...)`, `with dsl.ParallelFor(...)`, `with dsl.ExitHandler(...)` and their kin.

Each block is a scope, which becomes a DAG of its own in the IR. Its tasks are made while the block runs,
once, whatever the condition or the items will be.
"""

from __future__ import annotations

import warnings
from types import TracebackType
from typing import Any

from tradewind.dsl.channel import Formula, unwrap
from tradewind.dsl.loops import ItemChannel, LoopItem, item_channel
from tradewind.dsl.task import PipelineTask
from tradewind.dsl.trace import Scope, Trace, current_trace
from tradewind.errors import ConfigurationError

__all__ = ["Branch", "Condition", "ConditionBranches", "Elif", "Else", "ExitHandler", "If", "ParallelFor"]


class _Block(Scope):
    """A scope that is entered with `with`."""

    def __init__(self, name: str | None) -> None:
        trace = _pipeline(self.keyword)
        super().__init__(trace, "", trace.scope, name or "")

    def __enter__(self) -> Any:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        assert self.scope is not None, "blocks are always inside of a pipeline"
        self.trace.scope = self.scope
        if kind is None and not self.tasks and not self.scopes:
            self.trace.complain(f"{self.keyword} has no tasks in it", part=f"block '{self.name}'")

    def open(self) -> None:
        """Become the scope that new tasks go to."""
        self.scope = self.trace.scope
        self.name = f"{self.kind}-{self.trace.next_scope_number()}"
        self.scope.scopes.append(self)
        self.trace.scope = self


def _pipeline(keyword: str) -> Trace:
    trace = current_trace()
    if trace is None:
        raise ConfigurationError(
            f"{keyword} was used outside of a pipeline.",
            remedy="Use it in a @dsl.pipeline function.",
            also=AttributeError,
        )
    return trace


class ConditionBranches(Scope):
    """Holds an If with its Elif and Else; made by the first of those."""

    kind = "condition-branches"
    keyword = "dsl.If with dsl.Else"

    def __init__(self, trace: Trace, name: str, scope: Scope) -> None:
        super().__init__(trace, name, scope)
        self.values = 0

    def next_value(self) -> int:
        """Number of the next `dsl.OneOf` of these branches."""
        self.values += 1
        return self.values


class Branch(_Block):
    """A block that runs under a condition.

    Attributes:
        conditions: all of them must hold.
    """

    kind = "condition"

    def __init__(self, conditions: list[Formula], name: str | None) -> None:
        super().__init__(name)
        self.conditions = conditions
        for condition in conditions:
            for channel in condition.channels():
                if channel.trace is not self.trace:
                    self.trace.complain(
                        f"'{channel.full_name}' belongs to another pipeline", part=self.keyword
                    )

    def negations(self) -> list[Formula]:
        """What holds when neither this branch nor one before it is taken."""
        return [*self.conditions[:-1], self.conditions[-1].negation()]


class If(Branch):
    """Tasks that run only when a condition holds.

    Args:
        condition: a comparison with an output of a task or an input of the pipeline; several are joined by
            `&`, `|` and `~`, each in parentheses, as in `dsl.If((a == 1) | ~(b > 2))`.
        name: shown to people.
    """

    keyword = "dsl.If"

    def __init__(self, condition: Any, name: str | None = None) -> None:
        super().__init__([_condition(condition, self.keyword)], name)


class Condition(If):
    """Old name of `If`."""

    keyword = "dsl.Condition"

    def __init__(self, condition: Any, name: str | None = None) -> None:
        warnings.warn("dsl.Condition is now called dsl.If", DeprecationWarning, stacklevel=2)
        super().__init__(condition, name)


class _Alternative(Branch):
    """A branch that follows an If or Elif."""

    def __init__(self, own: list[Formula], name: str | None) -> None:
        self._before = self._branch_before(_pipeline(self.keyword))
        super().__init__([*self._before.negations(), *own], name)

    def _branch_before(self, trace: Trace) -> Branch:
        last: Any = trace.scope.scopes[-1] if trace.scope.scopes else None
        if isinstance(last, ConditionBranches):
            last = last.scopes[-1]
        if not isinstance(last, If | Elif):
            trace.fail("has to follow a dsl.If or dsl.Elif", part=self.keyword)
        return last

    def open(self) -> None:
        parent = self.trace.scope
        branches = parent.scopes[-1]
        if not isinstance(branches, ConditionBranches):
            # The If came first, but the scope around it has the lower number: as if it had been written
            # around it.
            first, number = branches, self.trace.next_scope_number()
            branches = ConditionBranches(
                self.trace, f"{ConditionBranches.kind}-{first.name.rsplit('-')[-1]}", parent
            )
            first.name, first.scope = f"{first.kind}-{number}", branches
            branches.scopes.append(first)
            parent.scopes[-1] = branches
        self.trace.scope = branches
        super().open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, where)
        assert self.scope is not None, "branches are always inside of a scope"
        assert self.scope.scope is not None, "branches are always inside of a scope"
        self.trace.scope = self.scope.scope


class Elif(_Alternative):
    """Tasks that run when a condition holds and those before it do not. Follows `If` or `Elif`.

    Args:
        condition: as for `If`.
        name: shown to people.
    """

    keyword = "dsl.Elif"

    def __init__(self, condition: Any, name: str | None = None) -> None:
        super().__init__([_condition(condition, self.keyword)], name)


class Else(_Alternative):
    """Tasks that run when no condition before it holds. Follows `If` or `Elif`.

    Args:
        name: shown to people.
    """

    keyword = "dsl.Else"

    def __init__(self, name: str | None = None) -> None:
        super().__init__([], name)


def _condition(condition: Any, keyword: str) -> Formula:
    if not isinstance(condition, Formula):
        remedy = "compare with == != < <= > >=; one side at least is an output of a task or a pipeline input"
        also = ValueError if isinstance(condition, bool) else AttributeError
        _pipeline(keyword).fail(
            f"expects a comparison, got {condition!r}", part=keyword, remedy=remedy, also=also
        )
    return condition


class ParallelFor(_Block):
    """Tasks that run once for each item of a list.

    `as item` gives the item; of items that are dictionaries, `item.key` (or `item["key"]`) is a value in it.

    Args:
        items: a list, or a list that an input or output holds; also a list of artifacts.
        name: shown to people.
        parallelism: how many at once; None or 0: no limit.
    """

    kind = "for-loop"
    keyword = "dsl.ParallelFor"

    def __init__(self, items: Any, name: str | None = None, parallelism: int | None = None) -> None:
        super().__init__(name)
        self.items = unwrap(items)
        self.parallelism = parallelism or 0
        if not isinstance(self.parallelism, int) or self.parallelism < 0:
            also = ValueError if isinstance(self.parallelism, int) else TypeError
            message = f"parallelism is a number from 0 up, not {parallelism!r}"
            self.trace.fail(message, part=self.keyword, also=also)
        self.item: ItemChannel = item_channel(self, self.items)

    def __enter__(self) -> LoopItem:
        self.open()
        return LoopItem(self.item)


class ExitHandler(_Block):
    """Tasks after which, however they end, another task runs.

    Args:
        exit_task: made before; waits for nothing.
        name: shown to people.
    """

    kind = "exit-handler"
    keyword = "dsl.ExitHandler"

    def __init__(self, exit_task: PipelineTask, name: str | None = None) -> None:
        super().__init__(name)
        self.exit_task = exit_task
        if not isinstance(exit_task, PipelineTask):
            message = f"expects a task, got a {type(exit_task).__name__}"
            self.trace.fail(message, part=self.keyword, also=AttributeError)
        if self.trace.scope is not self.trace.root or exit_task.scope is not self.trace.root:
            self.trace.complain("can only be used on the pipeline's own level", part=self.keyword)
        if exit_task in exit_task.scope.tasks:
            exit_task.scope.tasks.remove(exit_task)
        exit_task.exit_of = self
