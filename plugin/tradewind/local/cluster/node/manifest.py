"""From a pod to what its supervisor does: argv, environment and mounts, with nothing left to look up.

Where containers have a mount namespace the paths of the spec are real inside it. Where they have none, the
paths of volumes are replaced by the host's in commands, arguments and values of variables; that reaches
everything that is spelled out in the spec, and nothing that a program makes up by itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tradewind.local.cluster.home import Home
from tradewind.local.cluster.node.host import SERVICE_ACCOUNT, Host
from tradewind.local.cluster.node.variables import Lookup, container_variables, expand
from tradewind.local.cluster.node.volumes import make_volumes
from tradewind.local.cluster.supervisor.python import packages_path

__all__ = ["ManifestMaker"]

WORK_DIRECTORY = "/tmp/tradewind"


@dataclass(frozen=True, slots=True)
class ManifestMaker:
    """Makes manifests.

    Attributes:
        isolation: how containers are isolated, one of `supervisor.isolation.MODES`.
    """

    home: Home
    host: Host
    isolation: str

    def make(self, pod: Mapping[str, Any], lookup: Lookup, deadline: float | None) -> dict[str, Any]:
        """The manifest of a pod; makes its volumes.

        Args:
            lookup: finds secrets, config maps and claims of its namespace.
            deadline: time since the epoch at which the pod must have ended, or None.

        Raises:
            MissingSource: an environment variable's source is missing.
            VolumeProblem: a volume cannot be made.
        """
        spec = pod["spec"]
        volumes = make_volumes(pod, self.home, lookup)
        return {
            "name": pod["metadata"]["name"],
            "namespace": pod["metadata"]["namespace"],
            "isolation": self.isolation,
            "restartPolicy": spec["restartPolicy"],
            "gracePeriodSeconds": spec["terminationGracePeriodSeconds"],
            "deadline": deadline,
            "initContainers": [
                self._container(item, pod, volumes, lookup, init=True)
                for item in spec.get("initContainers", [])
            ],
            "containers": [
                self._container(item, pod, volumes, lookup, init=False) for item in spec["containers"]
            ],
        }

    def _container(
        self,
        container: Mapping[str, Any],
        pod: Mapping[str, Any],
        volumes: Mapping[str, tuple[str, bool]],
        lookup: Lookup,
        *,
        init: bool,
    ) -> dict[str, Any]:
        files = str(self.home.pod(pod["metadata"]["uid"]) / "containers" / container["name"])
        mounts = self._volume_mounts(container, pod, volumes, lookup)
        message_path = container["terminationMessagePath"]
        mounts.append(_mount(f"{files}/termination", message_path))
        python = f"{files}/python" if self.isolation == "paths" else str(self.home.python)
        initial = {
            **self.host.environment,
            "PATH": f"{python}/bin:{self.host.environment['PATH']}",
            "HOME": f"{files}/home" if self.isolation == "paths" else self.host.home,
            "HOSTNAME": pod["metadata"]["name"][:63],
            "TRADEWIND_SHARED_HOST": "1",
        }
        if self.isolation == "paths":
            initial["TMPDIR"] = f"{files}/tmp"
        own = container_variables(container, pod, lookup)
        argv = [expand(word, own) for word in _words(container)]
        variables = initial | own
        directory = container.get("workingDir") or initial["HOME"]
        if self.isolation == "paths":
            mapping = _PathMapping(mounts)
            argv = [mapping.apply(word) for word in argv]
            # Those of the host are host paths already, and may lie below what is replaced.
            variables = {
                name: value if initial.get(name) == value else mapping.apply(value)
                for name, value in variables.items()
            }
            directory = mapping.apply(directory)
            variables["TRADEWIND_TERMINATION_LOG"] = f"{files}/termination"
            if mapping.apply(WORK_DIRECTORY) != WORK_DIRECTORY:
                variables["TRADEWIND_WORKDIR"] = mapping.apply(WORK_DIRECTORY)
        else:
            mounts = self._with_own_mounts(files, mounts)
        return {
            "name": container["name"],
            "image": container["image"],
            "init": init,
            "argv": argv,
            "env": variables,
            "workingDir": directory,
            "mounts": mounts,
            "python": self.host.python,
            "terminationMessagePolicy": container["terminationMessagePolicy"],
            "preStop": bool((container.get("lifecycle") or {}).get("preStop")),
        }

    def _with_own_mounts(self, files: str, given: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What hides the host's directories, what stays visible in spite of that, and then the pod's own.

        A volume in place of one of those directories hides it just as well, and nothing that is visible.
        """
        hidden = [self.host.home, str(self.home.root), "/tmp", "/var/tmp"]
        hiding = [_mount(f"{files}/tmp", "/tmp"), _mount(f"{files}/tmp", "/var/tmp")]
        if self.host.home not in ("", "/"):
            hiding.insert(0, _mount(f"{files}/home", self.host.home))
        instead = {mount["target"]: mount for mount in given}
        mounts = [instead.pop(mount["target"], mount) for mount in hiding]
        mounts.append(_mount(f"{files}/view/empty", str(self.home.root)))
        mounts += [
            _mount(path, path, read_only=True)
            for path in self.host.visible
            if any(path == top or path.startswith(top.rstrip("/") + "/") for top in hidden)
        ]
        python = str(self.home.python)
        mounts.append(_mount(f"{files}/view/python", python))
        mounts.append(_mount(f"{files}/packages", os.path.join(python, packages_path(self.host.python))))
        mounts.append(_mount(str(self.home.shared), str(self.home.shared)))
        template = str(self.home.template)
        mounts.append(_mount(template, template, read_only=True))
        if os.path.isdir(SERVICE_ACCOUNT):
            mounts.append(_mount(f"{files}/view/empty", SERVICE_ACCOUNT, read_only=True))
        return [*mounts, *instead.values()]

    def _volume_mounts(
        self,
        container: Mapping[str, Any],
        pod: Mapping[str, Any],
        volumes: Mapping[str, tuple[str, bool]],
        lookup: Lookup,
    ) -> list[dict[str, Any]]:
        mounts = []
        for mount in container.get("volumeMounts") or []:
            source, read_only = volumes[mount["name"]]
            part = mount.get("subPath") or ""
            if mount.get("subPathExpr"):
                part = expand(mount["subPathExpr"], container_variables(container, pod, lookup))
            if part:
                source = os.path.join(source, part)
                if not os.path.exists(source):
                    os.makedirs(source)
            mounts.append(
                _mount(source, mount["mountPath"], read_only=read_only or bool(mount.get("readOnly")))
            )
        return sorted(mounts, key=lambda item: str(item["target"]).count("/"))


def _mount(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"source": source, "target": os.path.normpath(target), "read_only": read_only}


def _words(container: Mapping[str, Any]) -> Sequence[str]:
    """The argv. There are no images, hence no entry points: an image named like Python's has `python3`."""
    command, args = container.get("command") or [], container.get("args") or []
    if command:
        return [*command, *args]
    name = str(container["image"]).rpartition("/")[2].partition(":")[0].partition("@")[0]
    return args or (["python3"] if name == "python" else ["sh"])


class _PathMapping:
    """Replaces mount paths by host paths in text."""

    def __init__(self, mounts: Sequence[Mapping[str, Any]]) -> None:
        self._hosts = {str(mount["target"]): str(mount["source"]) for mount in mounts}
        paths = sorted((path for path in self._hosts if path != "/"), key=len, reverse=True)
        alternatives = "|".join(re.escape(path) for path in paths)
        self._pattern = re.compile(rf"(?<![\w.\-])(?:{alternatives})(?![\w.\-])")

    def apply(self, text: str) -> str:
        return self._pattern.sub(lambda match: self._hosts[match[0]], text)
