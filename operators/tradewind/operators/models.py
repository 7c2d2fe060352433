"""Kubernetes objects of a pod: from the plain data that DAG authors write, with our own added.

KubernetesPodOperator takes some of its arguments as dicts and others as model objects only. Here all of them
may be dicts in the form of the Kubernetes documentation (camelCase); model objects pass as they are.
"""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from kubernetes.client import ApiClient, Configuration
from kubernetes.client import models as k8s

from tradewind.errors import ConfigurationError
from tradewind.operators.request import WORKDIR, PodRequest

if TYPE_CHECKING:
    from tradewind.plan.model import Resources

__all__ = ["environment", "light_models", "model", "resources", "typed_arguments", "with_workdir"]

_TYPES = {
    "affinity": "V1Affinity",
    "container_resources": "V1ResourceRequirements",
    "container_security_context": "V1SecurityContext",
    "dns_config": "V1PodDNSConfig",
    "env_from": "list[V1EnvFromSource]",
    "full_pod_spec": "V1Pod",
    "host_aliases": "list[V1HostAlias]",
    "image_pull_secrets": "list[V1LocalObjectReference]",
    "init_containers": "list[V1Container]",
    "pod_runtime_info_envs": "list[V1EnvVar]",
    "ports": "list[V1ContainerPort]",
    "security_context": "V1PodSecurityContext",
    "tolerations": "list[V1Toleration]",
    "volume_mounts": "list[V1VolumeMount]",
    "volumes": "list[V1Volume]",
}
_VOLUME = "tradewind-workdir"


class _SharedConfiguration(Configuration):  # type: ignore[misc]
    """Not copied with each model object that holds it: they only ask it whether to validate."""

    def __deepcopy__(self, memo: Any) -> _SharedConfiguration:
        return self


@contextlib.contextmanager
def light_models() -> Iterator[None]:
    """Make building a pod cheap: its model objects share one configuration.

    The client gives each object a deep copy of the default one, some thirty for a pod, and each copy empties
    the caches of all loggers. Clients are made outside of this: they need the real configuration.
    """
    before = Configuration._default  # its getter and setter copy, too
    Configuration._default = _shared_configuration()
    try:
        yield
    finally:
        Configuration._default = before


@functools.cache
def _shared_configuration() -> _SharedConfiguration:
    return _SharedConfiguration()


def model(data: Any, kind: str) -> Any:
    """Return the client's model object for JSON data of the API.

    Args:
        kind: name of the model class, or `list[...]` of one.
    """
    return _client().deserialize(SimpleNamespace(data=json.dumps(data)), kind)


@functools.cache
def _client() -> ApiClient:
    return ApiClient()  # only reads and writes JSON


def typed_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return pod arguments with model objects in place of dicts.

    Raises:
        ConfigurationError: a dict is not of the form that the API has.
    """
    typed: dict[str, Any] = {}
    for name, value in arguments.items():
        kind = _TYPES.get(name)
        try:
            if kind is None:
                typed[name] = value
            elif kind.startswith("list["):
                items = value if isinstance(value, list | tuple) else [value]
                typed[name] = [
                    model(item, kind[5:-1]) if isinstance(item, Mapping) else item for item in items
                ]
            else:
                typed[name] = model(value, kind) if isinstance(value, Mapping) else value
        except (ValueError, TypeError, AttributeError) as error:
            raise ConfigurationError(
                f"the pod argument {name!r} is no {kind}: {error}",
                remedy="Write it as in a pod's YAML (camelCase), or as one of kubernetes.client.models.",
            ) from error
    return typed


def environment(request: PodRequest, given: Any) -> list[k8s.V1EnvVar]:
    """Return all variables of the step's container, each name once.

    Args:
        given: `env_vars` of the pod arguments: mapping, or list of dicts or V1EnvVar. They win over the
            component's own and those of its Kubernetes settings, and these over the protocol's.
    """
    variables = [k8s.V1EnvVar(name=name, value=value) for name, value in request.protocol.items()]
    for name, secret in request.secrets.items():
        selector = k8s.V1SecretKeySelector(name=secret.name, key=secret.key)
        variables.append(k8s.V1EnvVar(name=name, value_from=k8s.V1EnvVarSource(secret_key_ref=selector)))
    variables += [k8s.V1EnvVar(name=name, value=value) for name, value in request.environment.items()]
    variables += [model(item, "V1EnvVar") for item in request.platform.get("env_vars", ())]
    variables += _given(given)
    return list({variable.name: variable for variable in variables}.values())


def _given(given: Any) -> Iterable[k8s.V1EnvVar]:
    if isinstance(given, Mapping):
        return [k8s.V1EnvVar(name=name, value=str(value)) for name, value in given.items()]
    return [model(item, "V1EnvVar") if isinstance(item, Mapping) else item for item in given or ()]


def resources(wanted: Resources | None) -> k8s.V1ResourceRequirements | None:
    """Return the component's requests and limits, None when it has none."""
    if wanted is None:
        return None
    requests = {"cpu": wanted.cpu_request, "memory": wanted.memory_request}
    limits = {"cpu": wanted.cpu_limit, "memory": wanted.memory_limit}
    if wanted.accelerator_type:
        limits[wanted.accelerator_type] = wanted.accelerator_count or "1"
    found = {
        "requests": {name: value for name, value in requests.items() if value},
        "limits": {name: value for name, value in limits.items() if value},
    }
    if not any(found.values()):
        return None
    return k8s.V1ResourceRequirements(requests=found["requests"] or None, limits=found["limits"] or None)


def with_workdir(volumes: Sequence[Any], mounts: Sequence[Any]) -> tuple[list[Any], list[Any]]:
    """Return volumes and mounts with an empty directory where the step works.

    Whoever mounts something there, for its size or its speed, keeps it.
    """
    if any(mount.mount_path.rstrip("/") == WORKDIR for mount in mounts):
        return list(volumes), list(mounts)
    volume = k8s.V1Volume(name=_VOLUME, empty_dir=k8s.V1EmptyDirVolumeSource())
    mount = k8s.V1VolumeMount(name=_VOLUME, mount_path=WORKDIR)
    return [*volumes, volume], [*mounts, mount]
