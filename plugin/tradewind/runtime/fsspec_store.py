"""Object stores (S3, Google Cloud Storage, Azure, ...) through `fsspec`.

The runtime brings no client for them: an image that has the driver is used as it is, otherwise the driver is
installed like a requirement of the component. Credentials are the driver's business: the variables that its
cloud's own tools read, or the identity of the pod. Only `FSSPEC_<SCHEME>`, a JSON object of arguments for the
driver, is read here as well: fsspec itself looks at it once per process and in that process's environment
alone.
"""

from __future__ import annotations

import json
from typing import Any, BinaryIO, Callable, Mapping

from tradewind.runtime.failures import MissingError, RefusedError
from tradewind.runtime.stores import CHUNK, Children, Store, away

__all__ = ["DRIVERS", "FsspecStore"]

DRIVERS = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
"""By scheme: the package that teaches it to fsspec. Any other scheme works when the image has its package."""

# What a driver holds in memory at a time. S3 takes 10,000 parts at most: enough for 160 GB.
BLOCK = 16 << 20
# Parts of the names of exceptions that no other attempt will cure: each cloud's client has its own.
REFUSALS = ("Credential", "Authentication", "AccessDenied", "Forbidden", "ParamValidation", "ProfileNotFound")
NEVER = (
    ImportError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    NotImplementedError,
    IsADirectoryError,
    NotADirectoryError,
)


class FsspecStore(Store):
    """Any scheme whose driver is installed.

    Args:
        scheme: of the URIs.
        environ: may hold `FSSPEC_<SCHEME>`.
        attempt_seconds: how long the store may stay silent within an attempt.
        install: gets the package of a driver that is missing; None: nothing is installed.

    Raises:
        RefusedError: there is no driver.
    """

    def __init__(
        self,
        scheme: str,
        environ: Mapping[str, str],
        attempt_seconds: float = 60.0,
        install: Callable[[str], object] | None = None,
    ) -> None:
        self._scheme = scheme
        kind = _driver(scheme, install)
        options = _patience(scheme, attempt_seconds)
        for name in (kind.protocol,) if isinstance(kind.protocol, str) else kind.protocol:
            options.update(_options(name, environ))
        # Any error of a driver's own: what it raises for wrong arguments differs from one to the next.
        self._system: Any = self._guard(f"{scheme}://", lambda: kind(**options))

    def read(self, uri: str, sink: Callable[[bytes], object]) -> None:
        def action() -> None:
            with self._system.open(uri, "rb", block_size=BLOCK) as file:
                _pump(file, sink)

        self._guard(uri, action)

    def write(self, uri: str, source: BinaryIO, size: int) -> None:
        def action() -> None:
            try:
                file = self._system.open(uri, "wb", block_size=BLOCK)
            except FileNotFoundError:
                # A file system with real directories. An object store would be asked to make its bucket.
                self._system.makedirs(self._system._parent(uri), exist_ok=True)
                file = self._system.open(uri, "wb", block_size=BLOCK)
            with file:
                _pump(source, file.write)

        self._guard(uri, action)

    def files(self, uri: str) -> list[str]:
        root = self._root(uri)

        def action() -> list[str]:
            self._system.invalidate_cache()
            return list(self._system.find(root))

        found = self._listed(uri, action, [])
        return [path[len(root) + 1 :] for path in found if path.startswith(root + "/")]

    def children(self, uri: str) -> Children:
        root = self._root(uri)

        def action() -> list[dict[str, Any]]:
            self._system.invalidate_cache()
            return list(self._system.ls(root, detail=True))

        return {
            entry["name"].rstrip("/").rpartition("/")[2]: (
                None if entry.get("type") == "directory" else entry.get("size")
            )
            for entry in self._listed(uri, action, [])
            if entry["name"].rstrip("/") != root
        }

    def delete(self, uri: str) -> None:
        self._listed(uri, lambda: self._system.rm(self._root(uri), recursive=True), None)

    def _root(self, uri: str) -> str:
        root: str = self._system._strip_protocol(uri).rstrip("/")
        return root

    def _listed(self, uri: str, action: Callable[[], Any], nothing: Any) -> Any:
        try:
            return self._guard(uri, action)
        except MissingError:
            return nothing

    def _guard(self, uri: str, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except FileNotFoundError as error:
            raise MissingError(f"{uri}: {error}") from error
        except Exception as error:
            message = f"{uri}: {type(error).__name__}: {error}"
            names = " ".join(kind.__name__ for kind in type(error).__mro__)
            if isinstance(error, PermissionError) or any(word in names for word in REFUSALS):
                raise RefusedError(f"{message} (check the credentials of this container)") from error
            if isinstance(error, NEVER):
                raise RefusedError(message) from error
            raise away(message, error) from error


def _driver(scheme: str, install: Callable[[str], object] | None) -> Any:
    package = DRIVERS.get(scheme)
    try:
        return _known(scheme)
    except (ImportError, ValueError) as error:
        if install is None or package is None:
            needs = f"the Python package {package}" if package else "a driver of fsspec"
            raise RefusedError(f"{scheme}:// needs {needs}, which is not installed ({error})") from error
    install(package)
    try:
        return _known(scheme)
    except (ImportError, ValueError) as error:
        raise RefusedError(f"{package} was installed, and {scheme}:// has no driver yet ({error})") from error


def _known(scheme: str) -> Any:
    import fsspec  # type: ignore[import-untyped, import-not-found, unused-ignore]

    return fsspec.get_filesystem_class(scheme)


def _patience(scheme: str, attempt_seconds: float) -> dict[str, Any]:
    """Return arguments by which a driver gives up early; who is patient is `Stores`, which also says so."""
    if DRIVERS.get(scheme) != "s3fs":
        return {}
    waits = {"connect_timeout": attempt_seconds, "read_timeout": attempt_seconds}
    # s3fs itself tries each part of a transfer five times.
    return {"config_kwargs": {"retries": {"total_max_attempts": 1}, **waits}}


def _options(scheme: str, environ: Mapping[str, str]) -> dict[str, Any]:
    name = "FSSPEC_" + scheme.upper()
    try:
        options = json.loads(environ.get(name) or "{}")
    except ValueError:
        options = None
    if not isinstance(options, dict):
        raise RefusedError(f"The variable {name} holds no JSON object")
    return options


def _pump(source: Any, sink: Callable[[bytes], object]) -> None:
    while True:
        piece = source.read(CHUNK)
        if not piece:
            return
        sink(piece)
