"""Pods and Airflow on a real cluster with the rights that docs/security.md leaves them, and none besides.

The namespace refuses every pod that is not restricted; Airflow's account has the Roles of docker/kubernetes.
"""

from __future__ import annotations

import functools
import http.server
import json
import re
import threading
import uuid
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config

from fixtures.airflow import DagResult
from fixtures.mlflow import MlflowServer
from fixtures.pod_history import PodHistory
from fixtures.pod_security import restricted_namespace, restricted_problems
from fixtures.real_cluster import RealCluster
from fixtures.service_accounts import manifests
from fixtures.steps import StepRun, TaskInstance, command_step, deployment, python_step

PLACES = """
def work() -> str:
    import getpass, json, os, tempfile
    def writable(path):
        try:
            open(os.path.join(path, "probe"), "w").close()
        except OSError as error:
            return error.strerror
        return True
    return json.dumps({
        "uid": os.getuid(), "gid": os.getgid(), "user": getpass.getuser(), "home": os.path.expanduser("~"),
        "writable": {path: writable(path) for path in (".", "/", "/usr", "/var/tmp", tempfile.gettempdir())},
        "token": os.path.exists("/var/run/secrets/kubernetes.io/serviceaccount/token"),
        "status": dict(
            line.split(":", 1) for line in open("/proc/self/status").read().splitlines()
            if line.startswith(("NoNewPrivs", "CapEff", "CapBnd", "Seccomp:"))
        ),
    })
"""

PIPELINE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component(
    base_image="python:3.11",
    packages_to_install=["tradewind-probe"],
    pip_index_urls=["{index}"],
    pip_trusted_hosts=["{host}"],
)
def installed() -> str:
    import subprocess, tradewind_probe
    said = subprocess.run(["tradewind-probe"], check=True, capture_output=True, text=True).stdout
    return f"{{tradewind_probe.WORD}}, {{said.strip()}}"

@dsl.component(base_image="python:3.11")
def written(model: dsl.Output[dsl.Model]) -> int:
    with open("beside.txt", "w") as file:
        file.write("weights")
    with open("beside.txt") as file, open(model.path, "w") as output:
        return output.write(file.read())

@dsl.container_component
def doubled(model: dsl.Input[dsl.Model], larger: dsl.Output[dsl.Model], lines: dsl.OutputPath(int)):
    script = 'cat "$0" "$0" >"$1" && mkdir -p "$(dirname "$2")" && wc -c <"$1" >"$2" && touch "$HOME/x"'
    return dsl.ContainerSpec(
        image="busybox", command=["sh", "-c", script], args=[model.path, larger.path, lines]
    )

@dsl.container_component
def said(text: str, loud: dsl.OutputPath(str)):
    return dsl.ContainerSpec(
        image="busybox",
        command=["sh", "-c", 'mkdir -p "$(dirname "$1")" && echo "$0" | tr a-z A-Z >"$1"'],
        args=[text, loud],
    )

@dsl.component(base_image="python:3.11")
def kept(path: str) -> str:
    import os
    os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write("in the workspace")
    return path

@dsl.component(base_image="python:3.11")
def found(path: str) -> str:
    with open(path) as file:
        return file.read()

@dsl.pipeline(
    name="secured",
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(
            size="1Mi",
            kubernetes=dsl.KubernetesWorkspaceConfig(pvcSpecPatch={{"storageClassName": "{storage}"}}),
        )
    ),
)
def secured():
    doubled(model=written().outputs["model"])
    said(text=installed().output)
    found(path=kept(path=f"{{dsl.WORKSPACE_PATH_PLACEHOLDER}}/a/b.txt").output)

dag = pipeline_dag(secured, caching=False)
"""


@pytest.fixture(scope="module")
def restricted(
    real_cluster: RealCluster,
    real_namespace: str,
    host_for_pods: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """The module's namespace, which refuses pods that are not restricted."""
    folder = tmp_path_factory.mktemp("webhook")
    with restricted_namespace(real_cluster.client(), real_namespace, host_for_pods, folder):
        yield real_namespace


@pytest.fixture
def on_restricted(
    airflow_home: Any, real_cluster: RealCluster, restricted: str, mlflow_for_pods: MlflowServer
) -> Iterator[str]:
    """Airflow configured for that namespace, with its account's rights."""
    kubeconfig = real_cluster.airflow(restricted)
    with deployment(kubeconfig, mlflow_for_pods.uri, namespace=restricted):
        yield restricted


@pytest.fixture(scope="module")
def package_index(host_for_pods: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a package index that pods reach, with one small package."""
    folder = tmp_path_factory.mktemp("index")
    project = folder / "simple" / "tradewind-probe"
    project.mkdir(parents=True)
    info = "tradewind_probe-1.0.dist-info"
    files = {
        "tradewind_probe.py": "WORD = 'installed'\ndef main():\n    print('on the path')\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\nName: tradewind-probe\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": "[console_scripts]\ntradewind-probe = tradewind_probe:main\n",
    }
    record = "".join(f"{name},,\n" for name in (*files, f"{info}/RECORD"))
    with zipfile.ZipFile(project / "tradewind_probe-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(name, text)
    handler = functools.partial(_Quiet, directory=str(folder))
    server = http.server.ThreadingHTTPServer((host_for_pods, 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://{host_for_pods}:{server.server_address[1]}/simple"
    server.shutdown()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def storage(real_cluster: RealCluster, tmp_path: Path) -> Iterator[str]:
    """A storage class with one small volume."""
    folder = tmp_path / "volume"
    folder.mkdir()
    folder.chmod(0o777)  # kubelets do not change the owner of a hostPath, as they do of other volumes
    name = f"tw-{uuid.uuid4().hex[:10]}"
    spec = {
        "storageClassName": name,
        "accessModes": ["ReadWriteOnce"],
        "capacity": {"storage": "1Gi"},
        "hostPath": {"path": str(folder)},
    }
    real_cluster.core.create_persistent_volume({"metadata": {"name": name}, "spec": spec})
    yield name
    real_cluster.core.delete_persistent_volume(name)


# --- pods ---------------------------------------------------------------------------------------------------


def test_a_step_runs_without_rights_in_places_of_its_own(on_restricted: str) -> None:
    result = StepRun(python_step(PLACES), ti=TaskInstance(dag_id="rights", run_id="places")).execute()
    facts = json.loads(result["parameters"]["Output"])
    assert (facts["uid"], facts["gid"], facts["user"], facts["home"]) == (65532, 65532, "nonroot", "/tmp")
    read_only = "Read-only file system"
    writable = {".": True, "/": read_only, "/usr": read_only, "/var/tmp": read_only, "/tmp": True}
    assert facts["writable"] == writable
    assert facts["token"] is False
    status = {name: int(value, 16) for name, value in facts["status"].items()}
    assert status == {"NoNewPrivs": 1, "CapEff": 0, "CapBnd": 0, "Seccomp": 2}


def test_all_kinds_of_steps_run_where_only_restricted_pods_may(
    on_restricted: str,
    package_index: str,
    host_for_pods: str,
    storage: str,
    run_dag: Callable[..., DagResult],
    pod_history: Callable[[str], PodHistory],
    real_cluster: RealCluster,
) -> None:
    history = pod_history(on_restricted)
    text = PIPELINE.format(index=package_index, host=host_for_pods, storage=storage)
    result = run_dag(text)
    assert result.state == "success", result.errors
    outputs = {name: result.xcom(name)["parameters"] for name in ("doubled", "said", "found")}
    assert outputs == {
        "doubled": {"lines": 14},
        "said": {"loud": "INSTALLED, ON THE PATH\n"},
        "found": {"Output": "in the workspace"},
    }
    pods = history.pods()
    assert len(pods) == 6
    for one in pods:
        seen = real_cluster.client().sanitize_for_serialization(one)
        assert restricted_problems(seen) == []
        assert seen["spec"]["automountServiceAccountToken"] is False
        for container in (*seen["spec"].get("initContainers", ()), *seen["spec"]["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True


def test_what_asks_for_more_is_refused_there(on_restricted: str) -> None:
    asking = StepRun(
        python_step(PLACES),
        pod={"pod_security": "baseline"},
        ti=TaskInstance(dag_id="rights", run_id="refused"),
    )
    with pytest.raises(Exception, match=r"does not admit.*restricted"):
        asking.execute()


def test_elsewhere_a_step_may_ask_for_what_its_image_needs(
    airflow_home: Any, real_cluster: RealCluster, fresh_namespace: str
) -> None:
    with deployment(real_cluster.airflow(fresh_namespace), namespace=fresh_namespace):
        found = {}
        for name, pod in {
            "baseline": {"pod_security": "baseline"},
            "user": {"security_context": {"runAsUser": 1234}},
            "root": {"container_security_context": {"runAsUser": 0}},
        }.items():
            ti = TaskInstance(dag_id="rights", run_id=name)
            found[name] = json.loads(
                StepRun(python_step(PLACES), pod=pod, ti=ti).execute()["parameters"]["Output"]
            )
    assert {name: facts["uid"] for name, facts in found.items()} == {"baseline": 0, "user": 1234, "root": 0}
    assert {name: facts["writable"]["/usr"] is True for name, facts in found.items()} == {
        "baseline": True,
        "user": False,
        "root": False,
    }
    assert not any(facts["token"] for facts in found.values())


@pytest.mark.parametrize(
    "step",
    [
        python_step("def work() -> str:\n    open('/usr/lib/x', 'w')\n    return ''\n"),
        command_step("sh", "-c", "touch /etc/x"),
    ],
    ids=["python", "command"],
)
def test_a_step_that_needs_more_says_how_to_ask_for_it(on_restricted: str, step: Any) -> None:
    with pytest.raises(Exception, match=re.escape('pod={"pod_security": "baseline"}')) as caught:
        StepRun(step, ti=TaskInstance(dag_id="rights", run_id="more", task_id=step.id)).execute()
    assert "ead-only file system" in str(caught.value)


# --- Airflow's account --------------------------------------------------------------------------------------


def test_events_are_a_right_that_airflow_can_do_without(
    airflow_home: Any, real_cluster: RealCluster, fresh_namespace: str
) -> None:
    rbac = client.RbacAuthorizationV1Api(real_cluster.client())
    for name in ("tradewind-events", "tradewind-volumes"):
        rbac.delete_namespaced_role_binding(name, fresh_namespace)
    pod = {
        "node_selector": {"disk": "none-has-this"},
        "schedule_timeout_seconds": 5,
        "log_events_on_failure": True,
    }
    step = python_step(PLACES)
    with (
        deployment(real_cluster.airflow(fresh_namespace), namespace=fresh_namespace),
        pytest.raises(Exception, match=r"no node took the pod.*didn't match"),
    ):
        StepRun(step, pod=pod, ti=TaskInstance(dag_id="rights", run_id="events")).execute()


def test_the_cluster_takes_the_other_manifests_as_well(
    real_cluster: RealCluster, real_namespace: str
) -> None:
    api = real_cluster.client()
    (policy,) = manifests("NetworkPolicy", real_namespace)
    client.NetworkingV1Api(api).create_namespaced_network_policy(real_namespace, policy, dry_run="All")
    (namespace,) = manifests("Namespace")
    namespace["metadata"]["name"] += uuid.uuid4().hex[:8]
    client.CoreV1Api(api).create_namespace(namespace, dry_run="All")


def test_airflow_may_do_nothing_else(real_cluster: RealCluster, restricted: str) -> None:
    own = client.AuthorizationV1Api(config.new_client_from_config(str(real_cluster.airflow(restricted))))

    def may(verb: str, resource: str, namespace: str = restricted, **more: str) -> bool:
        attributes = {"verb": verb, "resource": resource, "namespace": namespace, **more}
        review = {"spec": {"resourceAttributes": attributes}}
        return bool(own.create_self_subject_access_review(review).status.allowed)

    assert may("create", "pods")
    assert may("get", "pods", subresource="log")
    forbidden = [
        ("create", "pods", {"subresource": "exec"}),
        ("create", "pods", {"subresource": "attach"}),
        ("create", "pods", {"subresource": "portforward"}),
        ("create", "pods", {"subresource": "eviction"}),
        ("update", "pods", {}),
        ("deletecollection", "pods", {}),
        ("patch", "pods", {"subresource": "ephemeralcontainers"}),
        *(("get", kind, {}) for kind in ("secrets", "configmaps", "serviceaccounts")),
        *(("list", kind, {}) for kind in ("secrets", "configmaps", "serviceaccounts", "namespaces", "nodes")),
        ("create", "serviceaccounts", {"subresource": "token"}),
        ("create", "roles", {"group": "rbac.authorization.k8s.io"}),
        ("create", "jobs", {"group": "batch"}),
    ]
    assert [right for right in forbidden if may(right[0], right[1], **right[2])] == []
    assert not may("list", "pods", namespace="default")
    assert not may("list", "pods", namespace="")
