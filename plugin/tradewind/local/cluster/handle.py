"""Start, find and stop an embedded cluster from Python. Imports nothing heavy: the server is a process of
its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tradewind.errors import ConfigurationError, UnreachableError
from tradewind.local.cluster.home import Home, write_private
from tradewind.local.cluster.options import Options

__all__ = ["Cluster", "running", "start"]

START_SECONDS = 120.0  # the first start makes a virtual environment, on a busy machine
STOP_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running embedded cluster.

    Attributes:
        home: its directory.
        url: of its API, on loopback.
        token: the administrator's bearer token.
        pid: of the server process.
    """

    home: Path
    url: str
    token: str = field(repr=False)
    pid: int

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of mode 0600 for the administrator."""
        return Home(self.home).kubeconfig

    def stop(self, *, wipe: bool = False, keep_pods: bool = False) -> None:
        """Stop the server and return when it is gone. Stopping one that has stopped is fine.

        Args:
            wipe: also remove its directory with all objects, logs, claims and cached environments.
            keep_pods: leave running pods alone; the next start takes them over. By default they are ended.

        Raises:
            UnreachableError: it did not stop in time.
        """
        home = Home(self.home)
        if not home.lock.exists():
            return  # it was wiped
        if _read_server(home) == (self.pid, self.url):
            _signal(self.pid, signal.SIGHUP if keep_pods else signal.SIGTERM)
        if not _wait_for_lock(home, STOP_SECONDS):
            raise UnreachableError(
                f"the embedded cluster (process {self.pid}) did not stop", remedy=f"See {home.log}."
            )
        if wipe and home.is_cluster():
            shutil.rmtree(self.home)

    def restricted(self, name: str, allow: Iterable[tuple[str, str]]) -> Path:
        """Make a user who may do only some things, as a Role on a real cluster would have it.

        Args:
            name: of the user; used again, it replaces what was allowed. allow: pairs of verb and resource,
            such as `("create", "pods")`, `("get", "pods/log")`; `*` is any.

        Returns:
            A kubeconfig of mode 0600.
        """
        home = Home(self.home)
        token = f"{name}-{os.urandom(16).hex()}"
        record = {"user": name, "token": token, "allow": [list(pair) for pair in allow]}
        write_private(home.access / f"{name}.json", json.dumps(record))
        path = home.access / f"{name}.kubeconfig"
        home.write_kubeconfig(path, self.url, token)
        return path

    def requests(self, *, reset: bool = False) -> list[dict[str, Any]]:
        """API requests so far: `{"verb", "resource", "userAgent", "count"}`; `reset` starts counting anew."""
        # Imported here: every fork of a pod's supervisor would carry the weight of HTTP and TLS.
        import http.client

        from tradewind.local.cluster.certificate import client_context

        address = self.url.removeprefix("https://")
        connection = http.client.HTTPSConnection(address, timeout=10, context=client_context(Home(self.home)))
        try:
            method = "DELETE" if reset else "GET"
            connection.request(method, "/debug/requests", headers={"Authorization": f"Bearer {self.token}"})
            counted: list[dict[str, Any]] = json.loads(connection.getresponse().read())["requests"]
            return counted
        finally:
            connection.close()


def running(home: Path) -> Cluster | None:
    """The cluster that runs on this directory, or None. A server that was killed does not count."""
    place = Home(Path(home).expanduser().absolute())
    if not place.server_file.exists() or _lock_is_free(place):
        return None
    found = _read_server(place)
    return Cluster(place.root, found[1], place.token(), found[0]) if found else None


def start(home: Path, options: Options | None = None, **settings: Any) -> Cluster:
    """Start a cluster as a process of its own, or return the one that runs on this directory already.

    Args:
        home: its directory; made when missing. State, port and token survive there from one start to the
        next. options: or the fields of `Options` as keywords.

    Raises:
        ConfigurationError: it cannot start; has the end of its log.
    """
    chosen = options or Options(**settings)
    place = Home(Path(home).expanduser().absolute())
    found = running(place.root)
    if found is not None:
        return found
    place.make()
    ready_read, ready_write = os.pipe()
    command = [
        sys.executable,
        "-m",
        "tradewind.local.cluster",
        "--home",
        str(place.root),
        *chosen.arguments(),
    ]
    command += ["--ready-descriptor", str(ready_write)]
    with place.log.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=[ready_write],
        )
    os.close(ready_write)
    with os.fdopen(ready_read, "rb") as pipe:
        readable, _, _ = select.select([pipe], [], [], START_SECONDS)
        ready = bool(readable) and pipe.read(1) == b"\n"
    found = running(place.root)  # also when another start was quicker than this one
    if found is not None:
        return found
    process.kill()
    process.wait()
    reason = "took too long" if not readable else "failed" if not ready else "ended"
    text = place.log.read_text(errors="replace")[-2000:]
    raise ConfigurationError(f"the embedded cluster's start {reason}:\n{text}", remedy=f"See {place.log}.")


def _read_server(home: Home) -> tuple[int, str] | None:
    try:
        record = json.loads(home.server_file.read_text())
    except FileNotFoundError:
        return None
    return int(record["pid"]), f"https://127.0.0.1:{record['port']}"


def _lock_is_free(home: Home) -> bool:
    """The server holds this lock as long as it lives; the kernel drops it however it ends."""
    with home.lock.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def _wait_for_lock(home: Home, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _lock_is_free(home):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
