"""docker/kubernetes: every right of Airflow's is small, justified, and used."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from typing import Any

import pytest
import yaml

from fixtures.service_accounts import MANIFESTS, manifests, rights

KINDS = {"Kustomization", "Namespace", "ServiceAccount", "Role", "RoleBinding", "NetworkPolicy"}
FILES = sorted(MANIFESTS.glob("*.yaml"))
ROLES = [path for path in FILES if path.name.startswith("role-")]


def objects() -> list[dict[str, Any]]:
    return [item for path in FILES for item in yaml.safe_load_all(path.read_text())]


def test_nothing_has_rights_beyond_one_namespace() -> None:
    found = objects()
    assert {item["kind"] for item in found} == KINDS, "no ClusterRole, no ClusterRoleBinding"
    namespaced = [item for item in found if item["kind"] not in ("Kustomization", "Namespace")]
    assert {item["metadata"]["namespace"] for item in namespaced} == {"pipelines"}


def test_roles_hold_no_wildcard_and_nothing_that_opens_a_way_into_pods_or_secrets() -> None:
    granted = rights("steps", "deferred", "events", "volumes")
    resources = {resource for _, resource in granted}
    assert resources == {"pods", "pods/log", "events", "persistentvolumeclaims"}
    assert {verb for verb, _ in granted} == {"create", "get", "list", "watch", "patch", "delete"}
    for role in manifests("Role"):
        assert all(rule["apiGroups"] == [""] for rule in role["rules"])


@pytest.mark.parametrize("path", ROLES, ids=lambda path: path.stem)
def test_every_verb_says_what_it_is_for(path: Any) -> None:
    text = path.read_text()
    verbs = re.findall(r"^ {6}- (\w+) *(#.*)?$", text, re.MULTILINE)
    declared = [
        verb for role in yaml.safe_load_all(text) for rule in role.get("rules", ()) for verb in rule["verbs"]
    ]
    assert [verb for verb, _ in verbs] == declared
    assert [verb for verb, why in verbs if len(why) < 20] == []


def test_bindings_lead_from_accounts_that_exist_to_roles_that_exist() -> None:
    accounts = {item["metadata"]["name"] for item in manifests("ServiceAccount")}
    roles = {item["metadata"]["name"] for item in manifests("Role")}
    bound = {
        (item["roleRef"]["name"], subject["name"])
        for item in manifests("RoleBinding")
        for subject in item["subjects"]
    }
    assert {role for role, _ in bound} == roles
    assert {account for _, account in bound} == accounts - {"tradewind-steps"}, "steps' pods need no rights"
    assert all(item["automountServiceAccountToken"] is False for item in manifests("ServiceAccount"))


def test_everything_is_applied_at_once() -> None:
    (kustomization,) = manifests("Kustomization")
    assert set(kustomization["resources"]) == {path.name for path in FILES} - {"kustomization.yaml"}


def test_the_network_policy_is_about_the_pods_of_steps() -> None:
    from tradewind.cluster.names import RUN_LABEL

    (policy,) = manifests("NetworkPolicy")
    (expression,) = policy["spec"]["podSelector"]["matchExpressions"]
    assert expression == {"key": RUN_LABEL, "operator": "Exists"}
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    assert policy["spec"]["ingress"] == []


@pytest.mark.parametrize(
    ("address", "ports"),
    [
        ("1.1.1.1", {443}),
        ("10.96.0.1", set()),
        ("172.20.0.1", set()),
        ("192.168.1.1", set()),
        ("100.100.100.200", set()),
        ("169.254.169.254", set()),
        ("169.254.20.10", {53}),
    ],
)
def test_addresses_that_steps_reach(address: str, ports: set[int]) -> None:
    (policy,) = manifests("NetworkPolicy")
    reached: set[int] = set()
    for rule in policy["spec"]["egress"]:
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
            kept = [ip_network(each) for each in block.get("except", ())]
            inside = ip_address(address) in ip_network(block["cidr"])
            if inside and not any(ip_address(address) in each for each in kept):
                reached |= {port["port"] for port in rule["ports"]}
    assert reached == ports
