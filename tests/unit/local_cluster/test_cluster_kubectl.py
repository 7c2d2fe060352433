"""kubectl against the embedded cluster. Debian's is 1.20; any version from there on must do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from fixtures.pods import run_pod, sh_pod
from tradewind.local.cluster import Cluster

KUBECTL = os.environ.get("TRADEWIND_KUBECTL") or shutil.which("kubectl")

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl is not installed")


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str, tmp_path: Path) -> Any:
    def run(*arguments: str, text: str | None = None, code: int = 0) -> str:
        environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
        finished = subprocess.run(
            [str(KUBECTL), "--namespace", namespace, *arguments],
            env=environment,
            input=text,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert finished.returncode == code, finished.stderr + finished.stdout
        return finished.stdout + finished.stderr

    return run


def test_get_prints_tables(kubectl: Any, core_api: Any, namespace: str) -> None:
    assert "No resources found" in kubectl("get", "pods")
    run_pod(core_api, namespace, sh_pod("done", "true"))
    run_pod(core_api, namespace, sh_pod("broken", "exit 1"))
    lines = [line.split() for line in kubectl("get", "pods").splitlines()]
    assert lines[0] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert lines[1][:4] == ["broken", "0/1", "Error", "0"]
    assert lines[2][:4] == ["done", "0/1", "Completed", "0"]
    wide = kubectl("get", "po", "done", "-o", "wide")
    assert "NODE" in wide
    assert "tradewind" in wide
    assert json.loads(kubectl("get", "pod", "done", "-o", "json"))["status"]["phase"] == "Succeeded"
    assert kubectl("get", "pods", "-o", "name").split() == ["pod/broken", "pod/done"]
    assert "done" in kubectl("get", "pods", "--all-namespaces")
    everything = kubectl("get", "ns,secrets,cm,events,nodes,sa,pvc")
    assert "namespace/default" in everything
    assert "Started" in everything


def test_get_watches(cluster: Cluster, kubectl: Any, namespace: str, tmp_path: Path) -> None:
    kubectl("apply", "-f", "-", text=json.dumps(sh_pod("first", "sleep 60")))
    environment = {**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "HOME": str(tmp_path)}
    command = [str(KUBECTL), "--namespace", namespace, "get", "pods", "-w", "--output-watch-events"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        ender = threading.Timer(30, process.kill)
        ender.start()
        assert process.stdout is not None
        assert process.stdout.readline().split()[:2] == ["EVENT", "NAME"]
        assert process.stdout.readline().split()[:2] == ["ADDED", "first"]
        kubectl("apply", "-f", "-", text=json.dumps(sh_pod("watched", "true")))
        seen = []
        for line in process.stdout:
            seen += [line.split()] if "watched" in line else []
            if "Completed" in line:
                break
        ender.cancel()
        process.kill()
    assert seen[0][0] == "ADDED"
    assert seen[-1][0] == "MODIFIED"


def test_apply_is_repeatable(kubectl: Any) -> None:
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c"},
        "data": {"a": "1"},
    }
    assert "created" in kubectl("apply", "-f", "-", text=json.dumps(body))
    assert "unchanged" in kubectl("apply", "-f", "-", text=json.dumps(body))
    body["data"] = {"b": "2"}
    assert "configured" in kubectl("apply", "-f", "-", text=json.dumps(body))
    assert json.loads(kubectl("get", "cm", "c", "-o", "json"))["data"] == {"b": "2"}
    assert "AlreadyExists" in kubectl("create", "-f", "-", text=json.dumps(body), code=1)
    assert "secret/s created" in kubectl("create", "secret", "generic", "s", "--from-literal=a=b")
    assert json.loads(kubectl("get", "secret", "s", "-o", "json"))["data"] == {"a": "Yg=="}
    assert "deleted" in kubectl("delete", "cm", "c")
    assert 'configmaps "c" not found' in kubectl("get", "cm", "c", code=1)


def test_logs_follow(kubectl: Any) -> None:
    body = sh_pod("talks", "for i in 1 2 3; do echo $i; sleep 0.2; done")
    kubectl("create", "-f", "-", text=json.dumps(body))
    kubectl("wait", "--for=condition=Initialized", "pod/talks", "--timeout=30s")
    while "1" not in kubectl("logs", "talks"):
        pass
    assert kubectl("logs", "-f", "talks") == "1\n2\n3\n"
    assert kubectl("logs", "--tail=1", "talks") == "3\n"


def test_describe_tells_events(kubectl: Any, core_api: Any, namespace: str) -> None:
    run_pod(core_api, namespace, sh_pod("described", "exit 3"))
    text = kubectl("describe", "pod", "described")
    for expected in ("Exit Code: +3", "Status: +Failed", "Scheduled", "Started container main"):
        assert re.search(expected, text)


def test_delete_waits(kubectl: Any) -> None:
    kubectl("create", "-f", "-", text=json.dumps(sh_pod("going", "sleep 60")))
    assert 'pod "going" deleted' in kubectl("delete", "pod", "going")
    assert "No resources found" in kubectl("get", "pods")


def test_labels_and_permissions(kubectl: Any, core_api: Any, namespace: str) -> None:
    core_api.create_namespaced_pod(namespace, sh_pod("named", "sleep 60"))
    assert "labeled" in kubectl("label", "pod", "named", "team=ducks")
    assert "named" in kubectl("get", "pods", "-l", "team=ducks")
    assert "annotated" in kubectl("annotate", "pod", "named", "a=b")
    assert kubectl("auth", "can-i", "create", "pods").strip() == "yes"
    assert "Server Version" in kubectl("version")
