"""Artifact stores by URI: read, write, list, delete, with patience.

A store is something that can do one attempt of these four things and says by its exceptions what an error
means (away, missing, refused). `Stores` adds what all of them need: choosing by scheme, retries with backoff
until a budget is used up, digests computed while the bytes flow. Bytes are always streamed; nothing is held
in memory but small objects that are asked for as such.
"""

from __future__ import annotations

import hashlib
import os
import time
from typing import Any, BinaryIO, Callable, Dict, Iterable, Mapping, Optional, TypeVar

from tradewind.runtime.failures import (
    MissingError,
    RefusedError,
    StoreError,
    UnavailableError,
    UnknownHostError,
)

__all__ = [
    "CHUNK",
    "WITHOUT_DRIVER",
    "Children",
    "Store",
    "Stores",
    "away",
    "drivers",
    "is_external",
    "scheme_of",
]

CHUNK = 1 << 20
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.25, 10.0
# A service that is away refuses at once; one that hangs is given this long per attempt.
ATTEMPT_SECONDS = 60.0
# Schemes that need nothing but Python.
WITHOUT_DRIVER = frozenset({"mlflow-artifacts", "file", "http", "https"})

Result = TypeVar("Result")
Children = Dict[str, Optional[int]]


class Store:
    """What a kind of store must be able to do. Every method is one attempt, safe to repeat.

    Each raises `UnavailableError` when another attempt may succeed, `MissingError` when there is nothing at
    the URI, `RefusedError` when the store will never do it. Methods may be called from several threads.

    Attributes:
        tree_limit: up to how many files a directory is better kept file by file than as one tar.
    """

    tree_limit = 64

    def read(self, uri: str, sink: Callable[[bytes], object]) -> None:
        """Pass the object's bytes to `sink`, piece by piece."""
        raise RefusedError(f"{uri} can be written only")

    def write(self, uri: str, source: BinaryIO, size: int) -> None:
        """Keep `size` bytes of `source` at the URI, replacing what is there."""
        raise RefusedError(f"{uri} can be read only")

    def files(self, uri: str) -> list[str]:
        """Return the paths of all files below a directory, relative to it; [] when it is no directory."""
        raise RefusedError(f"{uri} cannot be listed")

    def children(self, uri: str) -> Children:
        """Return what lies directly in a directory: size in bytes by name, None for a directory."""
        raise RefusedError(f"{uri} cannot be listed")

    def delete(self, uri: str) -> None:
        """Remove the object or directory. Nothing there is fine."""
        raise RefusedError(f"{uri} cannot be deleted")

    def child(self, uri: str, path: str) -> str:
        """Return the URI of a file below a directory."""
        return "{}/{}".format(uri.rstrip("/"), path)


class Stores:
    """All stores, behind their URIs.

    Args:
        environ: where credentials and addresses come from, see docs/protocol.md.
        timeout_seconds: how long an operation is repeated after its first error before it fails.
        log: gets one line when a store turns out to be away, and one when it is back.
        install: gets the name of a Python package that a store needs and that is missing; None: the store
            is refused.
    """

    def __init__(
        self,
        environ: Mapping[str, str],
        timeout_seconds: float = 300.0,
        log: Callable[[str], object] | None = None,
        install: Callable[[str], object] | None = None,
    ) -> None:
        self._environ = environ
        self._install = install
        self._timeout = timeout_seconds
        self._log = log or (lambda line: None)
        self._stores: dict[str, Store] = {}

    def store(self, uri: str) -> Store:
        """Return the store of a URI.

        Raises:
            RefusedError: nothing here can handle the scheme.
        """
        scheme = scheme_of(uri)
        if scheme not in self._stores:
            attempt_seconds = min(ATTEMPT_SECONDS, self._timeout)
            self._stores[scheme] = _open(scheme, self._environ, attempt_seconds, self._install)
        return self._stores[scheme]

    def download(self, uri: str, path: str, outside: bool = False) -> tuple[str, int]:
        """Copy an object to a local file. Returns its digest ("sha256:...") and size in bytes.

        With `outside`, nobody has seen that the object's host exists: an unknown one fails at once.
        """

        def attempt() -> tuple[str, int]:
            part = path + ".part"
            with open(part, "wb") as file:
                tally = _Tally(file.write)
                self.store(uri).read(uri, tally)
            os.replace(part, path)
            return tally.digest, tally.size

        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        return self._patiently(attempt, f"reading {uri}", outside)

    def upload(self, path: str, uri: str) -> tuple[str, int]:
        """Copy a local file to a URI. Returns its digest ("sha256:...") and size in bytes."""

        def attempt() -> tuple[str, int]:
            with open(path, "rb") as file:
                source = _Tallied(file)
                self.store(uri).write(uri, source, os.fstat(file.fileno()).st_size)  # type: ignore[arg-type]
            return source.tally.digest, source.tally.size

        return self._patiently(attempt, f"writing {uri}")

    def read(self, uri: str) -> bytes:
        """Return a small object."""

        def attempt() -> bytes:
            pieces: list[bytes] = []
            self.store(uri).read(uri, pieces.append)
            return b"".join(pieces)

        return self._patiently(attempt, f"reading {uri}")

    def write(self, uri: str, content: bytes) -> None:
        """Keep a small object."""
        import io

        self._patiently(
            lambda: self.store(uri).write(uri, io.BytesIO(content), len(content)), f"writing {uri}"
        )

    def files(self, uri: str, outside: bool = False) -> list[str]:
        """Return the paths of all files below a directory, sorted; [] when it is no directory.

        About `outside` see `download`.
        """
        return sorted(self._patiently(lambda: self.store(uri).files(uri), f"listing {uri}", outside))

    def children(self, uri: str) -> Children:
        """Return what lies directly in a directory: size in bytes by name, None for a directory."""
        return self._patiently(lambda: self.store(uri).children(uri), f"listing {uri}")

    def delete(self, uri: str) -> None:
        """Remove an object or directory; nothing there is fine."""
        self._patiently(lambda: self.store(uri).delete(uri), f"deleting {uri}")

    def _patiently(self, attempt: Callable[[], Result], what: str, outside: bool = False) -> Result:
        pause, deadline = FIRST_PAUSE_SECONDS, 0.0
        while True:
            try:
                result = attempt()
            except UnavailableError as error:
                if outside and isinstance(error, UnknownHostError):
                    raise
                now = time.monotonic()
                if not deadline:
                    deadline = now + self._timeout
                    self._log(f"{what}: {error}; trying again for {self._timeout:g} s")
                if now + pause > deadline:
                    waited = f"no success within {self._timeout:g} s"
                    raise UnavailableError(f"{what}: {error.message} ({waited})") from error
                time.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
            else:
                if deadline:
                    self._log(f"{what}: done after all")
                return result


class _Tally:
    """A sink that counts and hashes what it passes on."""

    def __init__(self, sink: Callable[[bytes], object]) -> None:
        self._sink, self._hash, self.size = sink, hashlib.sha256(), 0

    def __call__(self, piece: bytes) -> None:
        self._hash.update(piece)
        self.size += len(piece)
        self._sink(piece)

    @property
    def digest(self) -> str:
        return "sha256:" + self._hash.hexdigest()


class _Tallied:
    """A readable file that counts and hashes what is read."""

    def __init__(self, file: Any) -> None:
        self._file, self.tally = file, _Tally(lambda piece: None)

    def read(self, size: int = -1) -> bytes:
        piece: bytes = self._file.read(size)
        self.tally(piece)
        return piece


def scheme_of(uri: str) -> str:
    """Return the scheme of a URI in lower case; "file" for a plain absolute path."""
    scheme, colon, rest = uri.partition(":")
    if not colon or not rest.startswith("/") or "/" in scheme:
        if uri.startswith("/"):
            return "file"
        raise MissingError(f"{uri[:200]!r} is not the URI of an artifact")
    return scheme.lower()


def is_external(uri: str) -> bool:
    """Tell whether this is a URI, and not a local path."""
    try:
        return not uri.startswith("/") and bool(scheme_of(uri))
    except StoreError:
        return False


def away(message: str, error: BaseException) -> UnavailableError:
    """Return what to raise for a store that does not answer, by the error with which it does not."""
    import socket

    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, socket.gaierror):
        cause = cause.__cause__ or cause.__context__
    # EAI_AGAIN says that nobody could be asked; names that have no address are the rest.
    unknown = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
    if cause is not None and cause.errno in unknown:
        return UnknownHostError(f"{message} (its host is unknown: check the name)")
    return UnavailableError(message)


def drivers(uris: Iterable[str]) -> list[str]:
    """Return the Python packages without which these URIs cannot be read or written."""
    schemes = {scheme_of(uri) for uri in uris}
    if schemes <= WITHOUT_DRIVER:
        return []
    from tradewind.runtime.fsspec_store import DRIVERS

    return sorted({DRIVERS[scheme] for scheme in schemes if scheme in DRIVERS})


def _open(
    scheme: str,
    environ: Mapping[str, str],
    attempt_seconds: float,
    install: Callable[[str], object] | None,
) -> Store:
    # Imported when used: most steps need one kind, and a step without artifacts none.
    if scheme == "mlflow-artifacts":
        from tradewind.runtime.mlflow_store import MlflowStore

        return MlflowStore(environ, attempt_seconds)
    if scheme in ("file", "http", "https"):
        from tradewind.runtime.plain_stores import FileStore, HttpStore

        return FileStore() if scheme == "file" else HttpStore(attempt_seconds)
    from tradewind.runtime.fsspec_store import FsspecStore

    return FsspecStore(scheme, environ, attempt_seconds, install)
