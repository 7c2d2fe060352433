"""Laying a step's kfp-kubernetes settings under the pod arguments of the DAG's author.

The author's win: his label, mount path, variable or affinity takes the place of the pipeline's. The module
belongs to `tradewind.operators.pod` and is imported where a pod is made.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient

from tradewind.errors import FatalError
from tradewind.operators.models import typed_arguments

if TYPE_CHECKING:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

__all__ = ["lay_under"]

_BY_KEY = ("labels", "annotations", "node_selector")
_JOINED = ("tolerations", "image_pull_secrets")
_WHOLE = ("affinity", "image_pull_policy", "container_security_context")
_ELSEWHERE = ("active_deadline_seconds", "env_vars")


def lay_under(operator: KubernetesPodOperator, platform: Mapping[str, Any], author: frozenset[str]) -> None:
    """Put settings into an operator, where its author left room.

    Args:
        platform: from `tradewind.operators.platform`. Variables are laid under by
            `tradewind.operators.models.environment`, and the deadline by whoever knows the run's.
        author: names of the arguments that the author gave.

    Raises:
        FatalError: JSON of the run is not what Kubernetes has at that place.
    """
    given = {name: part for name, part in platform.items() if name not in _ELSEWHERE}
    typed = typed_arguments(given)
    lost = sorted(_lost(given, _client().sanitize_for_serialization(typed)))
    if lost:
        raise FatalError(
            f"the step's Kubernetes settings have fields that Kubernetes does not know: {', '.join(lost)}",
            remedy="Write them as in a pod's YAML.",
        )
    for name in _BY_KEY:
        if name in typed:
            setattr(operator, name, {**typed[name], **(getattr(operator, name) or {})})
    for name in _JOINED:
        if name in typed:
            setattr(operator, name, [*(getattr(operator, name) or []), *typed[name]])
    for name in _WHOLE:
        if name in typed and name not in author:
            setattr(operator, name, typed[name])
    taken = {mount.mount_path.rstrip("/") for mount in operator.volume_mounts}
    mounts = [each for each in typed.get("volume_mounts", ()) if each.mount_path.rstrip("/") not in taken]
    names = {volume.name for volume in operator.volumes}
    used = {mount.name for mount in mounts} - names
    operator.volumes = [*operator.volumes, *(each for each in typed.get("volumes", ()) if each.name in used)]
    operator.volume_mounts = [*operator.volume_mounts, *mounts]


@functools.cache
def _client() -> ApiClient:
    return ApiClient()  # only writes JSON


def _lost(given: Any, kept: Any, place: str = "") -> Iterator[str]:
    """Fields that the client's model objects have not taken over: they drop what they do not know."""
    if isinstance(given, Mapping):
        for name, part in given.items():
            where = f"{place}.{name}" if place else str(name)
            if part is not None and (not isinstance(kept, Mapping) or name not in kept):
                yield where
            elif part is not None:
                yield from _lost(part, kept[name], where)
    elif isinstance(given, list):
        for index, part in enumerate(given):
            inside = kept[index] if isinstance(kept, list) and index < len(kept) else None
            yield from _lost(part, inside, f"{place}[{index}]")
