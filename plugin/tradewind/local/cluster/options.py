"""What can be set on an embedded cluster, once, for the Python call and for the command line alike."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from tradewind.errors import ConfigurationError

__all__ = ["Options", "parse"]

ISOLATION = ("auto", "mounts", "user-mounts", "paths")


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one embedded cluster.

    Attributes:
        port: TCP port on 127.0.0.1; 0 for the one of last time, or any free one. max_pods: pods that run at
        the same time; others stay Pending. 0 for twice the number of cores, at least 4. keep_finished:
        ended pods that are kept; beyond that the oldest go, logs included. isolation: `mounts` (root),
        `user-mounts` (user namespaces), `paths` (none), or `auto` for the best that works. missing_images:
        patterns (as in a shell) of image names that "cannot be pulled". resources: extended resources that
        the node has, as `nvidia.com/gpu=1`. event_seconds: age at which Event objects are dropped.
    """

    port: int = 0
    max_pods: int = 0
    keep_finished: int = 500
    isolation: str = "auto"
    missing_images: tuple[str, ...] = ("missing.invalid/*",)
    resources: tuple[str, ...] = ()
    event_seconds: float = 3600.0

    def __post_init__(self) -> None:
        if self.isolation not in ISOLATION:
            raise ConfigurationError(
                f"isolation {self.isolation!r} is none of {', '.join(ISOLATION)}",
                remedy="Leave it at 'auto'.",
            )
        for resource in self.resources:
            name, _, amount = resource.partition("=")
            if "/" not in name or not amount.isdigit():
                raise ConfigurationError(
                    f"{resource!r} is not an extended resource", remedy="Write it as nvidia.com/gpu=1."
                )

    @property
    def pod_slots(self) -> int:
        """How many pods may run at the same time."""
        return self.max_pods or max(4, 2 * (os.cpu_count() or 1))

    def arguments(self) -> list[str]:
        """As arguments of the command line."""
        arguments: list[str] = []
        for item in fields(self):
            value = getattr(self, item.name)
            if value == item.default:
                continue
            name = "--" + item.name.replace("_", "-")
            for single in value if isinstance(value, tuple) else (value,):
                arguments += [name, str(single)]
        return arguments


def parse(arguments: Sequence[str] | None = None) -> tuple[Path, int | None, Options]:
    """Read the command line of `python -m tradewind.local.cluster`.

    Returns:
        The cluster's directory, a descriptor to be told when the server is ready (or None), and the options.
    """
    parser = argparse.ArgumentParser(
        prog="python -m tradewind.local.cluster",
        description="Serve Kubernetes' API for pods on loopback; containers are processes of this machine.",
    )
    defaults = Options()
    parser.add_argument(
        "--home", type=Path, required=True, help="directory of the cluster's state and kubeconfig"
    )
    parser.add_argument("--port", type=int, default=defaults.port, help="0: as last time, or any free port")
    parser.add_argument(
        "--max-pods", type=int, default=0, help="running at the same time; 0: twice the cores"
    )
    parser.add_argument(
        "--keep-finished", type=int, default=defaults.keep_finished, help="ended pods to keep"
    )
    parser.add_argument("--isolation", choices=ISOLATION, default=defaults.isolation)
    parser.add_argument(
        "--missing-images", action="append", metavar="PATTERN", help="images that cannot be pulled"
    )
    parser.add_argument("--resources", action="append", metavar="NAME=N", help="such as nvidia.com/gpu=1")
    parser.add_argument(
        "--event-seconds", type=float, default=defaults.event_seconds, help="age of events to drop"
    )
    parser.add_argument("--ready-descriptor", type=int, help=argparse.SUPPRESS)
    found = vars(parser.parse_args(arguments))
    home = found.pop("home").expanduser().absolute()
    ready = found.pop("ready_descriptor")
    for name in ("missing_images", "resources"):
        found[name] = tuple(found[name]) if found[name] is not None else getattr(defaults, name)
    return home, ready, Options(**found)
