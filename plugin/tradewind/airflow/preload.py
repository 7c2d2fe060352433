"""Heavy modules loaded ahead in long-lived parents, from which task processes are forked."""

from __future__ import annotations

__all__ = ["preload_if_parent"]


def preload_if_parent() -> None:
    """Load nothing yet."""
