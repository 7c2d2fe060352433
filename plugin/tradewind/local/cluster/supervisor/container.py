"""One container of a pod: a process group with its own directories, output pipes and end.

The description is a plain dict that the node wrote (see `tradewind.local.cluster.node.manifest`);
everything in it is resolved already: argv, environment, mounts.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from tradewind.local.cluster.supervisor.isolation import Mount, View, enter_namespace
from tradewind.local.cluster.supervisor.journal import Journal, last_lines
from tradewind.local.cluster.supervisor.python import make_packages, make_python, packages_path

__all__ = ["ContainerRun", "StartError", "seconds_now"]

MESSAGE_BYTES = 4096
FALLBACK_BYTES = 2048
FALLBACK_LINES = 80
START_ERROR_CODE = 128
DRAIN_CHUNKS = 16  # of 64 KiB: one that floods its log must not keep the supervisor from everything else
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


class StartError(Exception):
    """The container's process could not be started; the text says why."""


def seconds_now() -> str:
    """The time now as Kubernetes writes it: RFC 3339, whole seconds, UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


@dataclass
class ContainerRun:
    """The runs of one container, one after another when it is restarted.

    Attributes:
        description: argv, env, directories and mounts, fully resolved.
        directory: the pod's directory.
        state, last_state: as in Kubernetes' containerStatuses.
    """

    description: Mapping[str, Any]
    directory: str
    isolation: str
    state: dict[str, Any] = field(default_factory=lambda: {"waiting": {"reason": "ContainerCreating"}})
    last_state: dict[str, Any] = field(default_factory=dict)
    restarts: int = 0
    started: bool = False
    pid: int = 0
    outputs: dict[int, str] = field(default_factory=dict)
    journal: Journal | None = None

    @property
    def name(self) -> str:
        return str(self.description["name"])

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last run that ended; None while there is none or it runs again."""
        terminated = self.state.get("terminated")
        return int(terminated["exitCode"]) if terminated else None

    @property
    def log_path(self) -> str:
        return os.path.join(self.directory, f"{self.name}.{self.restarts}.log")

    @property
    def _files(self) -> str:
        return os.path.join(self.directory, "containers", self.name)

    def status(self) -> dict[str, Any]:
        """This container's entry in `containerStatuses`, without what the node knows (image ids)."""
        running = "running" in self.state
        return {
            "name": self.name,
            "image": self.description["image"],
            "ready": running or (self.description["init"] and self.exit_code == 0),
            "started": running,
            "restartCount": self.restarts,
            "state": self.state,
            "lastState": self.last_state,
        }

    def start(self) -> None:
        """Start the process.

        Raises:
            StartError: it could not be started; the state then is `terminated` with code 128.
        """
        if self.started:
            self.last_state, self.restarts = self.state, self.restarts + 1
        self.started = True
        self._make_files()
        self.journal = Journal(self.log_path)
        started_at = seconds_now()
        try:
            self._fork()
        except StartError as error:
            self._close_outputs()
            self.state = self._terminated(START_ERROR_CODE, "StartError", str(error), started_at)
            raise
        self.state = {"running": {"startedAt": started_at}}

    def finish(self, code: int) -> None:
        """The process ended with `code` (128 + n for signal n): take in the rest of its output and its
        message.
        """
        self.signal(signal.SIGKILL)  # what it left behind in its group
        self._close_outputs()
        started_at = self.state.get("running", {}).get("startedAt", seconds_now())
        self.pid = 0
        reason = "Completed" if code == 0 else "Error"
        self.state = self._terminated(code, reason, self._termination_message(code), started_at)

    def signal(self, number: int) -> None:
        """Send a signal to the container's process group; one that is gone already is fine."""
        if self.pid:
            # macOS answers "not permitted" for a group of zombies
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _terminated(self, code: int, reason: str, message: str, started_at: str) -> dict[str, Any]:
        state: dict[str, Any] = {"exitCode": code, "reason": reason}
        if message:
            state["message"] = message
        state |= {"startedAt": started_at, "finishedAt": seconds_now()}
        state["containerID"] = f"tradewind://{os.path.basename(self.directory)}-{self.name}-{self.restarts}"
        return {"terminated": state}

    def _termination_message(self, code: int) -> str:
        with open(os.path.join(self._files, "termination"), "rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MESSAGE_BYTES))
            message = file.read(MESSAGE_BYTES).decode("utf-8", "replace")
        if (
            not message
            and code != 0
            and self.description["terminationMessagePolicy"] == "FallbackToLogsOnError"
        ):
            return last_lines(self.log_path, FALLBACK_LINES, FALLBACK_BYTES)
        return message

    def _make_files(self) -> None:
        """Directories of this run, empty. As few as possible: making files is most of what a start costs."""
        shutil.rmtree(self._files, ignore_errors=True)
        os.makedirs(self._files)
        for name in ("tmp", "home", "view"):
            os.mkdir(os.path.join(self._files, name))
        os.chmod(os.path.join(self._files, "tmp"), 0o1777)
        with open(os.path.join(self._files, "termination"), "wb"):
            pass
        base = self.description["python"]
        if self.isolation == "paths":
            python = os.path.join(self._files, "python")
            make_python(base, python)
            os.rmdir(os.path.join(python, packages_path(base)))
            make_packages(base, os.path.join(python, packages_path(base)))
        else:
            make_packages(base, os.path.join(self._files, "packages"))

    def _enter_view(self, directory: str) -> None:
        enter_namespace(self.isolation)
        view = View(os.path.join(self._files, "view"))
        view.prepare()
        os.mkdir(os.path.join(view.scratch, "empty"))
        make_python(self.description["python"], os.path.join(view.scratch, "python"))
        view.build([Mount(**mount) for mount in self.description["mounts"]])
        view.enter(directory)

    def _fork(self) -> None:
        out_read, out_write = os.pipe()
        err_read, err_write = os.pipe()
        failure_read, failure_write = os.pipe()
        supervisor = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._run_child(supervisor, out_write, err_write, failure_write)
        for descriptor in (out_write, err_write, failure_write):
            os.close(descriptor)
        self.pid = pid
        self.outputs = {out_read: "stdout", err_read: "stderr"}
        for descriptor in self.outputs:
            os.set_blocking(descriptor, False)
        with os.fdopen(failure_read, "rb") as pipe:
            failure = pipe.read()  # ends at exec, which closes the other end
        if failure:
            os.waitpid(pid, 0)
            self.pid = 0
            raise StartError(json.loads(failure)["message"])

    def _run_child(self, supervisor: int, stdout: int, stderr: int, failure: int) -> NoReturn:
        stage = "view"
        try:
            os.setsid()
            for number in (
                signal.SIGPIPE,
                signal.SIGXFSZ,
                signal.SIGTERM,
                signal.SIGINT,
                signal.SIGCHLD,
                signal.SIGHUP,
            ):
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, set())
            with open(os.devnull, "rb") as null:
                os.dup2(null.fileno(), 0)
            os.dup2(stdout, 1)
            os.dup2(stderr, 2)
            os.umask(0o022)
            argv: list[str] = self.description["argv"]
            directory = self.description["workingDir"]
            if self.isolation == "paths":
                os.makedirs(directory, exist_ok=True)
                os.chdir(directory)
            else:
                self._enter_view(directory)
            _die_with(supervisor)  # after the namespaces: a change of credentials resets it
            stage = "exec"
            os.execvpe(argv[0], argv, self.description["env"])
        except BaseException as error:  # noqa: BLE001  (reported to the parent; a forked child must not return)
            text = f"{type(error).__name__}: {error}"
            if stage == "exec" and isinstance(error, FileNotFoundError):
                text = f'exec: "{self.description["argv"][0]}": executable file not found in $PATH'
            os.write(failure, json.dumps({"message": text}).encode())
        finally:
            os._exit(START_ERROR_CODE)

    def drain(self, descriptor: int) -> tuple[bool, bool]:
        """Take in what is in a pipe now. Returns whether the log grew, and whether the pipe has ended."""
        grew = False
        for _ in range(DRAIN_CHUNKS):
            if self.journal is None:
                return grew, True
            try:
                data = os.read(descriptor, 65536)
            except BlockingIOError:
                return grew, False
            if not data:
                return grew, True
            grew |= self.journal.write(self.outputs[descriptor], data)
        return grew, False

    def _close_outputs(self) -> None:
        for descriptor in list(self.outputs):
            self.drain(descriptor)
            os.close(descriptor)
        self.outputs = {}
        if self.journal is not None:
            self.journal.finish()
            self.journal = None


def _die_with(supervisor: int) -> None:
    """On Linux the container ends when its supervisor does, so that none runs on unseen."""
    if sys.platform != "linux":
        return
    _libc.prctl(ctypes.c_int(PR_SET_PDEATHSIG), ctypes.c_ulong(signal.SIGKILL))
    if os.getppid() != supervisor:
        os._exit(START_ERROR_CODE)
