"""Volume claims of the embedded cluster: when they come, and when they go."""

from __future__ import annotations

import time
from typing import Any

from fixtures.pods import log, run_pod, sh_pod, wait_for

SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
VOLUMES = [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]
MAIN = {"volumeMounts": [{"name": "data", "mountPath": "/mnt/data"}]}


def make_claim(api: Any, namespace: str, **spec: Any) -> Any:
    body = {"metadata": {"name": "data"}, "spec": {**SPEC, **spec}}
    return api.create_namespaced_persistent_volume_claim(namespace, body)


def ended(found: Any) -> bool:
    return found.status.phase in ("Succeeded", "Failed")


def test_a_pod_waits_for_its_claim(core_api: Any, namespace: str) -> None:
    core_api.create_namespaced_pod(namespace, sh_pod("early", "ls /mnt/data", main=MAIN, volumes=VOLUMES))
    wait_for(core_api, namespace, "early", lambda found: bool(found.status.conditions))
    make_claim(core_api, namespace)
    assert wait_for(core_api, namespace, "early", ended).status.phase == "Succeeded"


def test_a_new_claim_of_an_old_name_is_empty(core_api: Any, namespace: str) -> None:
    make_claim(core_api, namespace)
    run_pod(core_api, namespace, sh_pod("writes", "echo x >/mnt/data/file", main=MAIN, volumes=VOLUMES))
    core_api.delete_namespaced_persistent_volume_claim("data", namespace)
    make_claim(core_api, namespace)
    run_pod(core_api, namespace, sh_pod("reads", "ls -a /mnt/data | wc -l", main=MAIN, volumes=VOLUMES))
    assert log(core_api, namespace, "reads").strip() == "2"


def test_a_claim_in_use_goes_with_its_last_pod(core_api: Any, namespace: str) -> None:
    make_claim(core_api, namespace)
    script = "echo kept >/mnt/data/file; until [ -e /mnt/data/go ]; do sleep 0.1; done; cat /mnt/data/file"
    core_api.create_namespaced_pod(namespace, sh_pod("user", script, main=MAIN, volumes=VOLUMES))
    wait_for(core_api, namespace, "user", lambda found: found.status.phase == "Running")
    core_api.delete_namespaced_persistent_volume_claim("data", namespace)
    claim = core_api.read_namespaced_persistent_volume_claim("data", namespace)
    assert claim.metadata.deletion_timestamp is not None
    assert claim.metadata.finalizers == ["kubernetes.io/pvc-protection"]
    run_pod(core_api, namespace, sh_pod("signal", "touch /mnt/data/go", main=MAIN, volumes=VOLUMES))
    assert wait_for(core_api, namespace, "user", ended).status.phase == "Succeeded"
    assert log(core_api, namespace, "user") == "kept\n"
    deadline = time.monotonic() + 30
    while core_api.list_namespaced_persistent_volume_claim(namespace).items and time.monotonic() < deadline:
        time.sleep(0.05)
    assert core_api.list_namespaced_persistent_volume_claim(namespace).items == []


def test_a_copy_of_a_volume_is_never_bound(core_api: Any, namespace: str) -> None:
    source = {"apiGroup": "snapshot.storage.k8s.io", "kind": "VolumeSnapshot", "name": "old"}
    assert make_claim(core_api, namespace, dataSource=source).status.phase == "Pending"
    core_api.create_namespaced_pod(namespace, sh_pod("waits", "true", main=MAIN, volumes=VOLUMES))
    held = wait_for(core_api, namespace, "waits", lambda found: bool(found.status.conditions))
    assert "pod has unbound immediate PersistentVolumeClaims" in held.status.conditions[0].message


def test_an_ephemeral_volume_goes_with_its_pod(core_api: Any, namespace: str, cluster: Any) -> None:
    volumes = [{"name": "data", "ephemeral": {"volumeClaimTemplate": {"spec": SPEC}}}]
    script = "touch /mnt/data/file; ls /mnt/data"
    found = run_pod(core_api, namespace, sh_pod("own", script, main=MAIN, volumes=volumes))
    assert log(core_api, namespace, "own") == "file\n"
    core_api.delete_namespaced_pod("own", namespace)
    assert not (cluster.home / "pods" / found.metadata.uid / "volumes" / "data").exists()
