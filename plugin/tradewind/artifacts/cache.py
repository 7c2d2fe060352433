"""The index of the step cache: one small JSON object per key, in the artifact store itself.

No database of its own: the index lives where the artifacts live, is shared by whoever shares them, and goes
when they go. A lookup is one GET by key. Entries are spread over 256 folders, so that listing stays possible
when there are many. Two steps that store the same key at the same time write equal entries; the last one
stays.

Beside the entries, the index remembers which content an image's name stood for when a pod last ran it. A tag
like `:latest` moves, and a result that was made with what it meant last month is no result of today's code.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from tradewind.artifacts.store import ArtifactStore
from tradewind.errors import ConfigurationError, FatalError

__all__ = ["CacheEntry", "CacheIndex"]

FOLDER = ".tradewind/cache"
IMAGES = ".tradewind/images"
VERSION = 1
KEY = re.compile(r"[0-9A-Za-z_.-]{2,200}")
READERS = 8


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What is known of one key.

    Attributes:
        key: the cache key.
        stored: when it was stored, seconds since 1970.
        value: what was stored; `tradewind.operators.caching` says what that is.
    """

    key: str
    stored: float
    value: dict[str, Any]

    @property
    def references(self) -> Iterator[Mapping[str, Any]]:
        """The artifact references of the stored result."""
        for listed in (self.value.get("artifacts") or {}).values():
            yield from listed

    @property
    def size(self) -> int:
        """Bytes of all its artifacts, as far as they are known."""
        return sum(reference.get("size") or 0 for reference in self.references)


class CacheIndex:
    """The step cache below one root.

    Args:
        root_uri: where the index lives; `.tradewind/cache` is put below it.
        environ: addresses and credentials of the store, as for `ArtifactStore`.

    All methods raise `UnreachableError` when the store is away and `ConfigurationError` when it refuses.
    """

    def __init__(self, root_uri: str, environ: Mapping[str, str] | None = None) -> None:
        self._root = root_uri.rstrip("/")
        self._store = ArtifactStore(environ)

    def lookup(self, key: str) -> CacheEntry | None:
        """Return what was stored for a key, None when there is nothing (or nothing that can be read).

        Args:
            key: letters, digits, `_ . -`; a hash as a rule.
        """
        document = self._read(self._uri(key))
        # Written by another version, or under a name that is not its key: as good as nothing.
        if document is None or document.get("version") != VERSION or document.get("key") != key:
            return None
        return CacheEntry(key, float(document["stored"]), document["value"])

    def store(self, key: str, value: Mapping[str, Any]) -> None:
        """Remember a step's outcome for a key.

        Args:
            value: JSON data.
        """
        self._write(self._uri(key), {"key": key, "stored": time.time(), "value": dict(value)})

    def is_whole(self, entry: CacheEntry) -> bool:
        """Say whether all artifacts of an entry are still there: one listing per folder, nothing is read.

        What lies in a store that cannot be listed from here (a component's own, a web page) is trusted.
        """
        folders: dict[str, Mapping[str, int | None] | None] = {}
        for reference in entry.references:
            uri = str(reference.get("uri") or "").rstrip("/")
            if not reference.get("digest"):
                continue  # nothing of ours lies there
            folder = uri.rpartition("/")[0]
            if folder not in folders:
                try:
                    folders[folder] = self._store.children(folder)
                except (ConfigurationError, FatalError):
                    folders[folder] = None
            listed = folders[folder]
            if listed is None:
                continue
            if uri not in listed:
                return False
            size = listed[uri]
            if reference.get("format") != "tree" and size is not None and size != reference.get("size"):
                return False
        return True

    def image(self, name: str) -> str | None:
        """Return the digest that an image's name stood for when a pod last ran it, None if nobody knows."""
        document = self._read(self._image_uri(name))
        digest = (document or {}).get("digest")
        return digest if isinstance(digest, str) and (document or {}).get("image") == name else None

    def remember_image(self, name: str, digest: str) -> None:
        """Remember which digest an image's name stands for."""
        self._write(self._image_uri(name), {"image": name, "digest": digest})

    def entries(self) -> Iterator[CacheEntry]:
        """Yield all entries, by key. One request per entry: for people, not for steps."""
        paths = self._store.list(f"{self._root}/{FOLDER}")
        keys = [path.rpartition("/")[2].removesuffix(".json") for path in paths]
        with ThreadPoolExecutor(READERS) as pool:
            for entry in pool.map(self.lookup, [key for key in keys if KEY.fullmatch(key)]):
                if entry is not None:
                    yield entry

    def remove(self, keys: Iterable[str]) -> None:
        """Forget entries; the artifacts that they point to stay. A key without an entry is fine."""
        with ThreadPoolExecutor(READERS) as pool:
            list(pool.map(lambda key: self._store.delete(self._uri(key)), keys))

    def _read(self, uri: str) -> dict[str, Any] | None:
        try:
            document = json.loads(self._store.read(uri))
        except FileNotFoundError:
            return None
        except ValueError:
            # Not what we write; a step that runs again will replace it.
            return None
        return document if isinstance(document, dict) else None

    def _write(self, uri: str, document: Mapping[str, Any]) -> None:
        content = json.dumps({"version": VERSION, **document}, separators=(",", ":"), allow_nan=False)
        self._store.write(uri, content.encode("ascii"))

    def _uri(self, key: str) -> str:
        if not KEY.fullmatch(key):
            raise FatalError(f"{key!r} is not a cache key", remedy="Use a hash, or letters, digits and _ . -")
        return f"{self._root}/{FOLDER}/{key[:2]}/{key}.json"

    def _image_uri(self, name: str) -> str:
        return f"{self._root}/{IMAGES}/{hashlib.sha256(name.encode()).hexdigest()[:32]}.json"
