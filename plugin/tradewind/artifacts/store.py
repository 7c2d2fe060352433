"""Small objects in an artifact store: results that were too large for a pod's message, the cache's entries.

A thin front before the runtime's stores that speaks in this package's errors and has a patience of its own: a
worker should not sit for minutes on a cache lookup, a pod with a finished model should.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tradewind.errors import ConfigurationError, FatalError, UnreachableError
from tradewind.runtime.failures import MissingError, RefusedError, UnavailableError
from tradewind.runtime.stores import Stores

__all__ = ["ArtifactStore"]


class ArtifactStore:
    """Reads and writes objects by URI.

    `mlflow-artifacts:/`, `file:///`, `http(s)://` (read only), and what fsspec handles when it is installed.

    Args:
        environ: addresses and credentials as in docs/protocol.md (`MLFLOW_TRACKING_URI`, ...); None: the
            environment of this process.
        timeout_seconds: how long an operation is repeated while the store is away.
        log: gets a line when a store turns out to be away.
    """

    def __init__(
        self,
        environ: Mapping[str, str] | None = None,
        *,
        timeout_seconds: float = 10.0,
        log: Callable[[str], object] | None = None,
    ) -> None:
        self._stores = Stores(os.environ if environ is None else environ, timeout_seconds, log)

    def read(self, uri: str) -> bytes:
        """Return an object's content.

        Raises:
            FileNotFoundError: there is nothing at the URI.
            UnreachableError: the store did not answer in time.
            ConfigurationError: it refused, or nothing here handles the scheme.
        """
        with _own_errors(uri):
            return self._stores.read(uri)

    def write(self, uri: str, content: bytes) -> None:
        """Keep an object, replacing what was there.

        Raises:
            UnreachableError, ConfigurationError: as for `read`.
        """
        with _own_errors(uri):
            self._stores.write(uri, content)

    def delete(self, uri: str) -> None:
        """Remove an object, or a directory with all that is in it. Nothing there is fine.

        Raises:
            UnreachableError, ConfigurationError: as for `read`.
        """
        with _own_errors(uri):
            self._stores.delete(uri)

    def list(self, uri: str) -> list[str]:
        """Return the paths of all files below a directory, relative to it, sorted; [] when there are none.

        Raises:
            UnreachableError, ConfigurationError: as for `read`.
        """
        with _own_errors(uri):
            return self._stores.files(uri)

    def children(self, uri: str) -> dict[str, int | None]:
        """Return what lies directly in a directory: size in bytes by URI, None for directories.

        Raises:
            UnreachableError, ConfigurationError: as for `read`.
        """
        with _own_errors(uri):
            store = self._stores.store(uri)
            return {store.child(uri, name): size for name, size in self._stores.children(uri).items()}

    def child(self, uri: str, path: str) -> str:
        """Return the URI of a file below a directory."""
        with _own_errors(uri):
            return self._stores.store(uri).child(uri, path)


@contextmanager
def _own_errors(uri: str) -> Iterator[None]:
    try:
        yield
    except UnavailableError as error:
        raise UnreachableError(
            f"The artifact store did not answer: {error.message}",
            remedy="Check that the store is up and reachable from here, then try again.",
        ) from error
    except RefusedError as error:
        raise ConfigurationError(
            f"The artifact store refused: {error.message}",
            remedy="Check the URI, the credentials and the server's settings.",
        ) from error
    except MissingError as error:
        raise FileNotFoundError(error.message) from error
    except ValueError as error:
        raise FatalError(f"{uri!r} is not a usable artifact URI: {error}") from error
