"""What a step's pod needs that only Kubernetes knows: kfp-kubernetes' settings, as a plan has them.

Names and JSON that a run may decide are bindings; the rest is known when the pipeline is compiled. Secrets
are only ever named. Whatever KFP spells in several ways (old and new fields, labels or JSON) is one thing
here. Affinities, tolerations and selectors are data in the form of a pod's YAML: nobody but Kubernetes has an
opinion on what is inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from tradewind.plan.bindings import Binding

__all__ = [
    "Claim",
    "EphemeralClaim",
    "KeyVariables",
    "Mount",
    "PodSettings",
    "Scratch",
    "SourceKind",
    "StoredFiles",
    "Volume",
]

SourceKind = Literal["secret", "config_map"]


@dataclass(frozen=True, slots=True)
class KeyVariables:
    """Environment variables that come from keys of a secret or config map.

    Attributes:
        name: of the secret or config map.
        variables: pairs of variable and key.
        optional: the pod starts without it, too.
    """

    kind: SourceKind
    name: Binding
    variables: tuple[tuple[str, str], ...]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """A secret or config map as a directory, a file per key; `name` and `optional` as of `KeyVariables`."""

    kind: SourceKind
    name: Binding
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """A persistent volume claim that exists when the step runs."""

    name: Binding


@dataclass(frozen=True, slots=True)
class EphemeralClaim:
    """A claim of the pod's own, which goes with it.

    Attributes:
        name: of the volume in the pod.
        size: quantity, "5Gi".
        storage_class: None is the cluster's default, "" is none at all.
        labels, annotations: of the claim.
    """

    name: str
    access_modes: tuple[str, ...]
    size: str
    storage_class: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scratch:
    """An empty directory, gone with the pod.

    Attributes:
        name: of the volume in the pod.
        medium: "" for the node's disk, "Memory" or a huge page size.
        size_limit: quantity, "" for none.
    """

    name: str
    medium: str = ""
    size_limit: str = ""


Volume = StoredFiles | Claim | EphemeralClaim | Scratch


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume at a path of the step's container; `sub_path` is a directory in the volume, "" all of it."""

    path: str
    volume: Volume
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class PodSettings:
    """Everything that kfp-kubernetes says about one step's pod.

    Attributes:
        variables: environment variables from secrets and config maps.
        field_variables: pairs of variable and field of the pod (`metadata.name`).
        mounts: volumes of the step's container.
        labels, annotations: of the pod.
        node_selector: an object of label values.
        node_affinity: objects like a pod's `affinity.nodeAffinity`; their terms are joined.
        pod_affinity: like a pod's `affinity`, holding `podAffinity` and `podAntiAffinity`.
        tolerations: each one object, or a list of them, like those of a pod.
        image_pull_policy: "" leaves it to Kubernetes.
        image_pull_secrets: names of secrets.
        timeout_seconds: how long the pod may run, 0 for as long as it likes.
        security_context: like a container's `securityContext`.
    """

    variables: tuple[KeyVariables, ...] = ()
    field_variables: tuple[tuple[str, str], ...] = ()
    mounts: tuple[Mount, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_selector: Binding | None = None
    node_affinity: tuple[Binding, ...] = ()
    pod_affinity: Mapping[str, Any] = field(default_factory=dict)
    tolerations: tuple[Binding, ...] = ()
    image_pull_policy: str = ""
    image_pull_secrets: tuple[Binding, ...] = ()
    timeout_seconds: int = 0
    security_context: Mapping[str, Any] = field(default_factory=dict)

    def bindings(self) -> tuple[Binding, ...]:
        """Everything in it that a run may decide."""
        volumes = (mount.volume for mount in self.mounts)
        named = [*self.variables, *(each for each in volumes if isinstance(each, StoredFiles | Claim))]
        selectors = () if self.node_selector is None else (self.node_selector,)
        return (
            *(each.name for each in named),
            *selectors,
            *self.node_affinity,
            *self.tolerations,
            *self.image_pull_secrets,
        )
