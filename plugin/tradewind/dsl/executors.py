"""Containers of the IR's deployment: what a component says, with what a task changes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from google.protobuf.struct_pb2 import Value

from tradewind.dsl.resources import cores, gigabytes
from tradewind.dsl.values import assign

__all__ = ["write_container"]

# The IR's older fields, which hold numbers.
_NUMBERS: dict[str, tuple[str, Callable[[str], float]]] = {
    "cpu_request": ("cpuRequest", cores),
    "cpu_limit": ("cpuLimit", cores),
    "memory_request": ("memoryRequest", gigabytes),
    "memory_limit": ("memoryLimit", gigabytes),
}
_TEXTS = {
    "cpu_request": "resourceCpuRequest",
    "cpu_limit": "resourceCpuLimit",
    "memory_request": "resourceMemoryRequest",
    "memory_limit": "resourceMemoryLimit",
}


def write_container(
    target: Value, component: Value, env: Mapping[str, str], image: str, resources: Mapping[str, str]
) -> None:
    """Write one executor's container.

    Args:
        target: the place in the deployment.
        component: the container as the component has it.
        env: environment variables.
        image: instead of the component's; empty: the component's.
        resources: name and text of what is set; texts may be placeholders.
    """
    target.CopyFrom(component)
    fields = target.struct_value.fields
    if image:
        fields["image"].string_value = image
    if env:
        # A loaded component may bring an environment of its own; the task's wins.
        own = (
            {
                entry.struct_value.fields["name"].string_value: entry.struct_value.fields[
                    "value"
                ].string_value
                for entry in component.struct_value.fields["env"].list_value.values
            }
            if "env" in component.struct_value.fields
            else {}
        )
        fields["env"].CopyFrom(_environment(tuple({**own, **env}.items())))
    if resources:
        assign(fields["resources"], _resources(resources))


@functools.lru_cache(maxsize=256)
def _environment(env: tuple[tuple[str, str], ...]) -> Value:
    """Tasks often share their environment, and copying a message is many times faster than filling it."""
    value = Value()
    add = value.list_value.values.add
    for name, text in env:
        entry = add().struct_value.fields
        entry["name"].string_value = name
        if text:  # protobuf's JSON leaves an empty text out
            entry["value"].string_value = text
    return value


def _resources(given: Mapping[str, str]) -> dict[str, object]:
    body: dict[str, object] = {}
    for name, text in given.items():
        if name in _TEXTS:
            body[_TEXTS[name]] = text
            number_field, number = _NUMBERS[name]
            if "{{$" not in text and number(text):
                body[number_field] = number(text)
    accelerator = {
        "resourceType": given.get("accelerator_type"),
        "type": given.get("accelerator_type"),
        "resourceCount": given.get("accelerator_count"),
        "count": given.get("accelerator_count"),
    }
    # The older fields hold no placeholders, and protobuf's JSON leaves a zero out.
    for field in ("type", "count"):
        if "{{$" in (accelerator[field] or "") or accelerator[field] == "0":
            accelerator[field] = None
    if any(accelerator.values()):
        body["accelerator"] = {field: text for field, text in accelerator.items() if text}
    return body
