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
from dataclasses import dataclass
from typing import Any, Literal, get_args

from tradewind.cluster.pods import Pod
from tradewind.cluster.statuses import conditions, init_statuses, phase, terminated, waiting
from tradewind.errors import FatalError, RetryableError, TradewindError

__all__ = ["RETRIED", "EndKind", "PodEnd", "ended", "never_started", "stuck"]

EndKind = Literal[
    "succeeded",
    "user_error",
    "package_error",
    "input_error",
    "output_error",
    "store_error",
    "protocol_error",
    "stopped_error",
    "no_result",
    "out_of_memory",
    "deadline_exceeded",
    "evicted",
    "preempted",
    "node_lost",
    "deleted",
    "init_failed",
    "image_not_found",
    "image_unavailable",
    "image_name_invalid",
    "configuration_missing",
    "cannot_start",
    "unschedulable",
    "start_timeout",
]

RETRIED: frozenset[EndKind] = frozenset(
    {
        "user_error",
        "package_error",
        "input_error",
        "store_error",
        "stopped_error",
        "no_result",
        "deadline_exceeded",
        "evicted",
        "preempted",
        "node_lost",
        "deleted",
        "init_failed",
        "image_unavailable",
        "unschedulable",
        "start_timeout",
    }
)
"""Kinds for which Airflow's retries apply. The others end the same way every time."""

SHOWN_LINES = 10
NO_RESULT = "NoResult"
"""Type of the error that the runtime reports in advance, should the process end without a word."""


@dataclass(frozen=True, slots=True)
class PodEnd:
    """How a pod ended.

    Attributes:
        kind: what happened.
        message: what happened, for a person; one line.
        remedy: what to do; one sentence, or empty.
        exit_code: of the step's container; None when it never ended.
        traceback: last lines of the user code's traceback.
        tail: last lines of the log.
    """

    kind: EndKind
    message: str
    remedy: str = ""
    exit_code: int | None = None
    traceback: str = ""
    tail: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Say whether the step's container did its work."""
        return self.kind == "succeeded"

    def error(self, pod: str) -> TradewindError:
        """Return the error to raise for a pod that did not succeed.

        Args:
            pod: "name in namespace x", for the message.
        """
        code = "" if self.exit_code is None else f" (exit code {self.exit_code})"
        lines = [f"{self.message}{code}", f"  Pod: {pod}"]
        if self.traceback:
            lines.append(_indented(self.traceback.rstrip()))
        elif self.tail:
            lines += ["  Last lines of its log:", _indented("\n".join(self.tail[-SHOWN_LINES:]), "    ")]
        kind = RetryableError if self.kind in RETRIED else FatalError
        return kind("\n".join(lines), remedy=self.remedy)


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
    "CreateContainerError": ("cannot_start", "the container {name!r} cannot be created: {message}", ""),
    "RunContainerError": (
        "cannot_start",
        "the container {name!r} cannot be started: {message}",
        "Check that the image has the command and the working directory.",
    ),
    "PreStartHookError": ("cannot_start", "the container {name!r} cannot be started: {message}", ""),
}
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
        elif reason in _WAITING:
            kind, text, remedy = _WAITING[reason]
            return PodEnd(kind, text.format(image=image, name=name, message=message), remedy)
    return None


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


def _indented(text: str, by: str = "  ") -> str:
    return "\n".join(by + line for line in text.splitlines())
