"""CPU, memory and accelerators of a task, as KFP writes them.

The IR holds each value twice: as the text that was given (`resourceCpuLimit: 500m`) and, for old backends, as
a number (`cpuLimit: 0.5`; memory in 10^9 bytes). Both are written; we ourselves read the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Resources", "cores", "gigabytes"]

_CPU = re.compile(r"([0-9]*\.)?[0-9]+m?")
_MEMORY = re.compile(r"([0-9]+)([EPTGMK]i?)?")
_UNITS = {
    f"{letter}{suffix}": base**power
    for suffix, base in (("", 1000), ("i", 1024))
    for power, letter in enumerate("KMGTPE", start=1)
}


@dataclass(slots=True)
class Resources:
    """What a task asks for; texts may hold tokens of values known at run time. Empty: not set."""

    cpu_request: str = ""
    cpu_limit: str = ""
    memory_request: str = ""
    memory_limit: str = ""
    accelerator_type: str = ""
    accelerator_count: str = ""

    def items(self) -> list[tuple[str, str]]:
        """Name and text of everything that is set."""
        pairs = ((name, getattr(self, name)) for name in self.__slots__)
        return [(name, text) for name, text in pairs if text]

    def contradictions(self) -> Iterator[str]:
        """Requests above their limits: Kubernetes refuses the pod."""
        for kind, amount in (("cpu", cores), ("memory", gigabytes)):
            request, limit = getattr(self, f"{kind}_request"), getattr(self, f"{kind}_limit")
            with suppress(ValueError):  # known at run time only
                if request and limit and amount(request) > amount(limit):
                    yield f"the {kind} request {request!r} is above the limit {limit!r}"


def cores(text: str) -> float:
    """CPU cores of a quantity such as "2", "0.5" or "500m".

    Raises:
        ValueError: not such a quantity.
    """
    if not _CPU.fullmatch(text):
        raise ValueError(f"{text!r} is not a number of CPUs; write for example '2', '0.5' or '500m'")
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def gigabytes(text: str) -> float:
    """Memory in 10^9 bytes of a quantity such as "512Mi" or "4G".

    Raises:
        ValueError: not such a quantity.
    """
    match = _MEMORY.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is not an amount of memory; write for example '512Mi' or '4G'")
    number = float(match[1])
    # In this order, KFP's own numbers come out to the last bit.
    return number if match[2] == "G" else number * _UNITS.get(match[2] or "", 1) / 10**9
