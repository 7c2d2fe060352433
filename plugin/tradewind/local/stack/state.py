"""What is known about the running stack, for everybody who did not start it.

The process that runs the stack holds a lock for as long as it lives, and the kernel lets go of it
whatever way it ends: so there is no guessing from process ids whether a stack runs. The file beside it
holds the addresses, and the processes that the next start has to end should this one be killed.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tradewind.errors import UnreachableError
from tradewind.local.stack.environment import USER, Addresses
from tradewind.local.stack.home import Home
from tradewind.local.stack.sessions import Session

__all__ = ["StackBusyError", "StackState", "hold", "read_password", "read_state", "running", "write_state"]


class StackBusyError(UnreachableError):
    """Another process runs a stack in the same directory."""


@dataclass(frozen=True, slots=True)
class StackState:
    """Addresses and processes of a stack.

    Attributes:
        addresses: where its servers are.
        owner: process id of the process that runs it.
        ready: False while it starts.
        dag_folders: folders of the user's from which its Airflow loads DAG files.
        sessions: process sessions to end when the owner was killed, by name.
    """

    addresses: Addresses
    owner: int
    ready: bool = False
    dag_folders: tuple[Path, ...] = ()
    sessions: tuple[Session, ...] = ()

    def with_session(self, session: Session) -> StackState:
        return replace(self, sessions=(*self.sessions, session))


def running(home: Home) -> StackState | None:
    """The stack that runs in `home`, ready or still starting; None when none does."""
    try:
        lock = home.lock.open()
    except OSError:  # none ever ran here, or nobody can say
        return None
    with lock as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return read_state(home)
    return None


@contextmanager
def hold(home: Home) -> Iterator[None]:
    """Be the process that runs the stack of `home`.

    Raises:
        StackBusyError: another one does.
    """
    home.create()
    with home.lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StackBusyError(
                f"a stack runs already in {home.root}", remedy="Use it, or stop it where it was started."
            ) from error
        yield


def read_state(home: Home) -> StackState | None:
    """What the state file says, or None when there is none or it cannot be read."""
    try:
        return _from_json(json.loads(home.state.read_text()))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_state(home: Home, state: StackState) -> None:
    """Replace the state file in one step: readers see the old or the new one."""
    new = home.state.with_suffix(".new")
    new.write_text(json.dumps(asdict(state), default=str, indent=2) + "\n")
    os.replace(new, home.state)


def read_password(home: Home) -> str:
    """The password of the stack's one user.

    Raises:
        OSError, KeyError: no stack was ever started in `home`.
    """
    return str(json.loads(home.passwords.read_text())[USER])


def _from_json(data: dict[str, Any]) -> StackState:
    addresses = data["addresses"] | {"kubeconfig": Path(data["addresses"]["kubeconfig"])}
    return StackState(
        addresses=Addresses(**addresses),
        owner=data["owner"],
        ready=data["ready"],
        dag_folders=tuple(Path(folder) for folder in data["dag_folders"]),
        sessions=tuple(Session(**session) for session in data["sessions"]),
    )
