"""Exit codes of the command, and the errors that stand for them. Scripts rely on both: they do not change."""

from __future__ import annotations

from enum import IntEnum

from tradewind.errors import (
    ConfigurationError,
    FatalError,
    InvalidPipelineError,
    TradewindError,
    UnreachableError,
)

__all__ = ["ExitCode", "UsageError", "exit_code_of"]


class ExitCode(IntEnum):
    """What the process tells its caller."""

    OK = 0
    FAILED = 1
    """The run failed, or a check did."""
    USAGE = 2
    """The command line, the file or a parameter is wrong; nothing was started."""
    UNREACHABLE = 3
    """A server cannot be reached, or the stack did not start."""
    INTERRUPTED = 130
    """Ctrl-C, as shells have it."""


class UsageError(FatalError):
    """The command line asks for something that cannot be done."""


def exit_code_of(error: TradewindError) -> ExitCode:
    """The exit code for an error that ends the command."""
    if isinstance(error, UnreachableError):
        return ExitCode.UNREACHABLE
    if isinstance(error, UsageError | InvalidPipelineError | ConfigurationError):
        return ExitCode.USAGE
    return ExitCode.FAILED
