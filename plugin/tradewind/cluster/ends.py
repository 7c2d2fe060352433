"""Why a step's pod ended, in words a person can act on.

Kubernetes spreads the reason over phases, conditions, container states, exit codes and events. Here it
becomes one `PodEnd`: a kind from a fixed list, a message, a remedy. The kind alone decides whether another
try is worth it (`RETRIED`). Rules: the Kubernetes documentation of pod lifecycle, container states and pod
disruption conditions; exit codes above 128 are 128 plus a signal's number.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from tradewind.cluster.pod_end import RETRIED, EndKind, PodEnd
from tradewind.cluster.pods import Pod
from tradewind.cluster.statuses import conditions, init_statuses, phase, terminated, waiting

__all__ = ["RETRIED", "EndKind", "PodEnd", "ended", "never_started", "stuck"]

NO_RESULT = "NoResult"
"""Type of the error that the runtime reports in advance, should the process end without a word."""


def ended(
    pod: Pod,
    container: str,
    result: Mapping[str, Any] | None,
    tail: Sequence[str],
    *,
    gone: bool = False,
    plain: bool = False,
) -> PodEnd:
    """Say how a pod ended whose container has terminated, whose phase is final, or that is gone.

    Args:
        pod: as last seen.
        container: name of the step's container.
        result: what the runtime in the pod reported; None when it reported nothing.
        tail: last lines of the log.
        gone: the pod was deleted before it ended.
        plain: the container runs a command as it is, its exit code is the whole result.
    """
    state = terminated(pod, container)
    code = int(state["exitCode"]) if state else None
    lines = tuple(tail)
    if code == 0 and (plain or (result is not None and result.get("ok"))):
        return PodEnd("succeeded", "the step succeeded", exit_code=0)
    outside = _from_outside(pod, state, gone)
    if outside is not None:
        return PodEnd(*outside, exit_code=code, tail=lines)
    if result is not None and not result.get("ok"):
        return _reported(result.get("error") or {}, code, lines)
    if state is None:
        return _failed_before_start(pod, lines)
    if state.get("reason") in _NOT_STARTED:
        return _refused_start(str(state.get("message") or state["reason"]).strip(), container, code)
    if code == 0:
        return PodEnd(
            "no_result",
            "the step's container ended well but left no result",
            "Code that ends the process (os._exit, exec) or writes to the termination log keeps it away.",
            0,
            tail=lines,
        )
    return PodEnd(
        "user_error", f"the step's container failed{_signalled(code)}", _hint(code), code, tail=lines
    )


def _from_outside(pod: Pod, state: Mapping[str, Any] | None, gone: bool) -> tuple[EndKind, str, str] | None:
    status = pod.get("status") or {}
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or "").strip()
    disruption = conditions(pod).get("DisruptionTarget") or {}
    disrupted = disruption.get("reason", "") if disruption.get("status") == "True" else ""
    if state and state.get("reason") == "OOMKilled":
        limit = _memory_limit(pod)
        return (
            "out_of_memory",
            f"the step ran out of memory{f' (limit {limit})' if limit else ''}: OOMKilled",
            "Raise the step's memory limit (set_memory_limit) or make it use less.",
        )
    if reason == "DeadlineExceeded":
        seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
        return (
            "deadline_exceeded",
            f"the step ran longer than its deadline{f' of {seconds} s' if seconds else ''}: DeadlineExceeded",
            "Raise active_deadline_seconds or make the step faster.",
        )
    if disrupted == "PreemptionByScheduler" or reason == "Preempting":
        return (
            "preempted",
            f"the pod was preempted by a more important one: {message}",
            "Use a priority class.",
        )
    if reason in ("NodeLost", "NodeShutdown", "Terminated", "NodeAffinity", "Shutdown") or disrupted in (
        "DeletionByTaintManager",
        "DeletionByPodGC",
    ):
        return (
            "node_lost",
            f"the pod's node went away: {message or reason or disrupted}",
            "A retry runs elsewhere.",
        )
    if reason == "Evicted" or disrupted:
        return (
            "evicted",
            f"the pod was evicted: {message or disrupted}",
            "Request as much memory and ephemeral storage as the step needs; a retry runs it again.",
        )
    if reason.startswith(("OutOf", "UnexpectedAdmissionError")):
        return "evicted", f"the node turned the pod away: {message or reason}", "A retry runs it again."
    if gone or (
        (pod.get("metadata") or {}).get("deletionTimestamp") and (state is None or state["exitCode"])
    ):
        return "deleted", "the pod was deleted from outside before it ended", "A retry runs the step again."
    return None


def _reported(error: Mapping[str, Any], code: int | None, tail: tuple[str, ...]) -> PodEnd:
    kind = str(error.get("kind") or "user") + "_error"
    what = f"{error.get('type') or 'error'}: {error.get('message') or ''}".strip(": \n")
    if kind not in get_args(EndKind):
        what = f"the pod reports an unknown kind of error: {what}"
        return PodEnd("protocol_error", what, exit_code=code, tail=tail)
    message, remedy = _REPORTED[kind]
    if error.get("type") == NO_RESULT:
        message, remedy = message + _signalled(code), _hint(code)
    return PodEnd(
        kind,  # type: ignore[arg-type]
        f"{message}: {what}",
        remedy,
        code,
        traceback=str(error.get("traceback") or ""),
        tail=tail,
    )


_REPORTED: dict[str, tuple[str, str]] = {
    "user_error": ("the step's code failed", ""),
    "package_error": (
        "the step's packages could not be installed",
        "Check packages_to_install and that the pod reaches the package index.",
    ),
    "input_error": ("an input of the step could not be read", "Check that the artifact still exists."),
    "output_error": (
        "an output of the step is missing or of the wrong type",
        "Make the component write what it declares.",
    ),
    "store_error": (
        "the artifact store did not answer in time",
        "Check the store; [tradewind] store_timeout_seconds says how long pods wait.",
    ),
    "stopped_error": ("the step was stopped from outside", "A retry runs the step again."),
    "protocol_error": ("the operator and the pod do not understand each other", "Report this as an error."),
}


def _failed_before_start(pod: Pod, tail: tuple[str, ...]) -> PodEnd:
    for status in init_statuses(pod):
        state = (status.get("state") or {}).get("terminated") or {}
        if state.get("exitCode"):
            reason = state.get("reason") or "Error"
            return PodEnd(
                "init_failed",
                f"the init container {status['name']!r} failed: {reason}",
                f"Look at its log: kubectl logs <pod> -c {status['name']}, or set init_container_logs.",
                int(state["exitCode"]),
                tail=tuple(str(state.get("message") or "").splitlines()) or tail,
            )
    status = pod.get("status") or {}
    what = f"{status.get('reason') or phase(pod)}: {status.get('message') or 'no message'}"
    return PodEnd(
        "node_lost", f"the pod ended before its container ran: {what}", "A retry runs it again.", tail=tail
    )


_WAITING: dict[str, tuple[EndKind, str, str]] = {
    "InvalidImageName": (
        "image_name_invalid",
        "{image!r} is not an image's name",
        "Correct the step's image.",
    ),
    "ErrImageNeverPull": (
        "image_not_found",
        "the image {image!r} is not on the node and may not be pulled",
        "Change image_pull_policy or load the image onto the nodes.",
    ),
    "CreateContainerConfigError": (
        "configuration_missing",
        "the container {name!r} cannot be configured: {message}",
        "Create the secret, config map or key that it refers to.",
    ),
    "PreStartHookError": ("cannot_start", "the container {name!r} cannot be started: {message}", ""),
}
_NOT_STARTED = ("StartError", "ContainerCannotRun", "CreateContainerError", "RunContainerError")
"""Words of the container runtimes for a process that they could not start. Which of them it is, and whether
the container waits or has terminated then, differs from one to the next."""
_NO_SUCH_PROGRAM = re.compile(
    r"executable file .{0,200}not found|no such file or directory|permission denied|exec format error|"
    r"not a directory|is a directory",
    re.IGNORECASE,
)
_NO_SHELL = re.compile(r"exec: \W?sh\b|executable file \W?sh\b", re.IGNORECASE)
_DEFINITE = re.compile(
    r"not ?found|does not exist|manifest unknown|unauthorized|denied|forbidden|no basic auth|"
    r"authentication required|insufficient_scope|no such host|no match for platform|invalid reference",
    re.IGNORECASE,
)


def stuck(pod: Pod) -> PodEnd | None:
    """Say why a pod that has not started never will; None while it still may.

    A pull that failed for a reason that will not go away fails at once; any other gets the kubelet's second
    try.
    """
    for name, state in waiting(pod):
        reason = str(state.get("reason") or "")
        message = str(state.get("message") or "").strip()
        image = _image(pod, name)
        if reason in ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError"):
            definite = bool(_DEFINITE.search(message))
            if definite or reason != "ErrImagePull":
                return PodEnd(
                    "image_not_found" if definite else "image_unavailable",
                    f"the image {image!r} cannot be pulled ({reason}): {message}",
                    "Check the image's name and tag, the registry, and image_pull_secrets.",
                )
        elif reason in _NOT_STARTED:
            return _refused_start(message, name, None)
        elif reason in _WAITING:
            kind, text, remedy = _WAITING[reason]
            return PodEnd(kind, text.format(image=image, name=name, message=message), remedy)
    return None


def _refused_start(message: str, container: str, code: int | None) -> PodEnd:
    remedy = "Check that the image has the command and the working directory."
    if _NO_SHELL.search(message):
        remedy = (
            "The image has no shell, by which the outputs of a command are read: with [tradewind] helper_for"
            " = outputs an init container brings what is needed (docs/pipelines.md). A command that calls sh"
            " itself needs another image."
        )
    # A container runtime that was busy or out of something may do better the next time; a waiting container
    # is tried again by the kubelet for as long as it lives, so that is no chance for it.
    definite = code is None or bool(_NO_SUCH_PROGRAM.search(message))
    return PodEnd(
        "cannot_start" if definite else "start_failed",
        f"the container {container!r} cannot be started: {message or 'no reason given'}",
        remedy if definite else "A retry runs the step again.",
        code,
    )


def never_started(pod: Pod, seconds: float, events: Sequence[Mapping[str, Any]]) -> PodEnd:
    """Say why a pod did not start in time.

    Args:
        seconds: how long it was given.
        events: about the pod; their warnings are quoted.
    """
    scheduled = conditions(pod).get("PodScheduled") or {}
    if scheduled.get("status") == "False" or not (pod.get("spec") or {}).get("nodeName"):
        why = scheduled.get("message") or _warnings(events) or "no reason given"
        return PodEnd(
            "unschedulable",
            f"no node took the pod within {seconds:.0f} s: {why}",
            "Ask for less, add nodes, check selectors, tolerations and volume claims, or raise"
            " schedule_timeout_seconds.",
        )
    states = ", ".join(f"{name}: {state.get('reason')}" for name, state in waiting(pod))
    why = _warnings(events) or states or "no reason given"
    return PodEnd(
        "start_timeout",
        f"the pod was scheduled but did not start within {seconds:.0f} s: {why}",
        "Large images and slow volumes need more time: raise startup_timeout_seconds.",
    )


def _warnings(events: Sequence[Mapping[str, Any]]) -> str:
    found = [
        f"{item.get('reason')}: {item.get('message')}" for item in events if item.get("type") == "Warning"
    ]
    return "; ".join(dict.fromkeys(found[-3:]))


def _image(pod: Pod, container: str) -> str:
    spec = pod.get("spec") or {}
    for item in (*(spec.get("initContainers") or []), *(spec.get("containers") or [])):
        if item["name"] == container:
            return str(item.get("image") or "")
    return ""


def _memory_limit(pod: Pod) -> str:
    for item in (pod.get("spec") or {}).get("containers") or []:
        limit = ((item.get("resources") or {}).get("limits") or {}).get("memory")
        if limit:
            return str(limit)
    return ""


def _signalled(code: int | None) -> str:
    if code is None or code <= 128:
        return ""
    try:
        return f": killed by {signal.Signals(code - 128).name}"
    except ValueError:
        return ""


def _hint(code: int | None) -> str:
    if code == 137:
        return "SIGKILL without a reason is often the node being out of memory: look at the node's events."
    if code in (126, 127):
        return "The shell did not find the command in the image, or it is not executable."
    return ""
