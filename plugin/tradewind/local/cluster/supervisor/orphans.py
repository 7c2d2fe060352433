"""Processes that a container left behind: a daemon in a session of its own escapes its process group, not
its supervisor.

Linux only, where a supervisor can become the parent of its descendants' orphans; elsewhere only the process
group ends.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

__all__ = ["adopt_orphans", "kill_orphans"]

PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(ctypes.c_int(PR_SET_CHILD_SUBREAPER), ctypes.c_ulong(1))


def kill_orphans() -> None:
    """Kill all children that are left, and theirs as they become ours."""
    if sys.platform != "linux":
        return
    path = f"/proc/self/task/{os.getpid()}/children"
    while os.path.exists(path):
        with open(path) as file:
            children = [int(pid) for pid in file.read().split()]
        if not children:
            return
        for pid in children:
            os.kill(pid, signal.SIGKILL)
        for pid in children:
            os.waitpid(pid, 0)
