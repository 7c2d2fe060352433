"""kfp-kubernetes' settings of one step, with the run's values put in: plain data in the form of a pod's YAML.

Keys are names of KubernetesPodOperator arguments, so that they can be laid under what the DAG's author says.
They do not go the author's way, though: his arguments may be templates, while these hold values of the run.
Secrets are named here and nowhere opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from tradewind.errors import FatalError
from tradewind.plan.bindings import Binding
from tradewind.plan.pod_settings import (
    Claim,
    EphemeralClaim,
    PodSettings,
    Scratch,
    SourceKind,
    StoredFiles,
    Volume,
)

__all__ = ["platform_arguments"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_WORDS: Mapping[SourceKind, str] = {"secret": "secret", "config_map": "config map"}
_REFERENCES: Mapping[SourceKind, str] = {"secret": "secretKeyRef", "config_map": "configMapKeyRef"}


def platform_arguments(
    settings: PodSettings | None, value: Callable[[Binding], Any], step: str
) -> dict[str, Any]:
    """Return what a step's settings come to in one run; empty without settings.

    Args:
        value: gives what a binding stands for.
        step: id of the step, for messages.

    Raises:
        FatalError: a value is none that the setting can have; tells all.
    """
    if settings is None:
        return {}
    return _Reading(settings, value, step).arguments()


class _Reading:
    def __init__(self, settings: PodSettings, value: Callable[[Binding], Any], step: str) -> None:
        self._settings = settings
        self._value = value
        self._step = step
        self._problems: list[str] = []

    def arguments(self) -> dict[str, Any]:
        settings = self._settings
        volumes, mounts = self._volumes()
        found = {
            "env_vars": list(self._variables()),
            "volumes": volumes,
            "volume_mounts": mounts,
            "labels": dict(settings.labels),
            "annotations": dict(settings.annotations),
            "node_selector": self._node_selector(),
            "affinity": self._affinity(),
            "tolerations": list(self._tolerations()),
            "image_pull_policy": settings.image_pull_policy,
            "image_pull_secrets": [
                {"name": name}
                for binding in settings.image_pull_secrets
                if (name := self._name(binding, "an image pull secret"))
            ],
            "active_deadline_seconds": settings.timeout_seconds,
            "container_security_context": dict(settings.security_context),
        }
        if self._problems:
            raise FatalError(
                "\n".join(f"step {self._step!r}: {problem}" for problem in self._problems),
                remedy="See what the run's parameters and the steps before gave to its Kubernetes settings.",
            )
        return {name: part for name, part in found.items() if part}

    # --- environment and volumes ---

    def _variables(self) -> Iterator[dict[str, Any]]:
        for each in self._settings.variables:
            name = self._name(each.name, f"a {_WORDS[each.kind]}", optional=each.optional)
            if not name:
                continue
            for variable, key in each.variables:
                reference = {"name": name, "key": key} | ({"optional": True} if each.optional else {})
                yield {"name": variable, "valueFrom": {_REFERENCES[each.kind]: reference}}
        for variable, path in self._settings.field_variables:
            yield {"name": variable, "valueFrom": {"fieldRef": {"fieldPath": path}}}

    def _volumes(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Volumes and mounts; what is mounted at several paths is one volume."""
        names: dict[str, str] = {}
        volumes: list[dict[str, Any]] = []
        mounts: list[dict[str, Any]] = []
        for mount in self._settings.mounts:
            source = self._source(mount.volume)
            if source is None:
                continue
            own = getattr(mount.volume, "name", "")
            content = json.dumps([own if isinstance(own, str) else "", source], sort_keys=True)
            if content not in names:
                names[content] = own if isinstance(own, str) else f"kfp-{len(names) + 1}"
                volumes.append({"name": names[content], **source})
            part = {"subPath": mount.sub_path} if mount.sub_path else {}
            mounts.append({"name": names[content], "mountPath": mount.path, **part})
        return volumes, mounts

    def _source(self, volume: Volume) -> dict[str, Any] | None:
        match volume:
            case StoredFiles():
                name = self._name(volume.name, f"a {_WORDS[volume.kind]}", optional=volume.optional)
                if not name:
                    return None
                optional = {"optional": True} if volume.optional else {}
                if volume.kind == "secret":
                    return {"secret": {"secretName": name, **optional}}
                return {"configMap": {"name": name, **optional}}
            case Claim():
                claim = self._name(volume.name, "a volume claim")
                return {"persistentVolumeClaim": {"claimName": claim}} if claim else None
            case EphemeralClaim():
                return {"ephemeral": {"volumeClaimTemplate": _template(volume)}}
            case Scratch():
                options = {"medium": volume.medium, "sizeLimit": volume.size_limit}
                return {"emptyDir": {name: option for name, option in options.items() if option}}

    # --- placement ---

    def _node_selector(self) -> dict[str, str]:
        binding = self._settings.node_selector
        given = None if binding is None else self._json(binding, "the node selector")
        if given is None:
            return {}
        if not isinstance(given, dict) or not all(isinstance(text, str) for text in given.values()):
            self._problems.append(f"the node selector is {_shown(given)}, no object of texts")
            return {}
        return given

    def _affinity(self) -> dict[str, Any]:
        affinity: dict[str, Any] = dict(self._settings.pod_affinity)
        node: dict[str, Any] = {}
        for binding in self._settings.node_affinity:
            given = self._json(binding, "the node affinity")
            if given is None:
                continue
            if not isinstance(given, dict):
                self._problems.append(f"the node affinity is {_shown(given)}, no object")
                continue
            _join(node, given)
        return {**affinity, "nodeAffinity": node} if node else affinity

    def _tolerations(self) -> Iterator[dict[str, Any]]:
        for binding in self._settings.tolerations:
            given = self._json(binding, "a toleration")
            for each in given if isinstance(given, list) else [] if given is None else [given]:
                if isinstance(each, dict):
                    yield each
                else:
                    self._problems.append(f"a toleration is {_shown(each)}, no object")

    # --- values ---

    def _name(self, binding: Binding, what: str, *, optional: bool = False) -> str:
        """The name of an object in the cluster; "" where there is none, or none that can be."""
        found = self._look_up(binding)
        if found is None and optional:
            return ""
        if isinstance(found, str) and _NAME.fullmatch(found):
            return found
        self._problems.append(f"the name of {what} is {_shown(found)}, which no object can have")
        return ""

    def _json(self, binding: Binding, what: str) -> Any:
        """JSON data, or the JSON text of some; None and empty data say nothing."""
        found = self._look_up(binding)
        if isinstance(found, str):
            if not found.strip():
                return None
            try:
                found = json.loads(found)
            except ValueError:
                self._problems.append(f"{what} is {_shown(found)}, which is no JSON")
                return None
        return found or None

    def _look_up(self, binding: Binding) -> Any:
        try:
            return self._value(binding)
        except FatalError as error:
            self._problems.append(error.message)
        except KeyError as error:
            self._problems.append(f"the run has no parameter {error}")
        return None


def _template(volume: EphemeralClaim) -> dict[str, Any]:
    spec: dict[str, Any] = {
        "accessModes": list(volume.access_modes),
        "resources": {"requests": {"storage": volume.size}},
    }
    if volume.storage_class is not None:
        spec["storageClassName"] = volume.storage_class
    metadata = {"labels": dict(volume.labels), "annotations": dict(volume.annotations)}
    given = {name: part for name, part in metadata.items() if part}
    return {"metadata": given, "spec": spec} if given else {"spec": spec}


def _join(affinity: dict[str, Any], more: Mapping[str, Any]) -> None:
    """Join two node affinities: lists of terms grow, anything else is replaced."""
    for name, part in more.items():
        before = affinity.get(name)
        if isinstance(before, list) and isinstance(part, list):
            affinity[name] = [*before, *part]
        elif isinstance(before, dict) and isinstance(part, Mapping):
            affinity[name] = dict(before)
            _join(affinity[name], part)
        else:
            affinity[name] = part


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
