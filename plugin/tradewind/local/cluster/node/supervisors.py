"""The node's end of the line to pod supervisors: starts them through the nursery, listens to them, tells
them to stop.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tradewind.local.cluster.home import Home, write_private

__all__ = ["Supervisors"]

LINE_BYTES = 64 * 1024 * 1024


class Supervisors:
    """All pod supervisors.

    Args:
        home: the cluster's; the process's current directory must be its root (sockets have relative paths).
        on_report: called with a pod's uid and its supervisor's report, at each change.
        on_log: called with a pod's uid when a log of its has grown.
        on_lost: called with a pod's uid when its supervisor is gone; the last report is then on disk.
    """

    def __init__(
        self,
        home: Home,
        on_report: Callable[[str, Mapping[str, Any]], None],
        on_log: Callable[[str], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._home = home
        self._on_report = on_report
        self._on_log = on_log
        self._on_lost = on_lost
        self._writers: dict[str, asyncio.StreamWriter] = {}
        self._pending_stops: dict[str, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._nursery: asyncio.subprocess.Process | None = None

    async def open(self, isolation: str) -> str:
        """Start the nursery; returns how containers are isolated here."""
        root = str(self._home.root)
        self._nursery = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tradewind.local.cluster.supervisor.nursery", root, isolation),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert self._nursery.stdout is not None
        mode = (await self._nursery.stdout.readline()).decode().strip()
        if not mode:
            raise RuntimeError("the nursery of pod supervisors did not start; see the lines above")
        self._keep(self._hear_nursery(self._nursery.stdout))
        return mode

    def spawn(self, uid: str, manifest: Mapping[str, Any]) -> None:
        """Start the supervisor of a pod whose directory exists."""
        write_private(self._home.pod(uid) / "pod.json", json.dumps(manifest))
        assert self._nursery is not None
        assert self._nursery.stdin is not None
        self._nursery.stdin.write(f"{uid}\n".encode())

    def attach(self, uid: str) -> None:
        """Take up the line to a supervisor that may run; `on_lost` follows when it does not."""
        self._keep(self._hear(uid))

    def stop(self, uid: str, grace: float) -> None:
        """Tell a pod to end within `grace` seconds; one that is only being started is told as soon as it
        listens.
        """
        writer = self._writers.get(uid)
        if writer is None:
            self._pending_stops[uid] = grace
        else:
            writer.write(json.dumps({"do": "stop", "grace": grace}).encode() + b"\n")

    async def close(self) -> None:
        """Hang up. Supervisors go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for writer in self._writers.values():
            writer.close()
        if self._nursery is not None and self._nursery.stdin is not None:
            self._nursery.stdin.close()
            await self._nursery.wait()

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            context = {"message": "supervisor line", "exception": task.exception(), "task": task}
            asyncio.get_running_loop().call_exception_handler(context)

    async def _hear_nursery(self, stdout: asyncio.StreamReader) -> None:
        while line := await stdout.readline():
            self.attach(line.split()[0].decode())
        print("the nursery of pod supervisors has ended: no pod can be started", file=sys.stderr, flush=True)

    async def _hear(self, uid: str) -> None:
        try:
            reader, writer = await asyncio.open_unix_connection(f"pods/{uid}/sock", limit=LINE_BYTES)
        except (FileNotFoundError, ConnectionRefusedError):
            self._on_lost(uid)
            return
        self._writers[uid] = writer
        if uid in self._pending_stops:
            self.stop(uid, self._pending_stops.pop(uid))
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "status" in message:
                    self._on_report(uid, message["status"])
                else:
                    self._on_log(uid)
        except ConnectionError:
            pass  # what it still wanted to say is on disk
        finally:
            del self._writers[uid]
            writer.close()
        self._on_lost(uid)
