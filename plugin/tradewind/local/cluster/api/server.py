"""HTTP in front of everything: paths to verbs, users, content types, errors, the count of requests."""

from __future__ import annotations

import json
import traceback
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from aiohttp import web

from tradewind.local.cluster.api import discovery, protobuf
from tradewind.local.cluster.api.access import Access, User
from tradewind.local.cluster.api.audit import Audit
from tradewind.local.cluster.api.errors import (
    ApiError,
    bad_request,
    internal_error,
    method_not_allowed,
    path_not_found,
    too_large,
)
from tradewind.local.cluster.api.kinds import KINDS, Kind
from tradewind.local.cluster.api.podlogs import Logs
from tradewind.local.cluster.api.resources import Resources, matcher
from tradewind.local.cluster.api.tables import table, wants_table
from tradewind.local.cluster.api.watches import Watch
from tradewind.local.cluster.store import Object, Store

__all__ = ["ApiServer"]

BODY_BYTES = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Target:
    """What a path names. `name` and `subresource` may be empty."""

    kind: Kind
    namespace: str
    name: str
    subresource: str

    @property
    def resource(self) -> str:
        return f"{self.kind.resource}/{self.subresource}" if self.subresource else self.kind.resource

    @property
    def key(self) -> tuple[str, str, str]:
        return self.kind.resource, self.namespace, self.name


class ApiServer:
    """Answers requests.

    Args:
        store, resources, logs, access, audit: what it serves with.
    """

    def __init__(self, store: Store, resources: Resources, logs: Logs, access: Access, audit: Audit) -> None:
        self._store = store
        self._resources = resources
        self._logs = logs
        self._access = access
        self._audit = audit

    def application(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=BODY_BYTES)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except ApiError as error:
            return _json(error.status(), error.code)
        except web.HTTPRequestEntityTooLarge:
            return _json(too_large().status(), 413)
        except Exception as error:  # noqa: BLE001  (whatever it is, the client gets a Status and the log the traceback)
            traceback.print_exc()
            failure = internal_error(f"{type(error).__name__}: {error}")
            return _json(failure.status(), failure.code)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.rstrip("/")
        if path in ("/healthz", "/livez", "/readyz"):
            return web.Response(text="ok")
        user = self._access.user(request.headers.get("Authorization", ""))
        if path == "/debug/requests":
            return _json(self._audit.reset() if request.method == "DELETE" else self._audit.report())
        parts = path.split("/")[1:]
        if parts[:2] == ["api", "v1"] and len(parts) > 2:
            return await self._answer_resource(request, user, _target(parts[2:]))
        self._audit.count(request.method.lower(), path or "/", request.headers.get("User-Agent", ""))
        if path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews" and request.method == "POST":
            return _json(self._access.review(user, await _body(request)), 201)
        if request.method != "GET":
            raise path_not_found()
        return self._discover(request, path)

    @staticmethod
    def _discover(request: web.Request, path: str) -> web.Response:
        documents: Mapping[str, Callable[[], Any]] = {
            "/version": discovery.version,
            "/api": lambda: discovery.api_versions(request.host),
            "/api/v1": discovery.resource_list,
            "/apis": lambda: discovery.GROUP_LIST,
            "/apis/authorization.k8s.io": lambda: discovery.GROUP_LIST["groups"][0],
            "/apis/authorization.k8s.io/v1": discovery.review_resources,
        }
        if path == "/openapi/v2":
            kind = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
            return web.Response(body=discovery.OPENAPI, headers={"Content-Type": kind})
        if path not in documents:
            raise path_not_found()
        return _json(documents[path]())

    async def _answer_resource(self, request: web.Request, user: User, target: Target) -> web.StreamResponse:
        verb = _verb(request, target)
        self._audit.count(verb, target.resource, request.headers.get("User-Agent", ""))
        self._access.require(user, verb, target.resource, target.namespace, target.name)
        if target.subresource:
            allowed = (target.kind.subresources or {}).get(target.subresource)
            if allowed is None or verb not in allowed:
                raise method_not_allowed(f" ({target.resource} is not there in the embedded cluster)")
        elif verb not in target.kind.verbs:
            raise method_not_allowed(f" ({verb} {target.resource})")
        handler: Callable[[web.Request, Target], Awaitable[web.StreamResponse]] = getattr(self, f"_{verb}")
        return await handler(request, target)

    # --- one method per verb
    # ----------------------------------------------------------------------------------

    async def _get(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = self._resources.get(target.kind, target.namespace, target.name)
        if target.subresource == "log":
            return await self._logs.serve(request, body)
        return _object(request, target.kind, body)

    async def _list(self, request: web.Request, target: Target) -> web.StreamResponse:
        items, metadata = self._resources.list(target.kind, target.namespace, request.query)
        return _list(request, target.kind, items, metadata)

    async def _watch(self, request: web.Request, target: Target) -> web.StreamResponse:
        kind = target.kind
        as_table = wants_table(request.headers.get("Accept", ""))

        def render(body: Mapping[str, Any]) -> Mapping[str, Any]:
            version = {"resourceVersion": body["metadata"]["resourceVersion"]}
            return table(kind.resource, [body], version) if as_table else body

        def bookmark(version: int, annotations: Mapping[str, str]) -> Mapping[str, Any]:
            metadata: dict[str, Any] = {"resourceVersion": str(version), "creationTimestamp": None}
            if annotations:
                metadata["annotations"] = dict(annotations)
            if as_table:
                return table(kind.resource, [], metadata)
            return {"kind": kind.name, "apiVersion": "v1", "metadata": metadata}

        matches = matcher(kind.resource, request.query)
        if target.name:
            named = target.name
            matches = _both(matches, named)
        watch = Watch(self._store, kind.resource, target.namespace, matches, render, bookmark)
        return await watch.serve(request)

    async def _create(self, request: web.Request, target: Target) -> web.StreamResponse:
        body = await _body(request)
        if target.subresource == "eviction":
            options = (body.get("deleteOptions") or {}) if isinstance(body, dict) else {}
            self._resources.delete(target.kind, target.key, options)
            return _json(
                {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}, 201
            )
        if target.name:
            raise method_not_allowed(" (POST to a name)")
        dry_run = bool(request.query.get("dryRun"))
        created = self._resources.create(target.kind, target.namespace, body, dry_run=dry_run)
        return _object(request, target.kind, created, 201)

    async def _update(self, request: web.Request, target: Target) -> web.StreamResponse:
        updated = self._resources.replace(
            target.kind,
            target.key,
            await _body(request),
            status_only=target.subresource == "status",
            dry_run=bool(request.query.get("dryRun")),
        )
        return _object(request, target.kind, updated)

    async def _patch(self, request: web.Request, target: Target) -> web.StreamResponse:
        patched = self._resources.patch(
            target.kind,
            target.key,
            request.headers.get("Content-Type", ""),
            await _body(request),
            status_only=target.subresource == "status",
            dry_run=bool(request.query.get("dryRun")),
        )
        return _object(request, target.kind, patched)

    async def _delete(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = await _delete_options(request)
        deleted = self._resources.delete(target.kind, target.key, options)
        if target.kind.resource in ("pods", "persistentvolumeclaims", "namespaces"):
            return _object(request, target.kind, deleted)
        details = {"name": target.name, "kind": target.kind.resource, "uid": deleted["metadata"]["uid"]}
        return _json(
            {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
        )

    async def _deletecollection(self, request: web.Request, target: Target) -> web.StreamResponse:
        options = await _delete_options(request)
        items, metadata = self._resources.delete_collection(
            target.kind, target.namespace, request.query, options
        )
        return _list(request, target.kind, items, metadata)


def _both(matches: Callable[[Mapping[str, Any]], bool], name: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda body: bool(body["metadata"]["name"] == name) and matches(body)


def _target(parts: list[str]) -> Target:
    """Read the part of a path after `/api/v1/`."""
    if parts[0] == "watch":  # the old spelling of ?watch=true
        parts = parts[1:]
    namespace = ""
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] in KINDS:
        namespace, parts = parts[1], parts[2:]
    kind = KINDS.get(parts[0]) if parts else None
    if kind is None or len(parts) > 3 or (namespace and not kind.namespaced):
        raise path_not_found()
    name = parts[1] if len(parts) > 1 else ""
    if name and kind.namespaced and not namespace:
        raise path_not_found()
    return Target(kind, namespace, name, parts[2] if len(parts) > 2 else "")


def _verb(request: web.Request, target: Target) -> str:
    if request.method == "GET":
        watching = request.query.get("watch") in ("true", "1", "True") or request.path.startswith(
            "/api/v1/watch/"
        )
        if watching:
            return "watch"
        return "get" if target.name else "list"
    if request.method == "DELETE" and not target.name:
        return "deletecollection"
    if request.method == "POST" and target.kind.namespaced and not target.namespace:
        raise method_not_allowed("")
    verbs = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
    if request.method not in verbs:
        raise method_not_allowed("")
    return verbs[request.method]


async def _body(request: web.Request) -> Any:
    text = await request.read()
    content_type = request.headers.get("Content-Type", "")
    try:
        if "protobuf" in content_type:
            return protobuf.decode(text)
        return yaml.safe_load(text) if "yaml" in content_type else json.loads(text)
    except LookupError as error:
        message = f"the embedded cluster reads {error} as JSON or YAML only, not protobuf"
        raise ApiError(415, "UnsupportedMediaType", message) from error
    except (ValueError, yaml.YAMLError) as error:
        raise bad_request(f"the body of the request cannot be parsed: {error}") from error


async def _delete_options(request: web.Request) -> Mapping[str, Any]:
    body = (await _body(request) or {}) if request.can_read_body else {}
    if not isinstance(body, dict):
        raise bad_request("the body of the request is not DeleteOptions")
    options = {name: value for name, value in body.items() if value is not None}
    for name in ("gracePeriodSeconds",):
        if name in request.query:
            text = request.query[name]
            if not text.lstrip("-").isdigit():
                raise bad_request(f"{name}: Invalid value: {text!r}")
            options[name] = int(text)
    if request.query.get("dryRun"):
        options["dryRun"] = [request.query["dryRun"]]
    return options


def _object(request: web.Request, kind: Kind, body: Object, status: int = 200) -> web.Response:
    if wants_table(request.headers.get("Accept", "")):
        version = {"resourceVersion": body["metadata"].get("resourceVersion", "")}
        return _json(table(kind.resource, [body], version), status)
    return _json(body, status)


def _list(request: web.Request, kind: Kind, items: list[Object], metadata: Mapping[str, Any]) -> web.Response:
    if wants_table(request.headers.get("Accept", "")):
        return _json(table(kind.resource, items, metadata))
    return _json({**kind.empty_list(), "metadata": metadata, "items": items})


def _json(body: Any, status: int = 200) -> web.Response:
    data = json.dumps(body, separators=(",", ":")).encode()
    return web.Response(body=data, status=status, content_type="application/json")
