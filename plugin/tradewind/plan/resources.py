"""Whether the texts of a container's settings are what Kubernetes takes.

They may come from the run itself ("lots" as memory), and Kubernetes would say so only once the pod is made,
in words that name neither the step nor the setting.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields

from tradewind.plan.model import Resources

__all__ = ["image_problem", "resource_problems"]

_QUANTITY = re.compile(r"(\d+\.?\d*|\.\d+)([numkMGTPE]|[KMGTPE]i|[eE][+-]?\d+)?")
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


def image_problem(image: str) -> str:
    """Say what is wrong with the name of an image, "" when nothing is."""
    if not image:
        return "no image is given"
    return "" if _IMAGE.fullmatch(image) else f"{image!r} is no name of an image"
