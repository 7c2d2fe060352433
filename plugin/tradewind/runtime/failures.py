"""Why a step did not work, in the words of the protocol.

Whoever raises one of these decides its `kind`, and by that what the operator tells the user and whether it
tries again. An exception of the component's own code is never one of them until `executor` or `command` has
made it a `UserCodeError`.
"""

from __future__ import annotations

__all__ = [
    "Failure",
    "InputError",
    "MissingError",
    "OutputError",
    "PackageError",
    "ProtocolError",
    "RefusedError",
    "StoppedError",
    "StoreError",
    "UnavailableError",
    "UnknownHostError",
    "UserCodeError",
]


class Failure(Exception):
    """Root of all failures that the runtime reports.

    Attributes:
        kind: `error.kind` of the result.
        type: `error.type` of the result: the user's exception class, or our own.
        traceback: last lines of the user's traceback, or "".
        exit_code: what the container ends with.
    """

    kind = "protocol"

    def __init__(self, message: str, type: str = "", traceback: str = "", exit_code: int = 1) -> None:
        super().__init__(message)
        self.message = message
        self.type = type or self.__class__.__name__
        self.traceback = traceback
        self.exit_code = exit_code


class ProtocolError(Failure):
    """The task cannot be understood, or the runtime itself is at fault."""


class UserCodeError(Failure):
    """The component's code raised, exited or returned another exit code than 0."""

    kind = "user"


class PackageError(Failure):
    """The component's requirements could not be installed."""

    kind = "package"


class InputError(Failure):
    """An input artifact could not be read."""

    kind = "input"


class OutputError(Failure):
    """A declared output is missing, of the wrong type, or could not be kept."""

    kind = "output"


class StoppedError(Failure):
    """The container was told to stop (SIGTERM)."""

    kind = "stopped"


class StoreError(Failure):
    """Something with an artifact store. Its own kind means: it did not answer in time."""

    kind = "store"


class UnavailableError(StoreError):
    """The store is away, overloaded or broken; trying again may help."""


class UnknownHostError(UnavailableError):
    """The store's host has no address. One that is known to exist may get it back, any other never will."""


class MissingError(StoreError):
    """There is nothing at the URI."""


class RefusedError(StoreError):
    """The store said no (credentials, a read-only or unknown scheme); trying again cannot help."""
