"""What the Kubernetes API server's refusals mean for a step."""

from __future__ import annotations

import json
import re
import time
from typing import Any

from tradewind.errors import ConfigurationError, FatalError, RetryableError, TradewindError

__all__ = ["DOUBT_SECONDS", "ConflictError", "Doubt", "MissingError", "RefusedError", "refusal"]

_RIGHTS = {
    "pods": "Give it create, get, list, watch, patch and delete on pods, and get on pods/log.",
    "persistentvolumeclaims": "Give it create, get, list, patch and delete on persistentvolumeclaims.",
    "events": "Give it list on events.",
}


DOUBT_SECONDS = 5.0
LONG_DOUBT_SECONDS = 30.0


class RefusedError(Exception):
    """The API server answered with an error. Inner currency of this package, never shown to a user.

    Attributes:
        status: HTTP status.
        body: the answer, a Kubernetes Status as JSON if all is well.
        retry_after: seconds that the server asks to wait; None when it does not ask.
        forgotten: the server does not know us (401), but did before.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        body: bytes = b"",
        retry_after: str | None = None,
        *,
        forgotten: bool = False,
    ) -> None:
        said = str(_status(body).get("message") or "")
        super().__init__(f"HTTP {status} {reason}".strip() + (f": {said}" if said else ""))
        self.status = status
        self.reason = reason
        self.body = body
        self.forgotten = forgotten
        try:
            self.retry_after = float(retry_after) if retry_after else None
        except ValueError:  # a date; our own pause will do
            self.retry_after = None

    @property
    def transient(self) -> bool:
        """Say whether the refusal may be gone in a moment."""
        return self.status in (408, 429, 500, 502, 503, 504)

    @property
    def of_rights(self) -> bool:
        """Say whether the server does not know us, or does not let us."""
        return self.status == 401 or (self.status == 403 and bool(_NO_RIGHT.search(str(self))))


class Doubt:
    """When to believe that an account has no right: not at once.

    An API server that has just been started refuses everybody until it has read its accounts and Roles. It
    says so in the very words in which it refuses those who have no right, and for good. And who renews a
    token may be late, so that the old one is refused before the new one is there.
    """

    def __init__(self) -> None:
        self._since: float | None = None
        self._was_away = False

    def server_was_away(self) -> None:
        """The next refusals may be those of a server that starts."""
        self._was_away = True

    def covers(self, error: RefusedError) -> bool:
        """Say whether a refusal is to be asked again."""
        if not error.of_rights:
            return False
        now = time.monotonic()
        self._since = self._since or now
        long = self._was_away or error.forgotten
        return now - self._since < (LONG_DOUBT_SECONDS if long else DOUBT_SECONDS)


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
    status = _status(error.body)
    message = str(status.get("message") or error.reason or error)
    if error.status == 409:
        return ConflictError(message)
    if error.status == 404:
        return _missing(status, message, namespace)
    if error.status == 401:
        # What was let in before has expired, and may be renewed by the next try.
        kind = RetryableError if error.forgotten else ConfigurationError
        return kind(
            f"the Kubernetes API server does not know who we are ({what}): {message}",
            remedy="Renew the token or kubeconfig of the Airflow connection.",
        )
    if error.status == 403 and _NO_RIGHT.search(message):
        return ConfigurationError(
            f"Airflow's account may not {_words(what)} in namespace {namespace!r}: {message}",
            remedy=next((_RIGHTS[kind] for kind in _RIGHTS if f" {kind} " in f"{what} "), _RIGHTS["pods"]),
        )
    if error.status == 403 and "exceeded quota" in message:
        return RetryableError(
            f"the namespace's quota leaves no room for the pod: {message}",
            remedy="Wait until other pods have ended, ask for less, or have the quota raised.",
            kind="quota_exceeded",
        )
    if error.status in (400, 403, 422):
        return FatalError(
            f"the cluster does not admit it ({_words(what)}): {message}",
            remedy=_admission_remedy(message),
            kind="not_admitted",
        )
    return FatalError(f"the Kubernetes API server refuses to {_words(what)}: {message}")


_NO_RIGHT = re.compile(r"\bcannot (create|get|list|watch|patch|update|delete)\b")
_VERBS = {"POST": "create", "GET": "get", "PATCH": "patch", "DELETE": "delete"}


def _words(what: str) -> str:
    """A request in the words of a Role: "POST pods x" is "create pods x"."""
    method, _, rest = what.strip().partition(" ")
    return f"{_VERBS.get(method, method)} {rest}".strip()


def _admission_remedy(message: str) -> str:
    if "failed quota" in message:
        return (
            "The namespace's quota wants these to be said: give the step requests and limits"
            " (set_memory_limit, set_cpu_limit), or the namespace a LimitRange with defaults."
        )
    if "serviceaccount" in message:
        return "Create the service account, or give another one (service_account_name)."
    if "PriorityClass" in message:
        return "Create the priority class, or give another one (priority_class_name)."
    if "admission webhook" in message:
        return "Change the pod's settings as the webhook asks, or ask those who look after it."
    return "Change the pod's settings."


def _missing(status: dict[str, Any], message: str, namespace: str) -> TradewindError:
    if (status.get("details") or {}).get("kind") == "namespaces":
        return ConfigurationError(
            f"there is no namespace {namespace!r} in the cluster",
            remedy="Create it, or set another one (pipeline_dag(namespace=...), [tradewind] namespace).",
        )
    return MissingError(message)


def _status(body: bytes) -> dict[str, Any]:
    """Return Kubernetes' own account of a refusal, as far as there is one."""
    text = body.decode("utf-8", errors="replace")
    try:
        status = json.loads(text or "{}")
    except ValueError:
        return {"message": text[:500]}
    return status if isinstance(status, dict) else {}
