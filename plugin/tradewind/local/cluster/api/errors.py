"""Failures as the API tells them: a `Status` object whose words clients and people already know."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ApiError",
    "FieldProblem",
    "already_exists",
    "bad_request",
    "conflict",
    "expired",
    "forbidden",
    "internal_error",
    "invalid",
    "method_not_allowed",
    "not_found",
    "object_too_large",
    "path_not_found",
    "too_large",
    "unauthorized",
    "unsupported_media_type",
]


class ApiError(Exception):
    """A request that failed.

    Args:
        code: HTTP status.
        reason: Kubernetes' machine-readable reason, such as `NotFound`.
        message: for people.
        details: name, kind and causes, where they apply.
    """

    def __init__(self, code: int, reason: str, message: str, details: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.details = details or {}

    def status(self) -> dict[str, Any]:
        """The response's body."""
        body: dict[str, Any] = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        return body | {"code": self.code}


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One thing that is wrong with an object.

    Attributes:
        field: path such as `spec.containers[0].name`.
        reason: `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotFound`, `FieldValueDuplicate`,
            `FieldValueNotSupported` or `FieldValueForbidden`.
        message: as Kubernetes puts it, without the path.
    """

    field: str
    reason: str
    message: str


def _details(resource: str, name: str) -> dict[str, Any]:
    return {"name": name, "kind": resource} if name else {"kind": resource}


def not_found(resource: str, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{resource} "{name}" not found', _details(resource, name))


def path_not_found() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def already_exists(resource: str, name: str) -> ApiError:
    return ApiError(409, "AlreadyExists", f'{resource} "{name}" already exists', _details(resource, name))


def conflict(resource: str, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(resource, name))


def forbidden(resource: str, name: str, why: str) -> ApiError:
    subject = f'{resource} "{name}"' if name else resource
    return ApiError(403, "Forbidden", f"{subject} is forbidden: {why}", _details(resource, name))


def unauthorized() -> ApiError:
    return ApiError(401, "Unauthorized", "Unauthorized")


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def invalid(kind: str, name: str, problems: Sequence[FieldProblem]) -> ApiError:
    """An object of the wrong shape: lists every problem, each with its field."""
    parts = [f"{problem.field}: {problem.message}" for problem in problems]
    text = parts[0] if len(parts) == 1 else f"[{', '.join(parts)}]"
    causes = [{"reason": item.reason, "message": item.message, "field": item.field} for item in problems]
    details = {"name": name, "kind": kind, "causes": causes}
    return ApiError(422, "Invalid", f'{kind} "{name}" is invalid: {text}', details)


def expired(message: str) -> ApiError:
    return ApiError(410, "Expired", message)


def method_not_allowed(what: str) -> ApiError:
    return ApiError(
        405, "MethodNotAllowed", f"the server does not allow this method on the requested resource{what}"
    )


def unsupported_media_type(given: str) -> ApiError:
    known = (
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
    )
    message = "the body of the request was in an unknown format - accepted media types include: "
    return ApiError(415, "UnsupportedMediaType", f"{message}{known} (got {given})")


def too_large() -> ApiError:
    return ApiError(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")


def object_too_large() -> ApiError:
    """In etcd's words, and with the code 500 that API servers make of them."""
    return ApiError(500, "", "etcdserver: request is too large")


def internal_error(message: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {message}")
