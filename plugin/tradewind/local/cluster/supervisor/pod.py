"""The life of one pod, from its first init container to its end: the part of a kubelet that a single pod
needs.

An event loop over signals, output pipes, clients and timers; nothing polls. Whatever changes is first
written to `status.json` (atomically) and then told to the connected clients, so that the file is always at
least as new as what anybody knows.
"""

from __future__ import annotations

import heapq
import itertools
import json
import os
import selectors
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from tradewind.local.cluster.supervisor.channel import Client
from tradewind.local.cluster.supervisor.container import ContainerRun, StartError, seconds_now
from tradewind.local.cluster.supervisor.orphans import adopt_orphans, kill_orphans

__all__ = ["PodSupervisor"]

BACKOFF_FIRST = 10.0
BACKOFF_MAX = 300.0
EVENTS_KEPT = 100
DEADLINE_MESSAGE = "Pod was active on the node longer than the specified deadline"


class PodSupervisor:
    """Runs one pod.

    Args:
        manifest: the pod as the node resolved it; see `tradewind.local.cluster.node.manifest`.
        directory: the pod's directory, absolute.
        listener: a listening Unix socket for the API server.
    """

    def __init__(self, manifest: Mapping[str, Any], directory: str, listener: socket.socket) -> None:
        self._manifest = manifest
        self._directory = directory
        self._listener = listener
        isolation = manifest["isolation"]
        self._init = [ContainerRun(item, directory, isolation) for item in manifest["initContainers"]]
        self._main = [ContainerRun(item, directory, isolation) for item in manifest["containers"]]
        if self._init:
            for run in self._main:
                run.state = {"waiting": {"reason": "PodInitializing"}}
        self._phase, self._reason, self._message = "Pending", "", ""
        self._events: list[dict[str, Any]] = []
        self._sequence = itertools.count(1)
        self._clients: dict[int, Client] = {}
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._timer_ids = itertools.count()
        self._selector = selectors.DefaultSelector()
        self._dirty = True
        self._stopping = False
        self._done = False
        self._backoffs: dict[str, float] = {}

    # --- the loop -------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run the pod to its end; returns when its last container has ended and that is on disk."""
        self._prepare()
        self._advance()
        while not self._done:
            self._flush()
            for key, mask in self._selector.select(self._next_timer()):
                key.data(mask)
            while self._timers and self._timers[0][0] <= time.monotonic():
                heapq.heappop(self._timers)[2]()
        self._close()

    def _prepare(self) -> None:
        wake_read, wake_write = socket.socketpair()
        for end in (wake_read, wake_write):
            end.setblocking(False)
        self._wake = (wake_read, wake_write)
        signal.set_wakeup_fd(wake_write.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop(float(self._manifest["gracePeriodSeconds"])))
        adopt_orphans()
        self._listener.setblocking(False)
        self._selector.register(wake_read, selectors.EVENT_READ, self._reap)
        self._selector.register(self._listener, selectors.EVENT_READ, self._accept)
        self._flush()  # from here on a server that comes back knows that this pod was started
        deadline = self._manifest["deadline"]
        if deadline is not None:
            self._after(deadline - time.time(), self._exceed_deadline)

    def _close(self) -> None:
        kill_orphans()
        self._flush()
        for client in self._clients.values():
            client.finish()
        self._listener.close()
        os.unlink(os.path.join(self._directory, "sock"))
        # Working trees go with the pod's end, as a kubelet removes the volumes of a pod that has ended.
        for name in ("containers", "volumes"):
            shutil.rmtree(os.path.join(self._directory, name), ignore_errors=True)

    def _after(self, seconds: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._timer_ids), action))

    def _next_timer(self) -> float | None:
        return max(0.0, self._timers[0][0] - time.monotonic()) if self._timers else None

    # --- containers -----------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Start whatever is to be started now, and notice when nothing is left to do."""
        self._dirty = True
        if self._stopping:
            self._finish_if_idle()
            return
        for run in self._init:
            if run.exit_code == 0:
                continue
            if run.exit_code is not None and self._manifest["restartPolicy"] == "Never":
                self._finish("Failed")
            elif not run.started:
                self._start(run)
            return
        self._phase = "Running"
        for run in self._main:
            if not run.started:
                self._start(run)
        self._finish_if_idle()

    def _start(self, run: ContainerRun) -> None:
        place = f"spec.{'initContainers' if run.description['init'] else 'containers'}{{{run.name}}}"
        self._event(
            "Normal",
            "Pulled",
            f'Container image "{run.description["image"]}" already present on machine',
            place,
        )
        try:
            run.start()
        except StartError as error:
            self._event("Warning", "Failed", f"Error: {error}", place)
            self._ended(run)
            return
        self._event("Normal", "Created", f"Created container {run.name}", place)
        self._event("Normal", "Started", f"Started container {run.name}", place)
        for descriptor in run.outputs:
            self._selector.register(descriptor, selectors.EVENT_READ, self._output_reader(run, descriptor))
        self._dirty = True

    def _output_reader(self, run: ContainerRun, descriptor: int) -> Callable[[int], None]:
        def read(_mask: int) -> None:
            if descriptor not in run.outputs:
                return  # its container ended earlier in this round
            grew, ended = run.drain(descriptor)
            if grew:
                for client in self._clients.values():
                    client.tell_log(run.name)
            if ended:
                self._selector.unregister(descriptor)

        return read

    def _reap(self, _mask: int) -> None:
        self._wake[0].recv(4096)
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for run in (*self._init, *self._main):
                if run.pid == pid:
                    for descriptor in run.outputs:
                        if descriptor in self._selector.get_map():
                            self._selector.unregister(descriptor)
                    code = os.waitstatus_to_exitcode(status)
                    run.finish(128 - code if code < 0 else code)
                    self._ended(run)
                    break

    def _ended(self, run: ContainerRun) -> None:
        if not self._stopping and self._restarts(run):
            self._restart_later(run)
        self._advance()

    def _restarts(self, run: ContainerRun) -> bool:
        policy = self._manifest["restartPolicy"]
        if policy == "Never" or (run.description["init"] and run.exit_code == 0):
            return False
        return policy == "Always" or run.exit_code != 0

    def _restart_later(self, run: ContainerRun) -> None:
        """As the kubelet: the first restart at once, then after 10 s, 20 s … 5 min."""
        delay = self._backoffs.get(run.name, 0.0)
        self._backoffs[run.name] = min(max(BACKOFF_FIRST, delay * 2), BACKOFF_MAX)
        if delay:
            message = f"back-off {delay:.0f}s restarting failed container={run.name}"
            self._event("Warning", "BackOff", f"Back-off restarting failed container {run.name}")
            run.last_state, run.state = (
                run.state,
                {"waiting": {"reason": "CrashLoopBackOff", "message": message}},
            )
        run_again = self._restarter(run)
        self._after(delay, run_again)

    def _restarter(self, run: ContainerRun) -> Callable[[], None]:
        def restart() -> None:
            if not self._stopping:
                self._start(run)

        return restart

    def _finish_if_idle(self) -> None:
        if any(run.pid for run in (*self._init, *self._main)):
            return
        if self._stopping or all(run.exit_code is not None and not self._restarts(run) for run in self._main):
            self._finish("Succeeded" if all(run.exit_code == 0 for run in self._main) else "Failed")

    def _finish(self, phase: str) -> None:
        self._phase = "Failed" if self._reason else phase
        self._done = self._dirty = True

    # --- stopping -------------------------------------------------------------------------------------------

    def _exceed_deadline(self) -> None:
        if self._stopping:
            return
        self._reason, self._message = "DeadlineExceeded", DEADLINE_MESSAGE
        self._event("Normal", "DeadlineExceeded", DEADLINE_MESSAGE)
        self._stop(float(self._manifest["gracePeriodSeconds"]))

    def _stop(self, grace: float) -> None:
        """SIGTERM now, SIGKILL after `grace` seconds; a later, shorter grace wins."""
        first, self._stopping = not self._stopping, True
        for run in (*self._init, *self._main):
            if not run.pid:
                continue
            if first:
                place = f"spec.{'initContainers' if run.description['init'] else 'containers'}{{{run.name}}}"
                self._event("Normal", "Killing", f"Stopping container {run.name}", place)
                if run.description["preStop"]:
                    message = "preStop hooks are not run by the embedded cluster"
                    self._event("Warning", "FailedPreStopHook", message, place)
                run.signal(signal.SIGTERM)
        self._after(grace, self._kill)
        self._dirty = True
        self._finish_if_idle()

    def _kill(self) -> None:
        for run in (*self._init, *self._main):
            run.signal(signal.SIGKILL)

    # --- telling --------------------------------------------------------------------------------------------

    def _event(self, kind: str, reason: str, message: str, place: str = "") -> None:
        event = {
            "type": kind,
            "reason": reason,
            "message": message,
            "fieldPath": place,
            "time": seconds_now(),
        }
        self._events.append({"sequence": next(self._sequence), **event})
        del self._events[:-EVENTS_KEPT]
        self._dirty = True

    def _flush(self) -> None:
        if not self._dirty:
            return
        self._dirty = False
        report = {
            "pid": os.getpid(),
            "done": self._done,
            "phase": self._phase,
            "reason": self._reason,
            "message": self._message,
            "initContainerStatuses": [run.status() for run in self._init],
            "containerStatuses": [run.status() for run in self._main],
            "events": self._events,
        }
        data = json.dumps(report, separators=(",", ":")).encode()
        path = os.path.join(self._directory, "status.json")
        with open(f"{path}.new", "wb") as file:
            file.write(data)
        os.replace(f"{path}.new", path)
        for client in self._clients.values():
            client.tell(b'{"status":' + data + b"}\n")

    def _accept(self, _mask: int) -> None:
        connection, _ = self._listener.accept()
        client = Client(connection, self._selector, self._obey, self._forget)
        self._clients[connection.fileno()] = client
        with open(os.path.join(self._directory, "status.json"), "rb") as file:
            client.tell(b'{"status":' + file.read() + b"}\n")

    def _forget(self, descriptor: int) -> None:
        self._clients.pop(descriptor, None)

    def _obey(self, command: Mapping[str, Any]) -> None:
        if command["do"] == "stop":
            self._stop(float(command["grace"]))
        else:
            print(f"unknown command: {command}", file=sys.stderr)
