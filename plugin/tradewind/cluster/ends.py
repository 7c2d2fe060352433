"""Why a step's pod ended, in words a person can act on.

Kubernetes spreads the reason over phases, conditions, container states, exit codes and events. Here it
becomes one `PodEnd`: a kind from a fixed list, a message, a remedy. Pods that never start are the matter of
`tradewind.cluster.starts`. Rules: the Kubernetes documentation of pod lifecycle, container states and pod
disruption conditions; exit codes above 128 are 128 plus a signal's number.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from tradewind.cluster.pod_end import EndKind, PodEnd
from tradewind.cluster.pods import Pod
from tradewind.cluster.starts import NOT_STARTED, never_started, refused_start, stuck
from tradewind.cluster.statuses import conditions, init_statuses, phase, terminated

__all__ = ["EndKind", "PodEnd", "ended", "never_started", "stuck", "unusable"]

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
    silent: bool = False,
    events: Sequence[Mapping[str, Any]] = (),
) -> PodEnd:
    """Say how a pod ended whose container has terminated, whose phase is final, or that is gone.

    Args:
        pod: as last seen.
        container: name of the step's container.
        result: what the runtime in the pod reported; None when it reported nothing.
        tail: last lines of the log.
        gone: the pod was deleted before it ended.
        plain: the container runs a command as it is, its exit code is the whole result.
        silent: the pod was told to end long ago, and its node has not confirmed that it has.
        events: of Kubernetes about the pod; they tell who deleted it where its status does not.
    """
    state = terminated(pod, container)
    code = int(state["exitCode"]) if state else None
    lines = tuple(tail)
    if code == 0 and (plain or (result is not None and result.get("ok"))):
        return PodEnd("succeeded", "the step succeeded", exit_code=0, tail=lines)
    outside = _from_outside(pod, container, state) or _deleted(pod, state, gone, silent, events)
    if outside is not None:
        return PodEnd(*outside, exit_code=code, tail=lines)
    if result is not None and not result.get("ok"):
        return _reported(result.get("error") or {}, code, lines)
    if state is None:
        return _failed_before_start(pod, lines)
    if state.get("reason") in NOT_STARTED:
        return refused_start(str(state.get("message") or state["reason"]).strip(), container, code)
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


def unusable(end: PodEnd, kind: str, problem: Exception) -> PodEnd:
    """Say how a pod ended that took itself to have succeeded, but whose result is no good.

    Args:
        end: as the pod had it.
        kind: as the runtime would have reported it, such as "output".
        problem: what is wrong with the result.
    """
    error = {"kind": kind, "type": type(problem).__name__, "message": str(problem)}
    return _reported(error, end.exit_code, end.tail)


_Outside = tuple[EndKind, str, str]


def _from_outside(pod: Pod, container: str, state: Mapping[str, Any] | None) -> _Outside | None:
    status = pod.get("status") or {}
    reason = str(status.get("reason") or "")
    message = str(status.get("message") or "").strip()
    disruption = conditions(pod).get("DisruptionTarget") or {}
    disrupted = disruption.get("reason", "") if disruption.get("status") == "True" else ""
    why = message or str(disruption.get("message") or "").strip() or reason or disrupted
    if state and state.get("reason") == "OOMKilled":
        return _out_of_memory(pod, container)
    if reason == "DeadlineExceeded":
        seconds = (pod.get("spec") or {}).get("activeDeadlineSeconds")
        return (
            "deadline_exceeded",
            f"the step ran longer than its deadline{f' of {seconds} s' if seconds else ''}: DeadlineExceeded",
            "Raise active_deadline_seconds or make the step faster.",
        )
    if disrupted == "PreemptionByScheduler" or reason == "Preempting":
        return _preempted(why)
    if reason in ("NodeLost", "NodeShutdown", "Terminated", "Shutdown") or disrupted in (
        "DeletionByTaintManager",
        "DeletionByPodGC",
    ):
        return _node_lost(why)
    if reason == "Evicted" or disrupted:
        return (
            "evicted",
            f"the pod was evicted: {why}",
            "Request as much memory and ephemeral storage as the step needs; a retry runs it again.",
        )
    if reason.startswith(("OutOf", "UnexpectedAdmissionError", "NodeAffinity", "NodePorts")):
        return "evicted", f"the node turned the pod away: {why}", "A retry runs it again."
    return None


def _out_of_memory(pod: Pod, container: str) -> _Outside:
    limit = _memory_limit(pod, container)
    if not limit:
        return (
            "out_of_memory",
            "the step ran out of memory: OOMKilled; it has no limit, so its node had no more",
            "Give the step the memory that it needs (set_memory_request, set_memory_limit).",
        )
    return (
        "out_of_memory",
        f"the step ran out of memory (limit {limit}): OOMKilled",
        "Raise the step's memory limit (set_memory_limit) or make it use less.",
    )


def _preempted(why: str) -> _Outside:
    return (
        "preempted",
        f"the pod had to make room for a more important one: {why}",
        "A retry waits until there is room again; a priority class (priority_class_name) protects the step.",
    )


def _node_lost(why: str) -> _Outside:
    return "node_lost", f"the pod's node went away: {why}", "A retry runs elsewhere."


def _deleted(
    pod: Pod,
    state: Mapping[str, Any] | None,
    gone: bool,
    silent: bool,
    events: Sequence[Mapping[str, Any]],
) -> _Outside | None:
    """Say who deleted a pod before it had ended; before Kubernetes 1.26 only events tell."""
    leaving = (pod.get("metadata") or {}).get("deletionTimestamp")
    if not gone and not (leaving and (state is None or state["exitCode"])):
        return None
    for event in events:
        why = f"{event.get('reason')}: {event.get('message')}"
        if event.get("reason") == "TaintManagerEviction":
            return _node_lost(why)
        if event.get("reason") == "Preempted":
            return _preempted(why)
    if silent:
        return _node_lost("it was told to end the pod and has not confirmed that")
    return "deleted", "the pod was deleted from outside before it ended", "A retry runs the step again."


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


def _memory_limit(pod: Pod, container: str) -> str:
    for item in (pod.get("spec") or {}).get("containers") or []:
        if item["name"] == container:
            return str(((item.get("resources") or {}).get("limits") or {}).get("memory") or "")
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
