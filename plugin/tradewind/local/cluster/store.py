"""The objects of the cluster: in memory for reading, in SQLite for the next start, with a history for
watches.

Every change gets the next resource version. Watches read the history from the version that they know; a
version that the
history no longer (or, after a restart, not yet) reaches is `Expired`, as in Kubernetes. SQLite does not
wait for the disk: what was written survives the death of this process, which is what is promised, not that
of the machine.
"""

from __future__ import annotations

import asyncio
import copy
import json
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Change", "Key", "Object", "Store"]

Object = dict[str, Any]
Key = tuple[str, str, str]
"""Resource (plural), namespace ("" for none), name."""

HISTORY = 2048  # changes: some 300 pods from start to end
RESERVED = 1000  # versions set aside at a time, so that the counter is written once in a thousand changes


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One change of one object.

    Attributes:
        version: the cluster's version after it.
        current: the object after it (for a deletion: its last state, with the deletion's version).
        previous: the object before it, None when it is new.
    """

    version: int
    kind: Literal["ADDED", "MODIFIED", "DELETED"]
    key: Key
    current: Object
    previous: Object | None


class Store:
    """All objects. Not for threads: it belongs to one event loop.

    Objects that come out of it are shared and must not be changed; `update` takes a new one.

    Args:
        path: of the SQLite file; made when missing.
    """

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self._database.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
            "CREATE TABLE IF NOT EXISTS objects (resource TEXT, namespace TEXT, name TEXT, body TEXT,"
            " PRIMARY KEY (resource, namespace, name)) WITHOUT ROWID;"
            "CREATE TABLE IF NOT EXISTS counter (reserved INTEGER);"
        )
        row = self._database.execute("SELECT max(reserved) FROM counter").fetchone()
        self.version = int(row[0] or 0)
        self._reserved = self.version
        self._oldest = self.version
        self._objects: dict[str, dict[tuple[str, str], Object]] = {}
        for resource, namespace, name, body in self._database.execute("SELECT * FROM objects"):
            self._objects.setdefault(resource, {})[namespace, name] = json.loads(body)
        self._history: deque[Change] = deque()
        self._wakers: set[asyncio.Event] = set()
        self._listeners: list[Callable[[Change], None]] = []

    # --- reading
    # ----------------------------------------------------------------------------------------------

    def get(self, key: Key) -> Object | None:
        """The object, or None."""
        return self._objects.get(key[0], {}).get(key[1:])

    def select(self, resource: str, namespace: str = "") -> list[Object]:
        """All objects of a resource (in a namespace), ordered by namespace and name."""
        found = self._objects.get(resource, {})
        return [found[place] for place in sorted(found) if not namespace or place[0] == namespace]

    def since(self, version: int) -> Iterator[Change]:
        """Changes after a version, oldest first.

        Raises:
            LookupError: the history does not reach back that far.
        """
        if version < self._oldest:
            raise LookupError(f"too old resource version: {version} ({self._oldest})")
        missed: list[Change] = []
        for change in reversed(self._history):
            if change.version <= version:
                break
            missed.append(change)
        return reversed(missed)

    # --- writing
    # ----------------------------------------------------------------------------------------------

    def create(self, key: Key, body: Object) -> Object:
        """Add an object that must not exist yet; returns it with its version."""
        assert self.get(key) is None, key
        return self._put("ADDED", key, body, None)

    def update(self, key: Key, body: Object) -> Object:
        """Replace an object that exists; one that does not differ stays as it is. Returns what is stored."""
        previous = self._objects[key[0]][key[1:]]
        unversioned = {**body, "metadata": {**body["metadata"], "resourceVersion": None}}
        if unversioned == {**previous, "metadata": {**previous["metadata"], "resourceVersion": None}}:
            return previous
        return self._put("MODIFIED", key, body, previous)

    def delete(self, key: Key) -> Object:
        """Remove an object that exists; returns its last state."""
        previous = self._objects[key[0]].pop(key[1:])
        self._database.execute("DELETE FROM objects WHERE resource=? AND namespace=? AND name=?", key)
        last = self._versioned(previous)
        self._record(Change(self.version, "DELETED", key, last, previous))
        return last

    def close(self) -> None:
        """Write everything back into the one file."""
        self._database.close()

    # --- being told
    # -------------------------------------------------------------------------------------------

    def listen(self, listener: Callable[[Change], None]) -> None:
        """Call `listener` after every change, from the event loop, not from within the change."""
        self._listeners.append(listener)

    def add_waker(self, event: asyncio.Event) -> None:
        """Set `event` at every change, until `remove_waker`."""
        self._wakers.add(event)

    def remove_waker(self, event: asyncio.Event) -> None:
        self._wakers.discard(event)

    def _put(
        self, kind: Literal["ADDED", "MODIFIED"], key: Key, body: Object, previous: Object | None
    ) -> Object:
        current = self._versioned(body)
        self._objects.setdefault(key[0], {})[key[1:]] = current
        text = json.dumps(current, separators=(",", ":"))
        self._database.execute("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)", (*key, text))
        self._record(Change(self.version, kind, key, current, previous))
        return current

    def _versioned(self, body: Object) -> Object:
        self.version += 1
        if self.version > self._reserved:
            self._reserved = self.version + RESERVED
            self._database.execute("DELETE FROM counter")
            self._database.execute("INSERT INTO counter VALUES (?)", (self._reserved,))
        return {**body, "metadata": {**body["metadata"], "resourceVersion": str(self.version)}}

    def _record(self, change: Change) -> None:
        self._history.append(change)
        if len(self._history) > HISTORY:
            self._oldest = self._history.popleft().version
        for event in self._wakers:
            event.set()
        if self._listeners:
            loop = asyncio.get_running_loop()
            for listener in self._listeners:
                loop.call_soon(listener, change)

    @staticmethod
    def copy(body: Object) -> Object:
        """A deep copy that may be changed."""
        return copy.deepcopy(body)
