"""Which loopback ports the stack's servers take.

People bookmark `localhost:8080`, and links into MLflow stand in Airflow's database for ever: a port is
kept from one start to the next, and given up only when somebody else holds it.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from pathlib import Path

__all__ = ["DEFAULT_PORTS", "choose_ports", "is_free"]

DEFAULT_PORTS: Mapping[str, int] = {"airflow": 8080, "mlflow": 5000}

_NEIGHBOURS = 100


def is_free(port: int) -> bool:
    """Whether nobody listens on `port` of the loopback interface and a server of ours could."""
    with socket.socket() as probe:
        probe.settimeout(1)
        if probe.connect_ex(("127.0.0.1", port)) == 0:
            return False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do: TIME_WAIT is free
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def choose_ports(file: Path, wanted: Mapping[str, int] = DEFAULT_PORTS) -> dict[str, int]:
    """Choose a free port for every name in `wanted` and remember them.

    Args:
        file: where the last choice is kept; a missing or unreadable one counts as none.
        wanted: the port to prefer on the first start, by name.

    Returns:
        The ports used last where they are free, else the wanted ones or the next free ones; all different.
    """
    last = _read(file)
    chosen: dict[str, int] = {}
    for name, default in wanted.items():
        candidates = [last.get(name, default), *range(default, default + _NEIGHBOURS)]
        free = (port for port in candidates if port not in chosen.values() and is_free(port))
        chosen[name] = next(free, 0) or _any_free_port()
    file.write_text(json.dumps(chosen) + "\n")
    return chosen


def _read(file: Path) -> dict[str, int]:
    try:
        ports = json.loads(file.read_text())
    except (OSError, ValueError):
        return {}
    if not isinstance(ports, dict):
        return {}
    return {name: port for name, port in ports.items() if isinstance(port, int) and 0 < port < 65536}


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
