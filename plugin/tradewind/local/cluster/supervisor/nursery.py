"""A small process, with everything loaded, from which pod supervisors are forked.

Reads one pod uid a line from standard input and answers `<uid> <pid>` when the pod's socket listens. It
ends with its standard input; the supervisors it forked go on. Its first line tells how containers can be
isolated here.
"""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import sys
from typing import NoReturn

from tradewind.local.cluster.supervisor.isolation import probe
from tradewind.local.cluster.supervisor.pod import PodSupervisor

__all__ = ["main"]


def main(home: str, isolation: str) -> None:
    """Serve until standard input ends.

    Args:
        home: the cluster's directory; pods are in `pods/<uid>` below it.
        isolation: one of `isolation.MODES`, or `auto` for the best that works.
    """
    os.chdir(home)  # sockets have relative paths: theirs must be shorter than 104 bytes
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    mode = probe(os.path.join(home, "pods")) if isolation == "auto" else isolation
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel reaps supervisors
    print(mode, flush=True)
    for line in sys.stdin:
        uid = line.strip()
        print(f"{uid} {_spawn(home, uid)}", flush=True)


def _spawn(home: str, uid: str) -> int:
    """Fork a supervisor; returns its pid, or 0 when the pod has one (an earlier server may have been killed
    right after asking for it).
    """
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(os.path.join("pods", uid, "sock"))
    except OSError as error:
        listener.close()
        if error.errno != errno.EADDRINUSE:
            raise
        return 0
    listener.listen(4)
    pid = os.fork()
    if pid == 0:
        _supervise(os.path.join(home, "pods", uid), listener)
    listener.close()
    return pid


def _supervise(directory: str, listener: socket.socket) -> NoReturn:
    code = 1
    try:
        os.setsid()
        log = os.open("supervisors.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        null = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        with open(os.path.join(directory, "pod.json"), "rb") as file:
            manifest = json.load(file)
        PodSupervisor(manifest, directory, listener).run()
        code = 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
        raise
    finally:
        os._exit(code)  # a forked child never returns into the nursery's loop


if __name__ == "__main__":
    main(*sys.argv[1:])
