"""The restricted level in a pod: laid over it field by field, and out of the way of whoever asks for more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from kubernetes.client import ApiClient
from kubernetes.client import models as k8s

from fixtures.pod_security import restricted_problems
from tradewind.cluster.pod_end import PodEnd
from tradewind.errors import ConfigurationError
from tradewind.operators.models import model
from tradewind.operators.pod_arguments import pod_argument_problems
from tradewind.operators.pod_security import advised, pod_security_level, secure


def secured(level: str = "restricted", **spec: Any) -> dict[str, Any]:
    """A pod's spec as the API gets it, secured; `containers` default to one."""
    given = {"containers": [{"name": "base", "image": "x"}], **spec}
    pod: k8s.V1Pod = model({"metadata": {"name": "x"}, "spec": given}, "V1Pod")
    secure(pod, level)  # type: ignore[arg-type]
    done: dict[str, Any] = ApiClient().sanitize_for_serialization(pod)
    return done["spec"]


def container(**fields: Any) -> dict[str, Any]:
    return {"name": "base", "image": "x", **fields}


def test_a_pod_of_which_nothing_is_said_is_restricted() -> None:
    spec = secured(initContainers=[{"name": "first", "image": "y"}])
    assert restricted_problems({"spec": spec}) == []
    assert spec["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 65532,
        "runAsGroup": 65532,
        "fsGroup": 65532,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert spec["automountServiceAccountToken"] is False
    assert spec["volumes"] == [{"name": "tradewind-tmp", "emptyDir": {}}]
    for each in (*spec["initContainers"], *spec["containers"]):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
        }
        assert each["volumeMounts"] == [{"name": "tradewind-tmp", "mountPath": "/tmp"}]
        assert each["env"] == [{"name": "HOME", "value": "/tmp"}, {"name": "USER", "value": "nonroot"}]


def test_baseline_adds_nothing_but_the_absence_of_a_token() -> None:
    assert secured("baseline") == {
        "containers": [{"name": "base", "image": "x"}],
        "automountServiceAccountToken": False,
    }


def test_what_is_said_stays() -> None:
    spec = secured(
        automountServiceAccountToken=True,
        securityContext={"runAsUser": 1000, "fsGroup": 5, "seccompProfile": {"type": "Localhost"}},
        volumes=[{"name": "mine", "emptyDir": {"medium": "Memory"}}],
        containers=[
            container(
                securityContext={
                    "readOnlyRootFilesystem": False,
                    "capabilities": {"add": ["NET_BIND_SERVICE"]},
                }
            ),
            container(
                name="other",
                env=[{"name": "HOME", "value": "/home/me"}],
                volumeMounts=[{"name": "mine", "mountPath": "/tmp/"}],
            ),
        ],
    )
    assert spec["automountServiceAccountToken"] is True
    context = spec["securityContext"]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (1000, 65532, 5)
    assert context["seccompProfile"] == {"type": "Localhost"}
    base, other = spec["containers"]
    assert base["securityContext"]["readOnlyRootFilesystem"] is False
    assert base["securityContext"]["capabilities"] == {"add": ["NET_BIND_SERVICE"], "drop": ["ALL"]}
    assert "env" not in base
    assert "volumeMounts" not in base
    assert other["env"] == [{"name": "HOME", "value": "/home/me"}, {"name": "USER", "value": "nonroot"}]
    assert other["volumeMounts"] == [{"name": "mine", "mountPath": "/tmp/"}]
    assert [volume["name"] for volume in spec["volumes"]] == ["mine"], "nobody needs another one"
    assert restricted_problems({"spec": spec}) == []


@pytest.mark.parametrize(
    ("asked", "of_pod", "of_container"),
    [
        ({"securityContext": {"runAsUser": 0}}, {"runAsUser": 0, "runAsNonRoot": False}, {}),
        ({"securityContext": {"runAsNonRoot": False}}, {"runAsNonRoot": False, "runAsUser": None}, {}),
        (
            {"containers": [container(securityContext={"runAsUser": 0})]},
            {"runAsNonRoot": True},
            {"runAsNonRoot": False},
        ),
        (
            {"containers": [container(securityContext={"privileged": True})]},
            {},
            {"allowPrivilegeEscalation": True, "readOnlyRootFilesystem": False, "capabilities": {}},
        ),
        (
            {"containers": [container(securityContext={"capabilities": {"add": ["SYS_ADMIN"]}})]},
            {},
            {
                "allowPrivilegeEscalation": True,
                "capabilities": {"add": ["SYS_ADMIN"], "drop": ["ALL"]},
            },
        ),
    ],
    ids=["root", "the image's user", "root in a container", "privileged", "SYS_ADMIN"],
)
def test_a_default_never_contradicts(
    asked: dict[str, Any], of_pod: dict[str, Any], of_container: dict[str, Any]
) -> None:
    """Kubernetes refuses such pods, or starts none of their containers."""
    spec = secured(**asked)
    (base,) = spec["containers"]
    assert {name: spec["securityContext"].get(name) for name in of_pod} == of_pod
    assert {name: base["securityContext"].get(name) for name in of_container} == of_container
    assert restricted_problems({"spec": spec})


def test_the_checker_knows_the_rules() -> None:
    """It stands for the cluster's own admission, so it has to see what is wrong."""
    good = secured()
    for name, value, problem in [
        ("hostNetwork", True, "hostNetwork = true"),
        ("volumes", [{"name": "v", "hostPath": {"path": "/"}}], "volume v is hostPath"),
        ("securityContext", None, "base: runAsNonRoot != true"),
    ]:
        assert problem in restricted_problems({"spec": {**good, name: value}})
    for name, value, problem in [
        ("allowPrivilegeEscalation", None, "allowPrivilegeEscalation != false"),
        ("capabilities", None, "capabilities.drop lacks ALL"),
        ("capabilities", {"drop": ["ALL"], "add": ["NET_ADMIN"]}, "capabilities.add"),
        ("privileged", True, "privileged"),
        ("runAsUser", 0, "runAsUser = 0"),
        ("runAsNonRoot", False, "runAsNonRoot != true"),
        ("seccompProfile", {"type": "Unconfined"}, "seccompProfile Unconfined"),
    ]:
        (base,) = good["containers"]
        worse = {**base, "securityContext": {**base["securityContext"], name: value}}
        assert restricted_problems({"spec": {**good, "containers": [worse]}}) == [f"base: {problem}"]


def test_levels_are_checked_when_the_dag_is_loaded() -> None:
    assert pod_argument_problems({"pod_security": "baseline"}, "pod") == ()
    (problem,) = pod_argument_problems({"pod_security": "none"}, "pod")
    assert (problem.message, problem.remedy) == ("is 'none'", "use one of restricted, baseline")
    assert pod_security_level(None, "baseline") == "baseline"
    assert pod_security_level("restricted", "baseline") == "restricted"
    with pytest.raises(ConfigurationError, match="pod_security is 'none'"):
        pod_security_level("none", "restricted")


@pytest.mark.parametrize(
    ("words", "helps"),
    [
        ("PermissionError: [Errno 13] Permission denied: '/data'", True),
        ("OSError: [Errno 30] Read-only file system: '/model.pkl'", True),
        ("E: Could not open lock file - open (13: Permission denied), are you root?", True),
        ("EACCES: cannot write", True),
        ("ValueError: no permission for you", False),
        ("", False),
    ],
)
def test_a_lack_of_rights_is_recognized(words: str, helps: bool) -> None:
    end = PodEnd("user_error", "the step failed", "Look.", 1, tail=(words,))
    remedy = advised(end, "restricted").remedy
    assert remedy.startswith("Look.")
    assert ('pod={"pod_security": "baseline"}' in remedy) is helps
    assert advised(end, "baseline") is end
    assert advised(replace(end, kind="succeeded"), "restricted").remedy == "Look."
