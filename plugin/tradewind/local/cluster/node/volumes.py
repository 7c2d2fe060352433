"""A pod's volumes as directories of this machine."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tradewind.local.cluster.home import Home
from tradewind.local.cluster.node.variables import Lookup, MissingSource, data_of, field_value

__all__ = ["VolumeProblem", "make_volumes"]

READ_ONLY_KINDS = frozenset({"secret", "configMap", "projected", "downwardAPI"})


class VolumeProblem(Exception):
    """A volume cannot be made (yet); the text is for the pod's FailedMount event."""


def make_volumes(pod: Mapping[str, Any], home: Home, lookup: Lookup) -> dict[str, tuple[str, bool]]:
    """Make all volumes of a pod.

    Returns:
        For each name the path on the host, and whether it can only be read.

    Raises:
        VolumeProblem: something that a volume needs is missing, or its type is not known here.
    """
    base = home.pod(pod["metadata"]["uid"]) / "volumes"
    made: dict[str, tuple[str, bool]] = {}
    for volume in pod["spec"].get("volumes") or []:
        name = volume["name"]
        kind = next(key for key in volume if key != "name")
        try:
            path = _make(kind, volume[kind] or {}, base / name, pod, home, lookup)
        except MissingSource as error:
            raise VolumeProblem(f'MountVolume.SetUp failed for volume "{name}" : {error}') from error
        made[name] = (str(path), kind in READ_ONLY_KINDS or bool((volume[kind] or {}).get("readOnly")))
    return made


def _make(
    kind: str, source: Mapping[str, Any], path: Path, pod: Mapping[str, Any], home: Home, lookup: Lookup
) -> Path:
    if kind in ("emptyDir", "ephemeral"):
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(0o777)
        return path
    if kind == "hostPath":
        return _host_path(source)
    if kind == "persistentVolumeClaim":
        name = source["claimName"]
        if lookup("persistentvolumeclaims", name) is None:
            raise MissingSource(f'persistentvolumeclaim "{name}" not found')
        claim: Path = home.claims / pod["metadata"]["namespace"] / name
        claim.mkdir(parents=True, exist_ok=True)
        claim.chmod(0o777)
        return claim
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    if kind == "projected":
        for part in source.get("sources") or []:
            for name, body in part.items():
                if name == "serviceAccountToken":
                    raise MissingSource("the embedded cluster has no service account tokens for pods")
                _write(path, name, body, pod, lookup, source.get("defaultMode", 0o644))
        return path
    _write(path, kind, source, pod, lookup, source.get("defaultMode", 0o644))
    return path


def _host_path(source: Mapping[str, Any]) -> Path:
    path = Path(source["path"])
    kind = source.get("type") or ""
    if kind == "DirectoryOrCreate":
        path.mkdir(parents=True, exist_ok=True)
    elif kind == "FileOrCreate":
        path.touch()
    elif kind == "Directory" and not path.is_dir():
        raise MissingSource(f"hostPath type check failed: {path} is not a directory")
    elif kind == "File" and not path.is_file():
        raise MissingSource(f"hostPath type check failed: {path} is not a file")
    elif not kind and not path.exists():
        path.mkdir(parents=True)
    return path


def _write(
    path: Path,
    kind: str,
    source: Mapping[str, Any],
    pod: Mapping[str, Any],
    lookup: Lookup,
    default_mode: int,
) -> None:
    """Write the entries of a secret, config map or the downward API as files."""
    if kind == "downwardAPI":
        for item in source.get("items") or []:
            value = field_value((item.get("fieldRef") or {}).get("fieldPath", ""), pod)
            _write_file(path / item["path"], value.encode(), item.get("mode") or default_mode)
        return
    resources = {"secret": ("secrets", "secretName"), "configMap": ("configmaps", "name")}
    if kind not in resources:
        raise MissingSource(f"the embedded cluster has no volumes of type {kind}")
    resource, field = resources[kind]
    name = source.get(field) or source.get("name", "")
    found = lookup(resource, name)
    if found is None:
        if source.get("optional"):
            return
        raise MissingSource(f'{kind.lower()} "{name}" not found')
    data = data_of(resource, found)
    items = source.get("items") or [{"key": key, "path": key} for key in data]
    for item in items:
        if item["key"] not in data:
            if source.get("optional"):
                continue
            raise MissingSource(f"references non-existent {kind.lower()} key: {item['key']}")
        if item["path"].startswith("/") or ".." in item["path"].split("/"):
            raise MissingSource(f"path {item['path']!r} must stay below the volume")
        _write_file(path / item["path"], data[item["key"]], item.get("mode") or default_mode)


def _write_file(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    path.chmod(mode)
