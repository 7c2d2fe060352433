"""How Airflow opens its SQLite database in the local stack.

As Airflow opens it, SQLite locks the whole file for every writer and gives up after five seconds: twenty
runs at once end with "database is locked" and a dead scheduler. With a write-ahead log readers never wait
for the writer, `synchronous=NORMAL` spares each commit its fsync (an operating system crash may lose the
last commits, never the database), and writers queue up for a minute before they give up. Airflow imports
the two dictionaries by name, from `[database] sql_alchemy_connect_args` and
`sql_alchemy_connect_args_async`.
"""

from __future__ import annotations

import sqlite3
from typing import Any

__all__ = ["ASYNC_CONNECT_ARGS", "CONNECT_ARGS", "WAIT_SECONDS", "WriteAheadConnection"]

WAIT_SECONDS = 60.0
"""How long a writer waits for the others."""


class WriteAheadConnection(sqlite3.Connection):
    """A connection with a write-ahead log."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA journal_mode=WAL").close()
        self.execute("PRAGMA synchronous=NORMAL").close()


CONNECT_ARGS: dict[str, Any] = {"timeout": WAIT_SECONDS, "factory": WriteAheadConnection}
ASYNC_CONNECT_ARGS: dict[str, Any] = dict(CONNECT_ARGS)
