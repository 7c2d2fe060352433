"""Why a step's pod does not start, in words a person can act on.

What can be known at once is said at once (`stuck`): nobody should wait two minutes for a typing error in an
image's name. The rest has its time, and then the warnings that Kubernetes gave meanwhile are the reason
(`never_started`). Rules: the kubelet's and the container runtimes' own words, which are no part of any API.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tradewind.cluster.pod_end import EndKind, PodEnd
from tradewind.cluster.pods import Pod
from tradewind.cluster.statuses import conditions, waiting

__all__ = ["NOT_STARTED", "never_started", "refused_start", "stuck", "unmountable"]

Events = Sequence[Mapping[str, Any]]
"""Of Kubernetes, about one pod, oldest first."""

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
    "PreStartHookError": ("cannot_start", "the container {name!r} cannot be started: {message}", ""),
}
NOT_STARTED = ("StartError", "ContainerCannotRun", "CreateContainerError", "RunContainerError")
"""Words of the container runtimes for a process that they could not start. Which of them it is, and whether
the container waits or has terminated then, differs from one to the next."""
_NO_SUCH_PROGRAM = re.compile(
    r"executable file .{0,200}not found|no such file or directory|permission denied|exec format error|"
    r"not a directory|is a directory",
    re.IGNORECASE,
)
_NO_SHELL = re.compile(r"exec: \W?sh\b|executable file \W?sh\b", re.IGNORECASE)
_MISSING = re.compile(
    r"(secret|configmap)s? \"[^\"]+\" not found|couldn't find key|non-existent (secret|config) key",
    re.IGNORECASE,
)
_NOT_PULLED = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError")
_PULL_FAILED = "Failed to pull image"
_NO_CREDENTIALS = re.compile(r"unauthorized|denied|forbidden|no basic auth|authentication", re.IGNORECASE)
_DEFINITE = re.compile(
    r"not ?found|does not exist|manifest unknown|unauthorized|denied|forbidden|no basic auth|"
    r"authentication required|insufficient_scope|no such host|no match for platform|invalid reference",
    re.IGNORECASE,
)


def stuck(pod: Pod, events: Events = ()) -> PodEnd | None:
    """Say why a pod that has not started never will; None while it still may.

    A pull that failed for a reason that will not go away fails at once; any other gets the kubelet's second
    try.

    Args:
        events: about the pod; they tell why an image could not be pulled when its status no longer does.
    """
    for name, state in waiting(pod):
        reason = str(state.get("reason") or "")
        message = str(state.get("message") or "").strip()
        image = _image(pod, name)
        end = None
        if reason in _NOT_PULLED:
            end = _not_pulled(pod, image, reason, message, events)
        elif reason == "CreateContainerConfigError":
            end = _not_configured(name, message)
        elif reason in NOT_STARTED:
            end = refused_start(message, name, None)
        elif reason in _WAITING:
            kind, text, remedy = _WAITING[reason]
            end = PodEnd(kind, text.format(image=image, name=name, message=message), remedy)
        if end is not None:
            return end
    return None


def _not_pulled(pod: Pod, image: str, reason: str, message: str, events: Events) -> PodEnd | None:
    definite = bool(_DEFINITE.search(message))
    if not definite and reason == "ErrImagePull":
        return None
    if not definite:  # "Back-off pulling image" is all that the state says; the reason was seen a moment ago
        failed = [text for event in events if _PULL_FAILED in (text := str(event.get("message") or ""))]
        message = failed[-1].partition(": ")[2] if failed else message
        definite = bool(_DEFINITE.search(message))
    remedy = "Check the image's name and tag, and the registry."
    if _NO_CREDENTIALS.search(message):
        remedy += " A private one needs image_pull_secrets."
        if not (pod.get("spec") or {}).get("imagePullSecrets"):
            remedy += " The pod has none."
    return PodEnd(
        "image_not_found" if definite else "image_unavailable",
        f"the image {image!r} cannot be pulled: {message or reason}",
        remedy,
    )


def _not_configured(container: str, message: str) -> PodEnd | None:
    if "runAsNonRoot" in message or "runasnonroot" in message.lower():
        return PodEnd(
            "cannot_start",
            f"the container {container!r} may not run as root, and its image does: {message}",
            "Give the pod a user (container_security_context with runAsUser), or use an image that has one.",
        )
    if not _MISSING.search(message):
        return None  # the kubelet could not read it in time: it tries again
    return PodEnd(
        "configuration_missing",
        f"the container {container!r} cannot be configured: {message}",
        "Create the secret, config map or key that it refers to.",
    )


def unmountable(events: Events) -> PodEnd | None:
    """Say which secret or config map the pod's volumes are waiting for in vain; None: for none.

    A pod's status does not tell, so this is for pods that have been on a node for a while and do not start.
    """
    for event in events:
        message = str(event.get("message") or "")
        if event.get("reason") == "FailedMount" and _MISSING.search(message):
            return PodEnd(
                "configuration_missing",
                f"a volume of the pod cannot be mounted: {message}",
                "Create the secret, config map or key that it refers to.",
            )
    return None


def refused_start(message: str, container: str, code: int | None) -> PodEnd:
    """Say why a container could not be started.

    Args:
        message: of the container runtime.
        code: exit code, if the container counts as one that has ended.
    """
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


def never_started(pod: Pod, seconds: float, events: Events) -> PodEnd:
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
    missing = unmountable(events)
    if missing is not None:
        return missing
    states = ", ".join(f"{name}: {state.get('reason')}" for name, state in waiting(pod))
    why = _warnings(events) or states or "no reason given"
    return PodEnd(
        "start_timeout",
        f"the pod was scheduled but did not start within {seconds:.0f} s: {why}",
        "Large images and slow volumes need more time: raise startup_timeout_seconds.",
    )


def _warnings(events: Events) -> str:
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
