"""How much a step's pod may do: the restricted level of the Pod Security Standards unless somebody says more.

The defaults are laid over the finished pod, field by field, where nobody has said anything: neither the DAG's
author, nor the pipeline, nor a pod template, nor the deployment's `pod_mutation_hook`. What somebody has said
stays, and a default that would contradict it gives way, because the API server refuses contradictions. Rules:
https://kubernetes.io/docs/concepts/security/pod-security-standards/; a read-only root file system and no
token are not part of them, and are more than they ask.

Images often name no user, or root, so the pod names one; `/tmp` and the step's work directory stay writable.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, get_args

from kubernetes.client import models as k8s

from tradewind.errors import ConfigurationError
from tradewind.operators.settings import PodSecurity

if TYPE_CHECKING:
    from tradewind.cluster.pod_end import PodEnd

__all__ = ["USER", "advised", "pod_security_level", "secure"]

USER = 65532
"""Of images without root: the user `nonroot` of distroless images, and nobody in particular elsewhere."""

TEMPORARY = "/tmp"
_VOLUME = "tradewind-tmp"
_TROUBLE = re.compile(
    r"permission denied|read-only file system|operation not permitted|\[errno (1|13|30)\]"
    r"|\beacces\b|\berofs\b|(are you|must be( run as)?) root|superuser",
    re.IGNORECASE,
)


def pod_security_level(given: Any, default: PodSecurity) -> PodSecurity:
    """Return the level of a pod.

    Args:
        given: the pod argument `pod_security`; None: nothing was said.
        default: the deployment's.

    Raises:
        ConfigurationError: there is no such level.
    """
    if given is None:
        return default
    if given not in get_args(PodSecurity):
        raise ConfigurationError(
            f"pod_security is {given!r}", remedy=f"Use one of {', '.join(get_args(PodSecurity))}."
        )
    level: PodSecurity = given
    return level


def secure(pod: k8s.V1Pod, level: PodSecurity) -> None:
    """Put the level's defaults into a pod, in place, where nothing is said.

    Args:
        pod: with everything that anybody has to say about it.
    """
    spec = pod.spec
    if spec.automount_service_account_token is None:
        spec.automount_service_account_token = False
    if level == "baseline":
        return
    containers = [*(spec.init_containers or ()), *spec.containers]
    context = spec.security_context = spec.security_context or k8s.V1PodSecurityContext()
    if context.run_as_non_root is not False:  # else the image's own user is wanted, whoever it is
        _fill(context, run_as_user=USER)
    _fill(
        context,
        run_as_non_root=context.run_as_user != 0,
        run_as_group=USER,
        fs_group=USER,
        fs_group_change_policy="OnRootMismatch",  # or every start of a pod walks through the whole volume
        seccomp_profile=k8s.V1SeccompProfile(type="RuntimeDefault"),
    )
    for container in containers:
        _secure(container)
    _make_room(spec, containers)


def advised(end: PodEnd, level: PodSecurity) -> PodEnd:
    """Return the end with the way out as its remedy, where a pod has failed for a lack of rights.

    Such a failure says so in many words, of which none is what to do about it.
    """
    words = (end.message, end.traceback, *end.tail)
    if end.succeeded or level == "baseline" or not any(_TROUBLE.search(text) for text in words):
        return end
    remedy = (
        f"The pod runs as user {USER}, and may write to {TEMPORARY} and its volumes only. Where the image"
        ' must be root or write elsewhere, give the step pod={"pod_security": "baseline"} (docs/security.md).'
    )
    return replace(end, remedy=f"{end.remedy} {remedy}".strip())


def _secure(container: k8s.V1Container) -> None:
    context = container.security_context = container.security_context or k8s.V1SecurityContext()
    capabilities = context.capabilities = context.capabilities or k8s.V1Capabilities()
    # The API server refuses a pod that asks for privileges and for their absence.
    privileged = context.privileged or "SYS_ADMIN" in (capabilities.add or ())
    if context.run_as_user == 0:
        _fill(context, run_as_non_root=False)
    _fill(context, allow_privilege_escalation=bool(privileged), read_only_root_filesystem=not privileged)
    if not context.privileged:
        _fill(capabilities, drop=["ALL"])


def _make_room(spec: k8s.V1PodSpec, containers: list[k8s.V1Container]) -> None:
    """Give containers that may not write elsewhere a `/tmp`, which is their home as well.

    `USER` is what programs ask for when the image has no name for the user's number (`getpass.getuser`).
    """
    used = False
    for container in containers:
        if not container.security_context.read_only_root_filesystem:
            continue
        given = {variable.name for variable in container.env or ()}
        own = {"HOME": TEMPORARY, "USER": "nonroot"}
        container.env = [
            *(container.env or ()),
            *(k8s.V1EnvVar(name=name, value=value) for name, value in own.items() if name not in given),
        ]
        mounts = container.volume_mounts or []
        if not any(mount.mount_path.rstrip("/") == TEMPORARY for mount in mounts):
            used = True
            container.volume_mounts = [*mounts, k8s.V1VolumeMount(name=_VOLUME, mount_path=TEMPORARY)]
    if used:
        volume = k8s.V1Volume(name=_VOLUME, empty_dir=k8s.V1EmptyDirVolumeSource())
        spec.volumes = [*(spec.volumes or ()), volume]


def _fill(target: Any, **defaults: Any) -> None:
    for name, value in defaults.items():
        if getattr(target, name) is None:
            setattr(target, name, value)
