"""What clients ask before anything else: version, groups, resources, and an OpenAPI document."""

from __future__ import annotations

import platform
from typing import Any

from tradewind.local.cluster.api.kinds import KINDS

__all__ = ["GROUP_LIST", "OPENAPI", "api_versions", "resource_list", "review_resources", "version"]

# kubectl validates manifests against an OpenAPI document in protobuf before it sends them, and skips kinds
# that the document does not describe. So this one is empty: field 1 swagger, field 2 info (title, version),
# field 8 paths.
OPENAPI = b"\x0a\x032.0\x12\x11\x0a\x09Tradewind\x12\x04v1.0\x42\x00"

GROUP = "authorization.k8s.io"

GROUP_LIST: dict[str, Any] = {
    "kind": "APIGroupList",
    "apiVersion": "v1",
    "groups": [
        {
            "name": GROUP,
            "versions": [{"groupVersion": f"{GROUP}/v1", "version": "v1"}],
            "preferredVersion": {"groupVersion": f"{GROUP}/v1", "version": "v1"},
        }
    ],
}


def version() -> dict[str, str]:
    """`/version`: what is spoken is the API as of 1.32, as far as pods go."""
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return {
        "major": "1",
        "minor": "32",
        "gitVersion": "v1.32.0+tradewind",
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "none",
        "compiler": "python",
        "platform": f"{platform.system().lower()}/{machine}",
    }


def api_versions(address: str) -> dict[str, Any]:
    """`/api`."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def resource_list() -> dict[str, Any]:
    """`/api/v1`."""
    resources: list[dict[str, Any]] = []
    for kind in KINDS.values():
        entry: dict[str, Any] = {
            "name": kind.resource,
            "singularName": kind.name.lower(),
            "namespaced": kind.namespaced,
            "kind": kind.name,
            "verbs": list(kind.verbs),
        }
        if kind.short:
            entry["shortNames"] = list(kind.short)
        if kind.categories:
            entry["categories"] = list(kind.categories)
        resources.append(entry)
        for name, verbs in (kind.subresources or {}).items():
            subresource = {
                "name": f"{kind.resource}/{name}",
                "singularName": "",
                "namespaced": kind.namespaced,
            }
            resources.append(subresource | {"kind": kind.name, "verbs": list(verbs)})
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "v1", "resources": resources}


def review_resources() -> dict[str, Any]:
    """`/apis/authorization.k8s.io/v1`."""
    review = {
        "name": "selfsubjectaccessreviews",
        "singularName": "selfsubjectaccessreview",
        "namespaced": False,
        "kind": "SelfSubjectAccessReview",
        "verbs": ["create"],
    }
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": f"{GROUP}/v1",
        "resources": [review],
    }
