"""What a step wants from the cluster, as plain data, before any Kubernetes object exists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tradewind.cluster import StepIdentity
from tradewind.operators.configuration import SecretKey

if TYPE_CHECKING:
    from tradewind.cluster.ends import PodEnd
    from tradewind.plan.model import Resources

__all__ = ["WORKDIR", "PodOutcome", "PodRequest"]

WORKDIR = "/tmp/tradewind"


@dataclass(frozen=True, slots=True)
class PodRequest:
    """One try of a step that needs a pod.

    Attributes:
        identity: the step; its pods are found by it.
        try_number: of the task instance, from 1.
        command: argv of the container, data and nothing that anybody expands.
        image: the component's; a `pod` argument of the same name wins.
        environment: the component's own variables.
        protocol: variables of docs/protocol.md; they yield to the component's and to `arguments`.
        secrets: variables that the pod takes from Kubernetes secrets.
        resources: the component's requests and limits.
        arguments: KubernetesPodOperator arguments of deployment, pipeline and step, merged.
        helper: image of an init container that brings Python along; None: none is needed.
        plain: the container runs a command as it is and reports nothing but its exit code.
        platform: what kfp-kubernetes says, see `tradewind.operators.platform`; it yields to `arguments`.
    """

    identity: StepIdentity
    try_number: int
    command: tuple[str, ...]
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    protocol: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, SecretKey] = field(default_factory=dict)
    resources: Resources | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    helper: str | None = None
    plain: bool = False
    platform: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PodOutcome:
    """What became of a pod.

    Attributes:
        end: how it ended.
        message: the container's termination message.
        pod: "name in namespace x".
        image_id: `imageID` of the container, as the node resolved its image; may be empty.
    """

    end: PodEnd
    message: str
    pod: str
    image_id: str = ""
