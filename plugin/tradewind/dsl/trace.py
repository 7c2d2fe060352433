"""The pipeline that is being defined right now.

A pipeline function is run once, with stand-ins for its inputs. What it does on the way is written down here:
tasks, the scopes they are in, and all that is wrong. Problems do not stop the run, so that one compilation
shows them all.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from tradewind.dsl.channel import TOKEN, Channel
from tradewind.errors import InvalidPipelineError, Problem

if TYPE_CHECKING:
    from tradewind.dsl.task import PipelineTask

__all__ = ["Names", "Node", "Scope", "Trace", "current_trace"]

ScopeKind = Literal["pipeline", "condition", "condition-branches", "for-loop", "exit-handler"]

_current: ContextVar[Trace | None] = ContextVar("tradewind_dsl_trace", default=None)
_serial = itertools.count(1)


def current_trace() -> Trace | None:
    """The pipeline whose function is running; None outside of pipeline functions."""
    return _current.get()


class Names:
    """Names that are taken, and the next free one: `train`, `train-2`, `train-3`."""

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._next: dict[str, int] = {}

    def claim(self, name: str, also: set[str] | frozenset[str] = frozenset()) -> str:
        """Take `name` or, where it is taken already (here or in `also`), the first free one of its series."""
        free, number = name, self._next.get(name, 2)
        while free in self._taken or free in also:
            free, number = f"{name}-{number}", number + 1
        self._next[name] = number
        self._taken.add(free)
        return free


class Scope:
    """A part of a pipeline that becomes a DAG of its own in the IR.

    Attributes:
        kind: what made it.
        name: unique in the pipeline.
        scope: the one around it; None for the pipeline itself.
        nodes: tasks and scopes directly in it.
        imports: values from outside that it or a scope in it uses, by the name of the added input.
    """

    kind: ScopeKind = "pipeline"
    keyword = "dsl.pipeline"

    def __init__(self, trace: Trace, name: str, scope: Scope | None, display_name: str = "") -> None:
        self.trace = trace
        self.name = name
        self.scope = scope
        self.display_name = display_name
        self.scopes: list[Scope] = []
        self.tasks: list[PipelineTask] = []
        self.imports: dict[str, Channel] = {}
        self.exports: dict[str, Any] = {}

    def path(self) -> list[Scope]:
        """From the pipeline down to this scope."""
        return [*(self.scope.path() if self.scope else []), self]

    def descendants(self) -> Iterator[Scope]:
        """This scope and all in it, parents first."""
        yield self
        for scope in self.scopes:
            yield from scope.descendants()


Node = Any  # PipelineTask | Scope: both have `name` and `scope`, and the union would be circular


class Trace:
    """One run of a pipeline function.

    Attributes:
        pipeline: the pipeline's name.
        tasks: by name, in order of creation.
        problems: what is wrong so far.
        caching: whether tasks are cached unless told otherwise.
    """

    def __init__(self, pipeline: str) -> None:
        self.pipeline = pipeline
        self.serial = next(_serial)
        self.root = Scope(self, pipeline, None)
        self.scope = self.root
        self.tasks: dict[str, PipelineTask] = {}
        self.problems: list[Problem] = []
        self._names = Names()
        self._scope_serial = 0
        self._tokens: dict[int, Channel] = {}
        self._token_numbers: dict[Channel, int] = {}
        switch = os.environ.get("KFP_DISABLE_EXECUTION_CACHING_BY_DEFAULT", "").strip().lower()
        self.caching = switch not in {"1", "true", "t", "yes", "y", "on"}

    @contextmanager
    def running(self) -> Iterator[Trace]:
        """Makes this the current pipeline; on the way out everything that was wrong is raised.

        Raises:
            InvalidPipelineError: at least one problem was found. An error of the function itself passes as it
                is, unless there are problems: then it is most likely one's consequence.
        """
        token = _current.set(self)
        try:
            yield self
        except InvalidPipelineError:
            raise
        except Exception as error:
            if self.problems:
                raise InvalidPipelineError(f"pipeline '{self.pipeline}'", self.problems) from error
            raise
        finally:
            _current.reset(token)
        self.check()

    def check(self) -> None:
        if self.problems:
            raise InvalidPipelineError(f"pipeline '{self.pipeline}'", self.problems)

    def add_task(self, task: PipelineTask, name: str) -> str:
        """Put a task into the current scope; returns its unique name."""
        unique = self._names.claim(name or "task")
        self.tasks[unique] = task
        self.scope.tasks.append(task)
        return unique

    def next_scope_number(self) -> int:
        self._scope_serial += 1
        return self._scope_serial

    def complain(
        self,
        message: str,
        *,
        task: str = "",
        part: str = "",
        remedy: str = "",
        also: type[Exception] = ValueError,
    ) -> None:
        """Note a problem.

        Args:
            part: what is wrong of the task: `argument 'rows'`, `set_retry()`.
            also: the error of Python's that KFP's SDK raises here.
        """
        self.problems.append(Problem(self._place(task, part), message, remedy, also))

    def fail(
        self,
        message: str,
        *,
        task: str = "",
        part: str = "",
        remedy: str = "",
        also: type[Exception] = ValueError,
    ) -> NoReturn:
        """Raise a problem after which the pipeline function cannot go on, and all before it.

        It is not noted: a function may catch it (`hasattr(task, "output")`) and go on another way.
        """
        problem = Problem(self._place(task, part), message, remedy, also)
        raise InvalidPipelineError(f"pipeline '{self.pipeline}'", [*self.problems, problem])

    def _place(self, task: str, part: str) -> str:
        places = [f"pipeline '{self.pipeline}'", f"task '{task}'" if task else "", part]
        return ", ".join(filter(None, places))

    def token(self, channel: Channel) -> str:
        """What stands for a channel within text."""
        number = self._token_numbers.setdefault(channel, len(self._token_numbers))
        self._tokens[number] = channel
        return f"{{{{channel:{self.serial}:{number}}}}}"

    def tokens_in(self, text: str) -> dict[str, Channel | None]:
        """Channels whose tokens are in a text, by token; None for those of other pipelines."""
        if "{{channel:" not in text:
            return {}
        return {
            match[0]: self._tokens.get(int(match[2])) if int(match[1]) == self.serial else None
            for match in TOKEN.finditer(text)
        }
