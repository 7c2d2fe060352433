"""`--mlflow`: the address of an MLflow server, checked before anything is done with it."""

from __future__ import annotations

import os
import re
from urllib.parse import urlsplit

from tradewind.cli.exits import UsageError

__all__ = ["mlflow_address", "require_mlflow"]

_BUDGET_SECONDS = 5.0
_UNFIT = re.compile(r"[\s\x00-\x1f\x7f]")


def mlflow_address(given: str) -> str:
    """Return the address that `--mlflow` gives, as the stack writes addresses; empty: none is given.

    Raises:
        UsageError: it is not that of an HTTP server.
    """
    if not given:
        return ""
    try:
        parts = urlsplit(given)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, half an IPv6 address
        sound = False
    if not sound or _UNFIT.search(given):
        raise UsageError(
            f"--mlflow {_without_login(given)!r} is not the address of a server",
            remedy="Write it as http(s)://host[:port].",
        )
    return given.rstrip("/")


def require_mlflow(address: str) -> None:
    """Ask a server whether it is there, and an MLflow server.

    Raises:
        UnreachableError: it does not answer.
        ConfigurationError: it refuses, or is something else.
    """
    from tradewind.tracking import MlflowRest

    rest = MlflowRest(
        address,
        token=os.environ.get("MLFLOW_TRACKING_TOKEN"),
        username=os.environ.get("MLFLOW_TRACKING_USERNAME"),
        password=os.environ.get("MLFLOW_TRACKING_PASSWORD"),
        budget_seconds=_BUDGET_SECONDS,
    )
    rest.post("experiments/search", {"max_results": 1})


def _without_login(address: str) -> str:
    return re.sub(r"//[^/@]*@", "//", address)
