"""The index of the step cache: one small JSON object per key, in the artifact store itself.

No database of its own: the index lives where the artifacts live, is shared by whoever shares them, and goes
when they go. A lookup is one GET by key. Entries are spread over 256 folders, so that listing stays possible
when there are many. Two steps that store the same key at the same time write equal entries; the last one
stays.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.artifacts.store import ArtifactStore
from tradewind.errors import FatalError

__all__ = ["CacheEntry", "clear", "entries", "lookup", "store"]

FOLDER = ".tradewind/cache"
VERSION = 1
KEY = re.compile(r"[0-9A-Za-z_.-]{2,200}")


@dataclass(frozen=True, slots=True)
class CacheEntry:
    """What is known of one key.

    Attributes:
        key: the cache key.
        stored: when it was stored, seconds since 1970.
        value: what was stored.
    """

    key: str
    stored: float
    value: dict[str, Any]


def lookup(root_uri: str, key: str, environ: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """Return what was stored for a key, None when there is nothing (or nothing that can be read).

    Args:
        root_uri: where the index lives; `.tradewind/cache` is put below it.
        key: letters, digits, `_ . -`; a hash as a rule.
        environ: addresses and credentials of the store, as for `ArtifactStore`.

    Raises:
        UnreachableError, ConfigurationError: as `ArtifactStore.read`.
    """
    entry = _read(ArtifactStore(environ), root_uri, key)
    return entry.value if entry else None


def store(root_uri: str, key: str, entry: dict[str, Any], environ: Mapping[str, str] | None = None) -> None:
    """Remember a step's outcome for a key.

    Args:
        root_uri, key, environ: as for `lookup`.
        entry: JSON data.

    Raises:
        UnreachableError, ConfigurationError: as `ArtifactStore.write`.
    """
    document = {"version": VERSION, "key": key, "stored": time.time(), "value": entry}
    content = json.dumps(document, separators=(",", ":"), allow_nan=False).encode("ascii")
    ArtifactStore(environ).write(_uri(root_uri, key), content)


def entries(root_uri: str, environ: Mapping[str, str] | None = None) -> Iterator[CacheEntry]:
    """Yield all entries, by key. One request per entry: for people, not for steps.

    Raises:
        UnreachableError, ConfigurationError: as `ArtifactStore.read`.
    """
    artifacts = ArtifactStore(environ)
    for path in artifacts.list(f"{root_uri.rstrip('/')}/{FOLDER}"):
        key = path.rpartition("/")[2].removesuffix(".json")
        entry = _read(artifacts, root_uri, key) if KEY.fullmatch(key) else None
        if entry is not None:
            yield entry


def clear(
    root_uri: str,
    environ: Mapping[str, str] | None = None,
    *,
    where: Callable[[CacheEntry], bool] | None = None,
) -> int:
    """Forget entries; the artifacts that they point to stay.

    Args:
        root_uri, environ: as for `lookup`.
        where: which ones; None: all.

    Returns:
        How many were forgotten.

    Raises:
        UnreachableError, ConfigurationError: as `ArtifactStore.delete`.
    """
    artifacts = ArtifactStore(environ)
    doomed = [entry for entry in entries(root_uri, environ) if where is None or where(entry)]
    for entry in doomed:
        artifacts.delete(_uri(root_uri, entry.key))
    return len(doomed)


def _read(artifacts: ArtifactStore, root_uri: str, key: str) -> CacheEntry | None:
    try:
        document = json.loads(artifacts.read(_uri(root_uri, key)))
    except FileNotFoundError:
        return None
    except ValueError:
        # Not what `store` writes; a step that runs again will replace it.
        return None
    # Written by another version, or under a name that is not its key: as good as nothing.
    if not isinstance(document, dict) or document.get("version") != VERSION or document.get("key") != key:
        return None
    return CacheEntry(key, float(document["stored"]), document["value"])


def _uri(root_uri: str, key: str) -> str:
    if not KEY.fullmatch(key):
        raise FatalError(f"{key!r} is not a cache key", remedy="Use a hash, or letters, digits and _ . -")
    return f"{root_uri.rstrip('/')}/{FOLDER}/{key[:2]}/{key}.json"
