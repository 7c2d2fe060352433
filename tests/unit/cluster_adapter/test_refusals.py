"""What the API server refuses: whose affair it is, and whether another try is worth it."""

from __future__ import annotations

import json

import pytest

from tradewind.cluster.refusals import ConflictError, MissingError, RefusedError, refusal
from tradewind.errors import ConfigurationError, FatalError, RetryableError

ADMISSION = "not_admitted"
CASES = [
    (409, 'pods "x" already exists', ConflictError, "", ""),
    (404, 'pods "x" not found', MissingError, "", ""),
    (401, "Unauthorized", ConfigurationError, "", "Renew the token"),
    (
        403,
        'pods is forbidden: User "af" cannot create resource "pods" in API group "" in the namespace "ml"',
        ConfigurationError,
        "",
        "Give it create, get, list, watch",
    ),
    (
        403,
        'pods "x" is forbidden: exceeded quota: team, requested: pods=1, used: pods=5, limited: pods=5',
        RetryableError,
        "quota_exceeded",
        "Wait until other pods have ended",
    ),
    (
        403,
        'pods "x" is forbidden: failed quota: team: must specify limits.memory',
        FatalError,
        ADMISSION,
        "set_memory_limit",
    ),
    (
        403,
        'pods "x" is forbidden: maximum memory usage per Container is 1Gi, but limit is 4Gi',
        FatalError,
        ADMISSION,
        "Change the pod's settings",
    ),
    (
        403,
        'pods "x" is forbidden: error looking up service account ml/nope: serviceaccount "nope" not found',
        FatalError,
        ADMISSION,
        "service_account_name",
    ),
    (
        403,
        'pods "x" is forbidden: no PriorityClass with name nope was found',
        FatalError,
        ADMISSION,
        "priority_class_name",
    ),
    (
        400,
        'admission webhook "policy.example" denied the request: images only from our registry',
        FatalError,
        ADMISSION,
        "as the webhook asks",
    ),
    (422, 'Pod "x" is invalid: spec.containers[0].image: Required value', FatalError, ADMISSION, "settings"),
    (418, "I'm a teapot", FatalError, "", ""),
]


@pytest.mark.parametrize(("status", "message", "kind_of_error", "kind", "remedy"), CASES)
def test_a_refusal(status: int, message: str, kind_of_error: type, kind: str, remedy: str) -> None:
    body = json.dumps({"kind": "Status", "message": message}).encode()
    error = refusal(RefusedError(status, "Reason", body), "POST pods ", "ml")
    assert type(error) is kind_of_error
    assert error.kind == kind
    assert message in error.message
    assert remedy in error.remedy
    if status not in (401, 404, 409) and kind != "quota_exceeded":
        assert "create pods" in error.message


def test_a_refusal_says_what_the_server_says() -> None:
    body = json.dumps({"message": "failed calling webhook: connection refused"}).encode()
    error = RefusedError(500, "Internal Server Error", body)
    assert str(error) == "HTTP 500 Internal Server Error: failed calling webhook: connection refused"
    assert error.transient
    assert str(RefusedError(502, "Bad Gateway", b"<html>")) == "HTTP 502 Bad Gateway: <html>"
