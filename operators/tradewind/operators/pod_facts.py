"""What of a pod decides a step's result, as plain data for the cache key.

Image, environment, and what is mounted or taken from secrets and config maps, by reference: KFP counts the
names of volume claims alone. Where a pod runs, what it may use and how it is called does not count. Pod
arguments of a DAG's author may hold templates and Kubernetes model objects: both are made plain here, so that
`{{ ds }}` in a variable gives a key of its own for each day.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.plan.model import Step

__all__ = ["pod_facts"]

_DECISIVE = (
    "configmaps",
    "env_from",
    "full_pod_spec",
    "init_containers",
    "pod_template_dict",
    "pod_template_file",
    "secrets",
    "volume_mounts",
    "volumes",
)


_PLATFORM = ("container_security_context", "env_vars", "volume_mounts", "volumes")


def pod_facts(
    step: Step,
    pod: Mapping[str, Any],
    operator: Any,
    context: Any,
    platform: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return what counts of a step's pod.

    Args:
        pod: the step's pod arguments, of all levels.
        operator, context: for templates in them; None: they are left as they are.
        platform: settings of kfp-kubernetes, values of the run included; data, never templates.
    """
    container = step.container
    facts: dict[str, Any] = {
        "image": pod.get("image") or (container.image if container else ""),
        "environment": {
            **(dict(container.env) if container else {}),
            **_variables(_plain(pod.get("env_vars"))),
        },
        **{name: _plain(pod[name]) for name in _DECISIVE if pod.get(name)},
    }
    text = json.dumps(facts, default=repr)
    if context is not None and ("{{" in text or "{%" in text):
        author = {"image": pod.get("image"), "environment": _variables(_plain(pod.get("env_vars")))}
        author |= {name: facts[name] for name in _DECISIVE if name in facts}
        rendered = operator.render_template(author, context, operator.get_template_env())
        # What the component says itself is data, and holds placeholders of KFP's at most.
        facts |= {name: rendered[name] for name in rendered if name not in ("image", "environment")}
        facts["image"] = rendered["image"] or facts["image"]
        facts["environment"] = {**facts["environment"], **rendered["environment"]}
    given = {name: (platform or {})[name] for name in _PLATFORM if name in (platform or {})}
    return {**facts, "platform": given} if given else facts


def _variables(given: Any) -> dict[str, Any]:
    """`env_vars` in its spellings: a mapping, or a list of variables that may refer to secrets."""
    if isinstance(given, Mapping):
        return {str(name): value for name, value in given.items()}
    return {str(item.get("name")): item for item in given or () if isinstance(item, Mapping)}


def _plain(value: Any) -> Any:
    """Return JSON data for a value; model objects of Kubernetes and Airflow become their fields."""
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if hasattr(value, "to_dict"):
        return {name: item for name, item in _plain(value.to_dict()).items() if item is not None}
    if hasattr(value, "__dict__"):
        return [type(value).__name__, _plain(vars(value))]
    return repr(value)
