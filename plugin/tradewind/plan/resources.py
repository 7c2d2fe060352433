"""Whether the texts of a container's settings are what Kubernetes takes.

They may come from the run itself ("lots" as memory), and Kubernetes would say so only once the pod is made,
in words that name neither the step nor the setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from decimal import Decimal

from tradewind.plan.model import Resources

__all__ = ["image_problem", "resource_problems"]

_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
_POWERS = {unit: power for power, unit in enumerate("num", -3)} | {"": 0, "K": 1}
_POWERS |= {unit: power for power, unit in enumerate("kMGTPE", 1)}
_COUNT = re.compile(r"\d+")
_RESOURCE_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?")
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE = re.compile(
    r"(?:(?:[A-Za-z0-9.-]+|\[[0-9a-fA-F:]+\])(?::\d+)?/)?"
    rf"{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::\w[\w.-]{0,127})?(?:@[A-Za-z][\w.+-]*:[0-9a-fA-F]{32,})?"
)


def resource_problems(resources: Resources) -> Iterator[str]:
    """Say what is wrong with requests and limits that hold no placeholders (any more)."""
    for item in fields(Resources):
        value = getattr(resources, item.name)
        words = item.name.replace("_", " ")
        if not value:
            continue
        if item.name == "accelerator_type":
            if not _RESOURCE_NAME.fullmatch(value):
                yield f"{words} {value!r} is no name of a resource of the cluster, such as nvidia.com/gpu"
        elif item.name == "accelerator_count":
            if not _COUNT.fullmatch(value):
                yield f"{words} {value!r} is no whole number"
        elif not _QUANTITY.fullmatch(value):
            example = "500m or 2" if item.name.startswith("cpu") else "512Mi or 4G"
            yield f"{words} {value!r} is no quantity, such as {example}"
    for kind in ("cpu", "memory"):
        request, limit = getattr(resources, f"{kind}_request"), getattr(resources, f"{kind}_limit")
        if _QUANTITY.fullmatch(request) and _QUANTITY.fullmatch(limit) and _amount(request) > _amount(limit):
            yield f"{kind} request {request!r} is above the limit {limit!r}"


def _amount(quantity: str) -> Decimal:
    match = _QUANTITY.fullmatch(quantity)
    assert match is not None
    number, unit = Decimal(match[1]), match[2] or ""
    if unit[-1:].isdigit():
        return Decimal(match[0])  # with an exponent
    return number * Decimal(1024 if unit.endswith("i") else 1000) ** _POWERS[unit[:1]]


def image_problem(image: str) -> str:
    """Say what is wrong with the name of an image, "" when nothing is."""
    if not image:
        return "no image is given"
    return "" if _IMAGE.fullmatch(image) else f"{image!r} is no name of an image"
