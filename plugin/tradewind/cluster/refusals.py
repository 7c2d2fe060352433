"""What the Kubernetes API server's refusals mean for a step."""

from __future__ import annotations

import json
from typing import Any

from tradewind.errors import ConfigurationError, FatalError, RetryableError, TradewindError

__all__ = ["ConflictError", "MissingError", "RefusedError", "refusal"]

_RIGHTS = {
    "pods": "Give it create, get, list, watch, patch and delete on pods, and get on pods/log.",
    "persistentvolumeclaims": "Give it create, get, list, patch and delete on persistentvolumeclaims.",
    "events": "Give it list on events.",
}


class RefusedError(Exception):
    """The API server answered with an error. Inner currency of this package, never shown to a user.

    Attributes:
        status: HTTP status.
        body: the answer, a Kubernetes Status as JSON if all is well.
        retry_after: seconds that the server asks to wait; None when it does not ask.
    """

    def __init__(self, status: int, reason: str, body: bytes = b"", retry_after: str | None = None) -> None:
        super().__init__(f"HTTP {status} {reason}".strip())
        self.status = status
        self.reason = reason
        self.body = body
        try:
            self.retry_after = float(retry_after) if retry_after else None
        except ValueError:  # a date; our own pause will do
            self.retry_after = None

    @property
    def transient(self) -> bool:
        """Say whether the refusal may be gone in a moment."""
        return self.status in (408, 429, 500, 502, 503, 504)


class ConflictError(RetryableError):
    """There is an object of that name already."""


class MissingError(RetryableError):
    """There is no such object."""


def refusal(error: RefusedError, what: str, namespace: str) -> TradewindError:
    """Return the error to raise for a refusal that is not worth repeating at once.

    Args:
        error: the API server's answer.
        what: the request, for the message.
        namespace: of the request.
    """
    status = _status(error)
    message = str(status.get("message") or error.reason or error)
    if error.status == 409:
        return ConflictError(message)
    if error.status == 404:
        return _missing(status, message, namespace)
    if error.status == 401:
        return ConfigurationError(
            f"the Kubernetes API server does not know who we are ({what}): {message}",
            remedy="Renew the token or kubeconfig of the Airflow connection.",
        )
    if error.status == 403:
        return _forbidden(message, what, namespace)
    return FatalError(
        f"the Kubernetes API server refuses {what}: {message}",
        remedy="Correct the step's pod settings." if error.status in (400, 422) else "",
    )


def _missing(status: dict[str, Any], message: str, namespace: str) -> TradewindError:
    if (status.get("details") or {}).get("kind") == "namespaces":
        return ConfigurationError(
            f"there is no namespace {namespace!r} in the cluster",
            remedy="Create it, or set another one (pipeline_dag(namespace=...), [tradewind] namespace).",
        )
    return MissingError(message)


def _forbidden(message: str, what: str, namespace: str) -> TradewindError:
    if "exceeded quota" in message:
        return RetryableError(
            f"the namespace's quota leaves no room for the pod: {message}",
            remedy="Wait until other pods have ended, ask for less, or have the quota raised.",
        )
    if "is not allowed" in message or "admission webhook" in message or "violates PodSecurity" in message:
        return FatalError(
            f"the cluster does not admit the pod: {message}", remedy="Change the pod's settings."
        )
    return ConfigurationError(
        f"Airflow's account may not {what} in namespace {namespace!r}: {message}",
        remedy=next((_RIGHTS[kind] for kind in _RIGHTS if f" {kind} " in f"{what} "), _RIGHTS["pods"]),
    )


def _status(error: RefusedError) -> dict[str, Any]:
    text = error.body.decode("utf-8", errors="replace")
    try:
        status = json.loads(text or "{}")
    except ValueError:
        return {"message": text[:500]}
    return status if isinstance(status, dict) else {}
