"""Airflow, MLflow and the embedded cluster as one local stack.

`Stack` starts and ends it, `running` finds one that somebody else started. The modules are imported when
asked for: this package is also imported by the stack's own small processes and by Airflow's.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tradewind.local.stack.environment import USER, Addresses
    from tradewind.local.stack.home import Home
    from tradewind.local.stack.process import StackError
    from tradewind.local.stack.stack import Options, Stack
    from tradewind.local.stack.state import StackBusyError, StackState, read_password, running

__all__ = [
    "USER",
    "Addresses",
    "Home",
    "Options",
    "Stack",
    "StackBusyError",
    "StackError",
    "StackState",
    "read_password",
    "running",
]

_MODULES = {
    "USER": "environment",
    "Addresses": "environment",
    "Home": "home",
    "Options": "stack",
    "Stack": "stack",
    "StackBusyError": "state",
    "StackError": "process",
    "StackState": "state",
    "read_password": "state",
    "running": "state",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
