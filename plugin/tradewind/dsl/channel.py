"""Values that will exist only when the pipeline runs: pipeline inputs and outputs of tasks.

While a pipeline function runs, at compile time, these stand in for the values. They may be passed on,
returned, compared (in `dsl.If`) and put into text: an f-string gets a token, which the compiler replaces by
KFP's placeholder and which makes the value an additional input of the task.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from tradewind.dsl.types import Kind
from tradewind.errors import ConfigurationError

if TYPE_CHECKING:
    from tradewind.dsl.trace import Node, Trace

__all__ = [
    "Channel",
    "Combination",
    "Comparison",
    "Facade",
    "Formula",
    "injected_name",
    "unwrap",
    "with_tokens",
]

_PACKAGE = str(Path(__file__).parent) + os.sep

_REFLECTED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}

TOKEN = re.compile(r"\{\{channel:(\d+):(\d+)\}\}")


class Comparable:
    """Comparisons make conditions, and Python's own control flow is refused: it would run at compile time."""

    def __eq__(self, other: object) -> Any:
        return _compared("==", self, other)

    def __ne__(self, other: object) -> Any:
        return _compared("!=", self, other)

    def __lt__(self, other: object) -> Any:
        return _compared("<", self, other)

    def __le__(self, other: object) -> Any:
        return _compared("<=", self, other)

    def __gt__(self, other: object) -> Any:
        return _compared(">", self, other)

    def __ge__(self, other: object) -> Any:
        return _compared(">=", self, other)

    __hash__ = object.__hash__

    def __bool__(self) -> NoReturn:
        channel: Channel = unwrap(self)
        channel.trace.fail(
            f"'{channel.full_name}' has no truth value at compile time: a Python `if` would always take the"
            " same branch",
            part=_line(),
            remedy="use `with dsl.If(...):`",
        )

    def __iter__(self) -> Iterator[Any]:
        channel: Channel = unwrap(self)
        channel.trace.fail(
            f"'{channel.full_name}' cannot be looped over in Python: only a run knows its items",
            part=_line(),
            remedy="use `with dsl.ParallelFor(...) as item:`",
            also=TypeError,
        )


class Facade(Comparable):
    """Stands for a channel, without its attributes."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def __str__(self) -> str:
        return str(self._channel)

    __repr__ = __str__


class Channel(Comparable):
    """A pipeline input or the output of a task.

    Attributes:
        trace: the pipeline that it belongs to.
        name: of the input or output.
        kind: parameter or artifact, and of what type.
        producer: the task or scope whose output it is; None: an input of the pipeline.
    """

    def __init__(self, trace: Trace, name: str, kind: Kind, producer: Node | None = None) -> None:
        self.trace = trace
        self.name = name
        self.kind = kind
        self.producer = producer

    @property
    def full_name(self) -> str:
        """Unique among the channels of a pipeline."""
        return f"{self.producer.name}-{self.name}" if self.producer else self.name

    @property
    def task_name(self) -> str | None:
        return self.producer.name if self.producer else None

    def __str__(self) -> str:
        return self.trace.token(self)

    # str() of a list shows the repr of its elements, and a list in an f-string has to work, too.
    __repr__ = __str__


class Formula:
    """A condition for `dsl.If`: a comparison, or several joined by `&` (and), `|` (or) and `~` (not)."""

    negated: bool

    def __and__(self, other: object) -> Combination:
        return _joined("&&", self, other)

    def __or__(self, other: object) -> Combination:
        return _joined("||", self, other)

    __rand__, __ror__ = __and__, __or__

    def __invert__(self) -> Formula:
        return self.negation()

    def __bool__(self) -> NoReturn:
        channel = self.channels()[0]
        channel.trace.fail(
            f"a comparison with '{channel.full_name}' has no truth value at compile time: Python's `if`,"
            " `and`, `or` and `not` would always decide the same",
            part=_line(),
            remedy="use `with dsl.If(...):`, and & | ~, each comparison in parentheses: (a == 1) & (b > 2)",
        )

    def comparisons(self) -> Iterator[Comparison]:
        """All comparisons in it."""
        raise NotImplementedError

    def channels(self) -> list[Channel]:
        """What it asks for, in order."""
        sides = (side for each in self.comparisons() for side in (each.left, each.right))
        return [side for side in sides if isinstance(side, Channel)]

    def negation(self) -> Formula:
        """The formula that holds when this one does not."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Combination(Formula):
    """Several formulas, of which all (`&&`) or one (`||`) must hold."""

    operator: str
    parts: tuple[Formula, ...]
    negated: bool = False

    def comparisons(self) -> Iterator[Comparison]:
        for part in self.parts:
            yield from part.comparisons()

    def negation(self) -> Combination:
        return replace(self, negated=not self.negated)


def _joined(operator: str, left: Formula, right: object) -> Combination:
    if not isinstance(right, Formula):
        raise ConfigurationError(
            f"& and | join comparisons, not {right!r}.",
            remedy="Put each comparison in parentheses: (a == 1) & (b > 2).",
        )
    parts: list[Formula] = []
    for side in (left, right):
        same = isinstance(side, Combination) and side.operator == operator and not side.negated
        parts += side.parts if same else [side]  # type: ignore[attr-defined]
    return Combination(operator, tuple(parts))


@dataclass(frozen=True, eq=False)
class Comparison(Formula):
    """`a == b` and the like, where at least one side is known only at run time."""

    operator: str
    left: Any
    right: Any
    negated: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "left", unwrap(self.left))
        object.__setattr__(self, "right", unwrap(self.right))

    def comparisons(self) -> Iterator[Comparison]:
        yield self

    def negation(self) -> Comparison:
        return replace(self, negated=not self.negated)


def _compared(operator: str, left: Comparable, right: object) -> Comparison:
    """Python asks the right side first where its class is derived from the left one's, and KFP's items of
    loops are derived from its values: there `n < item` makes `item > n`.
    """
    if type(left) is Channel and isinstance(right, Facade):
        return Comparison(_REFLECTED.get(operator, operator), right, left)
    return Comparison(operator, left, right)


def unwrap(value: Any) -> Any:
    """The channel behind a loop's item; anything else as it is."""
    return value._channel if isinstance(value, Facade) else value


def _line() -> str:
    """The line of the user's code that is being run."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}, line {frame.f_lineno}" if frame is not None else ""


def injected_name(channel: Channel) -> str:
    """Name of the input that the compiler adds to a component for a value from outside. KFP's convention."""
    return f"pipelinechannel--{channel.full_name}"


def with_tokens(value: Any) -> Any:
    """A constant in which each channel, at any depth, has become its token."""
    if isinstance(value, Channel | Facade):
        return str(value)
    if isinstance(value, list):
        return [with_tokens(item) for item in value]
    if isinstance(value, dict):
        return {with_tokens(key): with_tokens(item) for key, item in value.items()}
    return value
