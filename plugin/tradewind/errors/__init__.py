"""Errors of Tradewind, whose type carries the policy.

Whoever catches one needs to decide a single thing: is another try worth it? A `FatalError` says no (the
input is wrong, and will be wrong again), a `RetryableError` says yes (something that was away may be back).
The message says what happened and where; `remedy` says what to do about it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

__all__ = [
    "ConfigurationError",
    "FatalError",
    "InvalidPipelineError",
    "Problem",
    "RetryableError",
    "TradewindError",
    "UnreachableError",
]


class TradewindError(Exception):
    """Root of all errors that Tradewind raises on purpose.

    Args:
        message: what happened and where, for a person.
        remedy: what to do about it, one sentence; empty when nothing sensible can be said.
        kind: the word by which a policy on retries (`retry_on`) may name what happened; empty: none can.
    """

    def __init__(self, message: str, *, remedy: str = "", kind: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy
        self.kind = kind

    def __str__(self) -> str:
        return f"{self.message}\n  Remedy: {self.remedy}" if self.remedy else self.message


class FatalError(TradewindError):
    """Trying again cannot help."""


class RetryableError(TradewindError):
    """Trying again may help."""


def _both(error: type[TradewindError], also: type[Exception]) -> Any:
    """An error that is one of Python's as well, under its own name: nobody needs to know of two."""
    if issubclass(error, also):
        return error
    return type(error.__name__, (error, also), {"__module__": error.__module__})


class ConfigurationError(FatalError, ValueError):
    """A setting, connection or argument is missing or wrong: a ValueError, too, as with KFP's SDK.

    Args:
        also: what else it is, where the SDK raises another one of Python's errors.
    """

    def __new__(cls, *args: Any, also: type[Exception] = ValueError, **options: Any) -> ConfigurationError:
        made: ConfigurationError = also.__new__(_both(cls, also))
        return made

    def __init__(
        self, message: str, *, remedy: str = "", kind: str = "", also: type[Exception] = ValueError
    ) -> None:
        super().__init__(message, remedy=remedy, kind=kind)
        self.also = also

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(ConfigurationError, also=self.also), (self.message,), self.__dict__


class UnreachableError(RetryableError):
    """A service (cluster, MLflow, artifact store) did not answer within its budget."""

    def __init__(self, message: str, *, remedy: str = "", kind: str = "unreachable") -> None:
        super().__init__(message, remedy=remedy, kind=kind)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong with a pipeline.

    Attributes:
        place: path into the document (`$.root.dag.tasks.train.inputs`) or the pipeline, task and argument
            of the Python code (`pipeline 'churn', task 'train', argument 'rows'`).
        message: what is wrong.
        remedy: what to do, or empty.
        also: the error of Python's that KFP's SDK raises here.
    """

    place: str
    message: str
    remedy: str = ""
    also: type[Exception] = field(default=ValueError, compare=False, repr=False)

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


class InvalidPipelineError(FatalError, ValueError):
    """A pipeline cannot be used. Lists every problem that was found, not only the first.

    It is a ValueError as well, which is what most errors of KFP's SDK are. Where the SDK raises another one
    of Python's errors for the first problem (the one that it would have ended with), it is that, too:
    whatever `except` a file written for the SDK has goes on to work.

    Args:
        source: the file or the pipeline's name.
        problems: at least one.
    """

    def __new__(cls, source: str, problems: Collection[Problem]) -> InvalidPipelineError:
        also = next(iter(problems)).also
        made: InvalidPipelineError = also.__new__(_both(cls, also))
        return made

    def __init__(self, source: str, problems: Collection[Problem]) -> None:
        self.source = source
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = "\n".join(f"  {problem}" for problem in self.problems)
        super().__init__(f"{source}: {count} problem{'s' if count != 1 else ''}\n{lines}")

    def __reduce__(self) -> tuple[Any, ...]:
        return InvalidPipelineError, (self.source, self.problems)
