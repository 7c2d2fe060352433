"""Who asks, and what they may do: the administrator's token, and users with a short list of verbs and
resources.

A restricted user stands for a service account with a Role. Their files are read again whenever an unknown
token comes, so that one can be made while the server runs.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.local.cluster.api.errors import forbidden, unauthorized
from tradewind.local.cluster.home import Home

__all__ = ["Access", "User"]


@dataclass(frozen=True, slots=True)
class User:
    """Someone with a token. `allow` holds pairs of verb and resource, `*` for any; resources may be
    `pods/log`.
    """

    name: str
    allow: frozenset[tuple[str, str]]

    def may(self, verb: str, resource: str) -> bool:
        return any((v, r) in self.allow for v in (verb, "*") for r in (resource, "*"))


class Access:
    """Tells users by their tokens.

    Args:
        home: has the administrator's token and one file per restricted user.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._admin = home.token()
        self._users: dict[str, User] = {}

    def user(self, header: str) -> User:
        """The user of an `Authorization` header.

        Raises:
            ApiError: 401, there is none.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthorized()
        if hmac.compare_digest(token.encode(), self._admin.encode()):
            return User("tradewind-admin", frozenset({("*", "*")}))
        if token not in self._users:
            self._users = dict(self._read())
        if token not in self._users:
            raise unauthorized()
        return self._users[token]

    def require(self, user: User, verb: str, resource: str, namespace: str, name: str) -> None:
        """Pass, or raise.

        Raises:
            ApiError: 403 in RBAC's words.
        """
        if user.may(verb, resource):
            return
        where = f'in the namespace "{namespace}"' if namespace else "at the cluster scope"
        why = f'User "{user.name}" cannot {verb} resource "{resource}" in API group "" {where}'
        raise forbidden(resource.partition("/")[0], name, why)

    def review(self, user: User, body: Mapping[str, Any]) -> dict[str, Any]:
        """Answer a SelfSubjectAccessReview."""
        wanted = (body.get("spec") or {}).get("resourceAttributes") or {}
        resource = wanted.get("resource", "")
        if wanted.get("subresource"):
            resource += f"/{wanted['subresource']}"
        allowed = user.may(wanted.get("verb", ""), resource)
        reason = (
            "allowed by the embedded cluster" if allowed else f'user "{user.name}" has no such permission'
        )
        head = {"kind": "SelfSubjectAccessReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}}
        return {**head, "spec": body.get("spec") or {}, "status": {"allowed": allowed, "reason": reason}}

    def _read(self) -> list[tuple[str, User]]:
        found = []
        for path in self._home.access.glob("*.json"):
            record = json.loads(path.read_text())
            allow = frozenset((verb, resource) for verb, resource in record["allow"])
            found.append((record["token"], User(record["user"], allow)))
        return found
