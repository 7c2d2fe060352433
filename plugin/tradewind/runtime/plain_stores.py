"""Stores that need no service of ours: directories, and web pages to read.

`file://` is meant for a volume that all pods (and the workers, for the cache) mount at the same path.
"""

from __future__ import annotations

import errno
import os
import shutil
from typing import Any, BinaryIO, Callable
from urllib.parse import quote, unquote

from tradewind.runtime.failures import MissingError, RefusedError, UnavailableError
from tradewind.runtime.stores import CHUNK, Children, Store, away

__all__ = ["FileStore", "HttpStore"]

NEVER = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR)


class FileStore(Store):
    """`file:///path` or a plain absolute path."""

    tree_limit = 100_000

    def read(self, uri: str, sink: Callable[[bytes], object]) -> None:
        try:
            with open(_path(uri), "rb") as file:
                _pump(file, sink)
        except OSError as error:
            raise _file_error(uri, error) from error

    def write(self, uri: str, source: BinaryIO, size: int) -> None:
        path = _path(uri)
        # A name of its own, so that two writers never mix, and readers see all or nothing.
        part = f"{path}.{os.urandom(4).hex()}.part"
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            try:
                with open(part, "wb") as file:
                    _pump(source, file.write)
                os.replace(part, path)
            finally:
                if os.path.exists(part):
                    os.unlink(part)
        except OSError as error:
            raise _file_error(uri, error) from error

    def files(self, uri: str) -> list[str]:
        root = _path(uri)
        found = []
        for folder, _, names in os.walk(root):
            found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
        return found

    def children(self, uri: str) -> Children:
        try:
            with os.scandir(_path(uri)) as entries:
                return {
                    entry.name: None if entry.is_dir() else entry.stat().st_size
                    for entry in entries
                    if os.path.exists(entry.path)
                }
        except (FileNotFoundError, NotADirectoryError):
            return {}
        except OSError as error:
            raise _file_error(uri, error) from error

    def delete(self, uri: str) -> None:
        path = _path(uri)
        try:
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _file_error(uri, error) from error

    def child(self, uri: str, path: str) -> str:
        return super().child(uri, quote(path) if uri.startswith("file:") else path)


class HttpStore(Store):
    """`http://` and `https://`: read only, one file."""

    def __init__(self, attempt_seconds: float) -> None:
        self._timeout = attempt_seconds

    def read(self, uri: str, sink: Callable[[bytes], object]) -> None:
        import http.client
        import urllib.error
        import urllib.request

        request = urllib.request.Request(uri, headers={"User-Agent": "tradewind"})
        try:
            with urllib.request.urlopen(request, timeout=self._timeout) as response:
                _pump(response, sink)
                if response.length:
                    raise UnavailableError(f"{uri} was cut off")
        except urllib.error.HTTPError as error:
            message = f"{uri} answered {error.code} {error.reason}"
            if error.code in (404, 410):
                raise MissingError(message) from error
            if error.code >= 500 or error.code in (408, 425, 429):
                raise UnavailableError(message) from error
            raise RefusedError(message) from error
        except (OSError, http.client.HTTPException) as error:
            raise away(f"{uri} does not answer: {error}", error) from error

    def files(self, uri: str) -> list[str]:
        return []


def _pump(source: Any, sink: Callable[[bytes], object]) -> None:
    while True:
        piece = source.read(CHUNK)
        if not piece:
            return
        sink(piece)


def _path(uri: str) -> str:
    if uri.startswith("/"):
        return uri
    rest = uri.partition(":")[2]
    if rest.startswith("//"):
        rest = rest[2:]
        if not rest.startswith("/"):
            rest = rest[rest.index("/") :] if "/" in rest else "/"
    return unquote(rest)


def _file_error(uri: str, error: OSError) -> Exception:
    message = f"{uri}: {error.strerror or error}"
    if error.errno == errno.ENOENT:
        return MissingError(message)
    return RefusedError(message) if error.errno in NEVER else UnavailableError(message)
