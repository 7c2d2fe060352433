"""Where pods may go, and what holds them: the same on the embedded cluster and on a real one."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes.client import ApiException

from fixtures.pods import sh_pod, wait_for

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
HOST = "kubernetes.io/hostname"


@pytest.fixture
def api(contract_api: Any) -> Any:
    return contract_api


@pytest.fixture
def namespace(contract_namespace: str) -> str:
    return contract_namespace


def held(api: Any, namespace: str, body: dict[str, Any]) -> str:
    """Why the scheduler keeps a pod."""
    api.create_namespaced_pod(namespace, body)

    def is_held(found: Any) -> bool:
        return any(each.reason == "Unschedulable" for each in found.status.conditions or ())

    pod = wait_for(api, namespace, body["metadata"]["name"], is_held)
    [condition] = [each for each in pod.status.conditions if each.reason == "Unschedulable"]
    return str(condition.message)


def starts(api: Any, namespace: str, body: dict[str, Any]) -> None:
    api.create_namespaced_pod(namespace, body)
    wait_for(api, namespace, body["metadata"]["name"], lambda found: bool(found.spec.node_name))


def node_affinity(*terms: dict[str, Any]) -> dict[str, Any]:
    return {"nodeAffinity": {REQUIRED: {"nodeSelectorTerms": list(terms)}}}


def expression(key: str, operator: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def test_node_affinity(api: Any, namespace: str) -> None:
    [node] = api.list_node().items
    system = node.metadata.labels["kubernetes.io/os"]
    matching = {
        "matchExpressions": [
            expression("kubernetes.io/os", "In", system, "other"),
            expression("kubernetes.io/os", "NotIn", "other"),
            expression("kubernetes.io/arch", "Exists"),
            expression("moon", "DoesNotExist"),
        ],
        "matchFields": [expression("metadata.name", "In", node.metadata.name)],
    }
    nowhere = {"matchExpressions": [expression("moon", "Exists")]}
    starts(api, namespace, sh_pod("one-of", "true", affinity=node_affinity(nowhere, matching)))
    wish = {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "preference": nowhere}],
    }
    starts(api, namespace, sh_pod("wish", "true", affinity={"nodeAffinity": wish}))
    both = {"matchExpressions": [*matching["matchExpressions"], expression("moon", "Gt", "1")]}
    message = held(api, namespace, sh_pod("all-of", "true", affinity=node_affinity(both)))
    assert message.startswith("0/1 nodes are available: 1 node(s) didn't match Pod's node affinity")


def test_pod_affinity(api: Any, namespace: str) -> None:
    def near(**labels: str) -> list[dict[str, Any]]:
        return [{"labelSelector": {"matchLabels": labels}, "topologyKey": HOST}]

    away = {"podAntiAffinity": {REQUIRED: near(app="cache")}}
    cache = sh_pod("cache", "sleep 60", labels={"app": "cache"}, affinity=away)
    starts(api, namespace, cache)
    starts(api, namespace, sh_pod("friend", "true", affinity={"podAffinity": {REQUIRED: near(app="cache")}}))
    # the first of a group has nobody to join but itself
    group = {"podAffinity": {REQUIRED: near(app="group")}}
    starts(api, namespace, sh_pod("first", "true", labels={"app": "group"}, affinity=group))
    lonely = sh_pod("lonely", "true", affinity={"podAffinity": {REQUIRED: near(app="nobody")}})
    assert "1 node(s) didn't match pod affinity rules" in held(api, namespace, lonely)
    second = sh_pod("second", "true", labels={"app": "cache"}, affinity=away)
    assert "1 node(s) didn't match pod anti-affinity rules" in held(api, namespace, second)
    third = sh_pod("third", "true", labels={"app": "cache"})
    assert "1 node(s) didn't satisfy existing pods anti-affinity rules" in held(api, namespace, third)
    elsewhere = [{**near(app="cache")[0], "namespaces": ["kube-system"]}]
    starts(api, namespace, sh_pod("other", "true", affinity={"podAntiAffinity": {REQUIRED: elsewhere}}))
    everywhere = [{**near(app="cache")[0], "namespaceSelector": {}}]
    fourth = sh_pod("fourth", "true", affinity={"podAntiAffinity": {REQUIRED: everywhere}})
    assert "1 node(s) didn't match pod anti-affinity rules" in held(api, namespace, fourth)


def test_a_claim_that_is_not_there(api: Any, namespace: str) -> None:
    volumes = [{"name": "data", "persistentVolumeClaim": {"claimName": "later"}}]
    message = held(api, namespace, sh_pod("waits", "true", volumes=volumes))
    assert 'persistentvolumeclaim "later" not found' in message


def test_claims_are_checked(api: Any, namespace: str) -> None:
    body = {"metadata": {"name": "a"}, "spec": {"resources": {"requests": {"storage": "1Gi"}}}}
    with pytest.raises(ApiException) as caught:
        api.create_namespaced_persistent_volume_claim(namespace, body)
    assert caught.value.status == 422
    assert "at least 1 access mode is required" in caught.value.body
