"""kfp-kubernetes' settings on the embedded cluster: what pods see, and what stands in their specs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from fixtures.steps import StepRun, TaskInstance, python_step
from tradewind.plan.model import Constant, CreateVolume, DeleteVolume, ParameterInput, ParameterOutput, Step
from tradewind.plan.pod_settings import (
    Claim,
    EphemeralClaim,
    KeyVariables,
    Mount,
    PodSettings,
    Scratch,
    StoredFiles,
)

PIPELINE = """
from tradewind import dsl, kubernetes
from tradewind.airflow import pipeline_dag

@dsl.component
def look(variables: list, folders: list) -> dict:
    import os
    files = {}
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            if os.path.isfile(os.path.join(folder, name)):
                with open(os.path.join(folder, name)) as file:
                    files[folder + "/" + name] = file.read()
    return {"variables": {name: os.environ.get(name) for name in variables}, "files": files}

@dsl.component
def write(path: str, text: str) -> str:
    import os
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)
    return path

@dsl.component
def name_of(stem: str) -> str:
    return stem + "-files"

@dsl.component
def sizes(folders: list) -> list:
    import os
    for folder in folders:
        with open(os.path.join(folder, "probe"), "w") as file:
            file.write(folder)
    return [sorted(os.listdir(folder)) for folder in folders]

@dsl.pipeline(name="settings")
def settings(login: str = "login", nodes: dict = {}, tolerations: list = [], stem: str = "login"):
    named = name_of(stem=stem)
    seen = look(variables=["WHO", "PASSWORD", "REGION", "NONE", "POD", "TEAM", "NOTE"], folders=["/mnt/login", "/mnt/map", "/mnt/none"])
    kubernetes.use_secret_as_env(seen, login, {"user": "WHO", "password": "PASSWORD"})
    kubernetes.use_secret_as_env(seen, "nowhere", {"x": "NONE"}, optional=True)
    kubernetes.use_config_map_as_env(seen, "places", {"region": "REGION"})
    kubernetes.use_secret_as_volume(seen, named.output, "/mnt/login")
    kubernetes.use_secret_as_volume(seen, "nowhere", "/mnt/none", optional=True)
    kubernetes.use_config_map_as_volume(seen, "places", "/mnt/map")
    kubernetes.add_pod_label(seen, "team", "growth")
    kubernetes.add_pod_annotation(seen, "note", "{{ ds }} is data")
    kubernetes.use_field_path_as_env(seen, "POD", "metadata.name")
    kubernetes.use_field_path_as_env(seen, "TEAM", "metadata.labels['team']")
    kubernetes.use_field_path_as_env(seen, "NOTE", "metadata.annotations['note']")
    kubernetes.add_node_selector_json(seen, nodes)
    kubernetes.add_toleration_json(seen, tolerations)
    kubernetes.set_timeout(seen, 600)

    made = kubernetes.CreatePVC(
        pvc_name_suffix="-shared", access_modes=["ReadWriteMany"], size="1Gi", annotations={"owner": "me"}
    )
    written = write(path="/data/deep/text", text="kept")
    kubernetes.mount_pvc(written, made.outputs["name"], "/data")
    kept = look(variables=[], folders=["/here"]).after(written)
    kubernetes.mount_pvc(kept, f"{made.outputs['name']}", "/here", sub_path="deep")
    kubernetes.DeletePVC(pvc_name=made.outputs["name"]).after(kept)
    kubernetes.DeletePVC(pvc_name="never-was")

    own = sizes(folders=["/scratch", "/big", "/dev/shm"])
    kubernetes.empty_dir_mount(own, "scratch", "/scratch", size_limit="1Gi")
    kubernetes.add_ephemeral_volume(own, "big", "/big", ["ReadWriteOnce"], "1Gi", labels={"team": "growth"})
    kubernetes.use_shared_memory(own, "1Gi")

dag = pipeline_dag(settings)
"""


def secret_and_map(core_api: Any, namespace: str) -> None:
    for name, content in (
        ("login", {"user": "ann", "password": "p$(HOME)"}),
        ("login-files", {"key": "a\nb"}),
    ):
        core_api.create_namespaced_secret(namespace, {"metadata": {"name": name}, "stringData": content})
    places = {"metadata": {"name": "places"}, "data": {"region": "north"}}
    core_api.create_namespaced_config_map(namespace, places)


def test_what_pods_see(on_cluster: str, run_dag: Callable[..., Any], core_api: Any) -> None:
    secret_and_map(core_api, on_cluster)
    conf = {
        "nodes": {"kubernetes.io/os": core_api.list_node().items[0].metadata.labels["kubernetes.io/os"]},
        "tolerations": [{"key": "gpu", "operator": "Exists"}],
    }
    result = run_dag(PIPELINE, conf=conf)
    assert result.state == "success", result.errors
    seen = result.xcom("look")["parameters"]["Output"]
    assert seen["variables"].pop("POD").startswith("look-")
    assert seen["variables"] == {
        "WHO": "ann",
        "PASSWORD": "p$(HOME)",
        "REGION": "north",
        "NONE": None,
        "TEAM": "growth",
        "NOTE": "{{ ds }} is data",
    }
    assert seen["files"] == {"/mnt/login/key": "a\nb", "/mnt/map/region": "north"}
    claim = result.xcom("createpvc")["parameters"]["name"]
    assert claim.startswith("settings-")
    assert claim.endswith("-shared")
    assert result.xcom("look-2")["parameters"]["Output"]["files"] == {"/here/text": "kept"}
    assert result.xcom("sizes")["parameters"]["Output"] == [["probe"], ["probe"], ["probe"]]
    assert core_api.list_namespaced_persistent_volume_claim(on_cluster).items == []
    assert core_api.list_namespaced_pod(on_cluster).items == []
