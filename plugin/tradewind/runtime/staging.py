"""Artifacts between store and work directory.

Before the user's code, each input artifact is brought to its `customPath`; after it, each output artifact is
kept at its URI. What is found at an output's path decides the form: a file stays a file, a directory becomes
a `tree` or a `tar`, and nothing at all is legal (metrics live in metadata only) and gives a reference
without content.
"""

from __future__ import annotations

import os
import time
from typing import Any, Callable

from tradewind.runtime.failures import (
    Failure,
    InputError,
    OutputError,
    StoreError,
    UnavailableError,
    UnknownHostError,
)
from tradewind.runtime.stores import Stores
from tradewind.runtime.workspace import IN_WORKSPACE, listed_artifacts

__all__ = ["Staging"]

THREADS = 8
# Worth a line in the log.
LARGE_BYTES, LONG_SECONDS = 50_000_000, 2.0


class Staging:
    """Moves artifacts for one step.

    Args:
        stores: where they are kept.
        scratch: an existing directory for temporary files, as large as the largest tar.
        log: gets a line per large or slow artifact, and warnings.
    """

    def __init__(self, stores: Stores, scratch: str, log: Callable[[str], object]) -> None:
        self._stores, self._scratch, self._log = stores, scratch, log

    def bring_inputs(self, executor_input: dict[str, Any], lenient: bool = False) -> dict[str, Failure]:
        """Bring all input artifacts that are to be read to their paths.

        Args:
            executor_input: where they are, and where to.
            lenient: an artifact from outside (an importer's) that cannot be read is no error yet. Often its
                URI names something that is no file at all, and is all that the component wants.

        Returns:
            Why such an artifact could not be read, by its path.

        Raises:
            InputError: one is not there, cannot be read or is not what its digest says.
            UnavailableError: the store did not answer in time.
        """
        unread: dict[str, Failure] = {}
        for name, artifact in listed_artifacts(executor_input.get("inputs", {})):
            path = artifact.get("customPath")
            if not path or artifact.get("unread"):
                continue
            if (artifact.get("metadata") or {}).get(IN_WORKSPACE) is True:
                if not os.path.exists(path):
                    raise InputError(f"Input artifact {name!r}: there is nothing at {path} in the workspace")
                continue
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if not artifact.get("uri") or _has_no_content(artifact):
                continue
            started = time.monotonic()
            try:
                self._bring(name, artifact, path)
            except Failure as error:
                outside = not artifact.get("digest")
                failure = _of_input(name, error, outside)
                if not (outside and lenient) or isinstance(failure, UnavailableError):
                    raise failure from error
                self._log(f"input {name!r} stays at {artifact['uri']}: {error.message}")
                unread[path] = failure
            self._report("read", name, artifact.get("size"), time.monotonic() - started)
        return unread

    def keep(self, name: str, uri: str, path: str, tree: bool = False) -> dict[str, Any]:
        """Keep the content of a local path at a URI.

        Args:
            name: of the output, for messages.
            uri: where to.
            path: file or directory; may be missing.
            tree: the URI is a directory: a single file is kept inside it, by its own name.

        Returns:
            `uri`, `digest`, `size` (bytes) and `format` of an artifact reference.

        Raises:
            OutputError: the store refused.
            UnavailableError: the store did not answer in time.
        """
        started = time.monotonic()
        try:
            if os.path.isdir(path):
                kept = self._keep_directory(uri, path, tree)
            elif os.path.exists(path):
                if tree:
                    uri = self._stores.store(uri).child(uri, os.path.basename(path))
                digest, size = self._stores.upload(path, uri)
                kept = {"uri": uri, "digest": digest, "size": size, "format": "file"}
            else:
                return {"uri": uri, "digest": None, "size": 0, "format": None}
        except UnavailableError:
            raise
        except StoreError as error:
            raise OutputError(f"Output artifact {name!r}: {error.message}", type=error.type) from error
        self._report("kept", name, kept["size"], time.monotonic() - started)
        return kept

    def _bring(self, name: str, artifact: dict[str, Any], path: str) -> None:
        uri, form = artifact["uri"], artifact.get("format")
        expected = artifact.get("digest")
        store, outside = self._stores.store(uri), not expected
        files = self._stores.files(uri, outside) if form in ("tree", None) else []
        if form == "tree" or files:
            if not files:
                raise InputError(f"Input artifact {name!r}: there is nothing at {uri}")
            jobs = [(store.child(uri, file), os.path.join(path, file)) for file in files]
            os.makedirs(path, exist_ok=True)
            found = _in_threads(lambda job: self._stores.download(*job, outside), jobs)
            from tradewind.runtime.trees import tree_digest

            digest = tree_digest([(file, done[0]) for file, done in zip(files, found)])
        elif form == "tar":
            from tradewind.runtime.trees import unpack

            tar = os.path.join(self._scratch, "input.tar")
            digest, _ = self._stores.download(uri, tar)
            os.makedirs(path, exist_ok=True)
            unpack(tar, path)
            os.unlink(tar)
        else:
            digest, _ = self._stores.download(uri, path, outside)
        if expected and expected != digest:
            raise InputError(
                f"Input artifact {name!r}: the content of {uri} has changed since it was made "
                f"(its digest is {digest}, not {expected})"
            )

    def _keep_directory(self, uri: str, path: str, as_tree: bool) -> dict[str, Any]:
        from tradewind.runtime.trees import pack, scan, tree_digest

        tree = scan(path)
        store = self._stores.store(uri)
        if (as_tree and tree.files) or (tree.plain and len(tree.files) <= store.tree_limit):
            jobs = [(os.path.join(path, file), store.child(uri, file)) for file in tree.files]
            done = _in_threads(lambda job: self._stores.upload(*job), jobs)
            digest = tree_digest([(file, entry[0]) for file, entry in zip(tree.files, done)])
            return {"uri": uri, "digest": digest, "size": sum(entry[1] for entry in done), "format": "tree"}
        tar = os.path.join(self._scratch, "output.tar")
        pack(path, tree, tar)
        digest, size = self._stores.upload(tar, uri)
        os.unlink(tar)
        return {"uri": uri, "digest": digest, "size": size, "format": "tar"}

    def _report(self, verb: str, name: str, size: int | None, seconds: float) -> None:
        if (size or 0) >= LARGE_BYTES or seconds >= LONG_SECONDS:
            self._log(f"{verb} artifact {name!r}: {(size or 0) / 1e6:.1f} MB in {seconds:.1f} s")


def _of_input(name: str, error: Failure, outside: bool) -> Failure:
    if isinstance(error, InputError) or not (outside or isinstance(error, StoreError)):
        return error
    if isinstance(error, UnavailableError) and not (outside and isinstance(error, UnknownHostError)):
        return error
    return InputError(f"Input artifact {name!r}: {error.message}", type=error.type)


def _has_no_content(artifact: dict[str, Any]) -> bool:
    return "format" in artifact and artifact["format"] is None and "size" in artifact and not artifact["size"]


def _in_threads(action: Callable[[tuple[str, str]], tuple[str, int]], jobs: list[Any]) -> list[Any]:
    if len(jobs) < 2:
        return [action(job) for job in jobs]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(action, jobs))
