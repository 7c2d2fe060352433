"""Whether MLflow and the artifact store can be used from here: for `tradewind check` and the Test buttons.

A probe does what a run would do (ask, write, remove) and says what it found; what fails raises an error of
ours, with its remedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from tradewind.operators.mlflow import MlflowAccess

__all__ = ["mlflow_answers", "mlflow_keeps_artifacts", "store_writable"]

_TIMEOUT_SECONDS = 5.0
_CONTENT = b"written by a check of Tradewind's"


def mlflow_answers(access: MlflowAccess) -> str:
    """Ask an MLflow server for its experiments; returns its address and version.

    Raises:
        TradewindError: it is away, or refuses.
    """
    from tradewind.tracking import RejectedError

    rest = access.rest(_TIMEOUT_SECONDS)
    rest.post("experiments/search", {"max_results": 1})
    try:
        version = rest.send("GET", "/version", None, "").decode("utf-8", "replace").strip()
    except RejectedError:  # servers that only speak MLflow's API
        return rest.uri
    return f"{rest.uri}, MLflow {version}" if len(version) < 40 else rest.uri


def mlflow_keeps_artifacts(access: MlflowAccess) -> None:
    """Write a file through the server's artifact proxy, as pods do, and remove it.

    Raises:
        TradewindError: it could not be written.
    """
    rest = access.rest(_TIMEOUT_SECONDS)
    path = f"tradewind-check-{uuid4()}"
    rest.put_artifact(path, _CONTENT, "text/plain")
    rest.send("DELETE", f"/api/2.0/mlflow-artifacts/artifacts/{path}", None, "")


def store_writable(root: str, environ: Mapping[str, str]) -> None:
    """Write, read and remove a file of an artifact store.

    Args:
        root: URI of the store.
        environ: variables with addresses and credentials, as in docs/protocol.md.

    Raises:
        TradewindError: one of the three could not be done.
    """
    from tradewind.artifacts import ArtifactStore

    store = ArtifactStore(environ, timeout_seconds=_TIMEOUT_SECONDS)
    uri = store.child(root, f".tradewind/check-{uuid4()}")
    store.write(uri, _CONTENT)
    store.read(uri)
    store.delete(uri)
