"""The answer of a step: one small JSON document in the container's termination message.

Kubernetes keeps 4096 bytes of it. A larger result lies in the artifact store, and the message refers to it; a
failure is cut down until it fits, from the top of the traceback, since the last lines say most. Before the
user's code starts, a message is written that says "ended without a result": should the process be killed or
call `os._exit`, that is what remains, and a step can never look finished by accident.
"""

from __future__ import annotations

import json
import os
from typing import Any, Callable

from tradewind.runtime.failures import Failure, OutputError, UserCodeError

__all__ = ["LIMIT", "PROTOCOL", "failed", "no_result", "succeeded", "write_message"]

PROTOCOL = 1
LIMIT = 4096


def succeeded(
    parameters: dict[str, Any],
    artifacts: dict[str, Any],
    result_uri: str,
    stores: Callable[[], Any],
) -> dict[str, Any]:
    """Return the result of a step that worked, in the reference form when it is too large.

    Args:
        parameters: JSON values by output name.
        artifacts: lists of artifact references by output name.
        result_uri: where a large result goes.
        stores: gives the `Stores` to keep it in.
    """
    result = {"protocol": PROTOCOL, "ok": True, "parameters": parameters, "artifacts": artifacts}
    content = _encode(result)
    if len(content) <= LIMIT:
        return result
    if not result_uri:
        raise OutputError(f"The result has {len(content)} bytes and the task names no place for it")
    stores().write(result_uri, content)
    import hashlib

    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    return {
        "protocol": PROTOCOL,
        "ok": True,
        "ref": {"uri": result_uri, "digest": digest, "size": len(content)},
    }


def failed(failure: Failure) -> dict[str, Any]:
    """Return the result of a step that failed; fits into the message."""
    message, lines = failure.message[:LIMIT], failure.traceback.splitlines()
    while True:
        error = {
            "kind": failure.kind,
            "type": failure.type[:200],
            "message": message,
            "traceback": "\n".join(lines),
        }
        result = {"protocol": PROTOCOL, "ok": False, "error": error}
        excess = len(_encode(result)) - LIMIT
        if excess <= 0:
            return result
        if len(lines) > 1:
            lines = lines[1:]
        elif lines:
            lines = []
        else:
            message = message[: max(0, len(message) - excess // 6 - 10)] + "..."


def no_result() -> dict[str, Any]:
    """Return what stands in the message while the user's code runs."""
    message = "The process ended without a result: it was killed, it crashed, or it called os._exit()"
    return failed(UserCodeError(message, type="NoResult"))


def write_message(result: dict[str, Any]) -> None:
    """Write the termination message, in place: the file is a mount of the kubelet's.

    Where that fails (a full disk, a run outside Kubernetes), the log says so; the operator sees an end
    without a result.
    """
    path = os.environ.get("TRADEWIND_TERMINATION_LOG") or "/dev/termination-log"
    try:
        with open(path, "wb") as file:
            file.write(_encode(result))
    except OSError as error:
        print(f"tradewind: cannot write the result to {path}: {error}", flush=True)


def _encode(result: dict[str, Any]) -> bytes:
    # ASCII, so that a cut by somebody else can never split a character.
    return json.dumps(result, separators=(",", ":"), allow_nan=False).encode("ascii")
