"""kfp-kubernetes' settings on the embedded cluster: what pods see, and what stands in their specs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from fixtures.steps import StepRun, TaskInstance, python_step
from tradewind.plan.bindings import Constant
from tradewind.plan.model import CreateVolume, DeleteVolume, ParameterInput, ParameterOutput, Step
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
def settings(
    login: str = "login",
    nodes: dict = {},
    tolerations: list = [],
    stem: str = "login",
    owners: list = [{"name": "a", "login": "login"}, {"name": "b", "login": "other"}],
):
    named = name_of(stem=stem)
    seen = look(
        variables=["WHO", "PASSWORD", "REGION", "NONE", "POD", "TEAM", "NOTE"],
        folders=["/mnt/login", "/mnt/map", "/mnt/none"],
    )
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

    with dsl.ParallelFor(owners) as owner:
        made = kubernetes.CreatePVC(
            pvc_name_suffix="-own", access_modes=["ReadWriteMany"], size="1Gi", annotations={"owner": "me"}
        )
        written = write(path=f"/data/deep/{owner.name}", text="kept")
        kubernetes.mount_pvc(written, made.outputs["name"], "/data")
        kept = look(variables=["WHO"], folders=["/here"]).after(written)
        kubernetes.mount_pvc(kept, f"{made.outputs['name']}", "/here", sub_path="deep")
        kubernetes.use_secret_as_env(kept, owner.login, {"user": "WHO"})
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
        ("other", {"user": "bob"}),
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
    own = [result.xcom("for-loop-1.createpvc", map_index=index)["parameters"]["name"] for index in range(2)]
    assert own[0] != own[1]
    for claim in own:
        assert claim.startswith("settings-")
        assert claim.endswith("-own")
    kept = [result.xcom("for-loop-1.look-2", map_index=index)["parameters"]["Output"] for index in range(2)]
    assert kept == [
        {"variables": {"WHO": "ann"}, "files": {"/here/a": "kept"}},
        {"variables": {"WHO": "bob"}, "files": {"/here/b": "kept"}},
    ]
    assert result.xcom("sizes")["parameters"]["Output"] == [["probe"], ["probe"], ["probe"]]
    assert core_api.list_namespaced_persistent_volume_claim(on_cluster).items == []
    assert core_api.list_namespaced_pod(on_cluster).items == []


EVERYTHING = PodSettings(
    variables=(
        KeyVariables("secret", Constant("login"), (("WHO", "user"), ("WHERE", "place")), optional=True),
        KeyVariables("config_map", Constant("places"), (("REGION", "region"),)),
    ),
    field_variables=(("POD", "metadata.name"),),
    mounts=(
        Mount("/secret", StoredFiles("secret", Constant("login"), optional=True)),
        Mount("/map", StoredFiles("config_map", Constant("places"))),
        Mount("/one", Claim(Constant("data")), "one"),
        Mount("/two", Claim(Constant("data")), "two"),
        Mount("/own", EphemeralClaim("own", ("ReadWriteOnce",), "1Gi", "ssd", {"a": "b"})),
        Mount("/fast", Scratch("fast", "Memory", "1Gi")),
        Mount("/taken", Scratch("taken")),
    ),
    labels={"team": "growth", "kept": "yes"},
    annotations={"note": "{{ ds }}"},
    node_selector=Constant({"kubernetes.io/os": "linux", "disk": "ssd"}),
    node_affinity=(
        Constant(
            {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
                }
            }
        ),
        Constant('{"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}'),
    ),
    pod_affinity={"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    tolerations=(Constant({"key": "x", "operator": "Exists"}), Constant([{"key": "y", "value": "z"}])),
    image_pull_policy="Never",
    image_pull_secrets=(Constant("registry"),),
    timeout_seconds=60,
    security_context={"runAsUser": 1000, "runAsNonRoot": True},
)


def manifest_of(step: Step, **pod: Any) -> dict[str, Any]:
    """The pod that is made for a step, without making it."""
    from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
    from kubernetes.client import ApiClient

    class Caught(Exception):
        """Stands for the pod."""

    class Catch(KubernetesPodOperatorCallback):
        @staticmethod
        def on_pod_manifest_created(*, pod_request: Any, **_: Any) -> None:
            raise Caught(ApiClient().sanitize_for_serialization(pod_request))

    with pytest.raises(Caught) as caught:
        StepRun(step, pod={**pod, "callbacks": [Catch]}).execute()
    found: dict[str, Any] = caught.value.args[0]
    return found


def test_everything_stands_in_the_pod(on_cluster: str) -> None:
    made = manifest_of(python_step("def work() -> str:\n    return ''\n", platform=EVERYTHING))
    spec, main = made["spec"], made["spec"]["containers"][0]
    optional = {"name": "login", "optional": True}
    variables = {each["name"]: each.get("valueFrom") for each in main["env"]}
    assert variables["WHO"] == {"secretKeyRef": {**optional, "key": "user"}}
    assert variables["WHERE"] == {"secretKeyRef": {**optional, "key": "place"}}
    assert variables["REGION"] == {"configMapKeyRef": {"name": "places", "key": "region"}}
    assert variables["POD"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    volumes = {each.pop("name"): each for each in spec["volumes"]}
    mounts = {
        each["mountPath"]: (volumes[each["name"]], each.get("subPath")) for each in main["volumeMounts"]
    }
    assert mounts["/secret"] == ({"secret": {"secretName": "login", "optional": True}}, None)
    assert mounts["/map"] == ({"configMap": {"name": "places"}}, None)
    claim = {"persistentVolumeClaim": {"claimName": "data"}}
    assert (mounts["/one"], mounts["/two"]) == ((claim, "one"), (claim, "two"))
    assert list(volumes.values()).count(claim) == 1
    template = mounts["/own"][0]["ephemeral"]["volumeClaimTemplate"]
    assert template["metadata"] == {"labels": {"a": "b"}}
    assert template["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "ssd",
    }
    assert mounts["/fast"] == ({"emptyDir": {"medium": "Memory", "sizeLimit": "1Gi"}}, None)
    assert made["metadata"]["labels"]["team"] == "growth"
    assert made["metadata"]["annotations"]["note"] == "{{ ds }}"
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "ssd"}
    required = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"] == [{"matchExpressions": [{"key": "a", "operator": "Exists"}]}]
    assert "podAntiAffinity" in spec["affinity"]
    assert spec["tolerations"] == [{"key": "x", "operator": "Exists"}, {"key": "y", "value": "z"}]
    assert (main["imagePullPolicy"], spec["imagePullSecrets"]) == ("Never", [{"name": "registry"}])
    assert spec["activeDeadlineSeconds"] == 60
    assert main["securityContext"].items() >= {"runAsUser": 1000, "runAsNonRoot": True}.items()


def test_the_author_of_the_dag_has_the_last_word(on_cluster: str) -> None:
    made = manifest_of(
        python_step("def work() -> str:\n    return ''\n", platform=EVERYTHING),
        labels={"team": "{{ ds }}"},
        env_vars={"WHO": "me"},
        node_selector={"disk": "nvme"},
        tolerations=[{"key": "mine", "operator": "Exists"}],
        volumes=[{"name": "taken", "emptyDir": {"sizeLimit": "9Gi"}}, {"name": "host", "emptyDir": {}}],
        volume_mounts=[{"name": "host", "mountPath": "/map/"}],
        image_pull_policy="Always",
        active_deadline_seconds=3600,
        container_security_context={"runAsUser": 5},
        affinity={"podAffinity": {}},
        image_pull_secrets=[{"name": "mine"}],
    )
    spec, main = made["spec"], made["spec"]["containers"][0]
    assert (made["metadata"]["labels"]["team"], made["metadata"]["labels"]["kept"]) == ("2026-01-02", "yes")
    assert [each for each in main["env"] if each["name"] == "WHO"] == [{"name": "WHO", "value": "me"}]
    assert spec["nodeSelector"] == {"kubernetes.io/os": "linux", "disk": "nvme"}
    assert [each["key"] for each in spec["tolerations"]] == ["mine", "x", "y"]
    mounted = {each["mountPath"].rstrip("/"): each["name"] for each in main["volumeMounts"]}
    assert mounted["/map"] == "host"
    assert not any("configMap" in volume for volume in spec["volumes"])
    assert [each for each in spec["volumes"] if each["name"] == "taken"] == [
        {"name": "taken", "emptyDir": {"sizeLimit": "9Gi"}}
    ]
    assert (main["imagePullPolicy"], spec["activeDeadlineSeconds"]) == ("Always", 3600)
    assert (main["securityContext"]["runAsUser"], spec["affinity"]) == (5, {"podAffinity": {}})
    assert "runAsNonRoot" not in main["securityContext"]
    assert spec["imagePullSecrets"] == [{"name": "mine"}, {"name": "registry"}]


def test_values_that_cannot_be_are_all_named(on_cluster: str, core_api: Any) -> None:
    settings = PodSettings(
        variables=(KeyVariables("secret", Constant("No Name"), (("A", "a"),)),),
        mounts=(
            Mount("/data", Claim(Constant(None))),
            Mount("/x", StoredFiles("secret", Constant(None), True)),
        ),
        node_selector=Constant({"gpu": 1}),
        node_affinity=(Constant("{"),),
        tolerations=(Constant(["x"]), Constant(None), Constant({})),
    )
    with pytest.raises(AirflowFailException) as caught:
        StepRun(python_step("def work(): ...\n", platform=settings)).execute()
    lines = str(caught.value).split("\n")
    assert [line.removeprefix("step 'work': ") for line in lines[:5]] == [
        "the name of a volume claim is None, which no object can have",
        "the name of a secret is 'No Name', which no object can have",
        "the node selector is {'gpu': 1}, no object of texts",
        "the node affinity is '{', which is no JSON",
        "a toleration is 'x', no object",
    ]
    assert core_api.list_namespaced_pod(on_cluster).items == []


def test_json_of_the_run_that_kubernetes_would_not_understand(on_cluster: str) -> None:
    settings = PodSettings(
        tolerations=(Constant({"key": "a", "operator": "Exists", "effekt": "NoExecute"}),),
        node_affinity=(Constant({"required": {"nodeSelectorTerms": []}}),),
    )
    with pytest.raises(
        AirflowFailException, match=r"affinity\.nodeAffinity\.required, tolerations\[0\]\.effekt"
    ):
        StepRun(python_step("def work(): ...\n", platform=settings)).execute()


def test_a_pod_that_takes_too_long_is_ended(on_cluster: str) -> None:
    step = python_step(
        "def work():\n    import time\n    time.sleep(60)\n", platform=PodSettings(timeout_seconds=1)
    )
    with pytest.raises(AirflowException, match="deadline"):
        StepRun(step).execute()


def test_what_is_mounted_counts_for_the_cache() -> None:
    """The names count, as in KFP; where the pod runs does not."""
    from tradewind.operators.caching import cache_key
    from tradewind.operators.inputs import StepInputs
    from tradewind.operators.platform import platform_arguments
    from tradewind.operators.pod_facts import pod_facts

    def key(settings: PodSettings | None) -> str:
        step = python_step("def work(): ...\n", platform=settings)
        given = platform_arguments(settings, lambda binding: binding.value, "work")
        return cache_key(step, StepInputs({}, {}), pod_facts(step, {}, None, None, given))

    def mounting(name: str, **more: Any) -> PodSettings:
        return PodSettings(mounts=(Mount("/data", Claim(Constant(name))),), **more)

    variables = KeyVariables("secret", Constant("login"), (("WHO", "user"),))
    several = [None, mounting("a"), mounting("b"), PodSettings(variables=(variables,))]
    assert len({key(settings) for settings in several}) == 4
    elsewhere = mounting("a", labels={"x": "y"}, node_selector=Constant({"a": "b"}), timeout_seconds=5)
    assert key(elsewhere) == key(mounting("a"))


# --- volume claims ----------------------------------------------------------------------------------------


def claim_step(**inputs: Any) -> Step:
    types = {list: "LIST", dict: "STRUCT"}
    given = {"access_modes": ["ReadWriteOnce"], "size": "1Gi", **inputs}
    parameters = {
        name: ParameterInput(types.get(type(value), "STRING"), Constant(value))  # type: ignore[arg-type]
        for name, value in given.items()
    }
    storage_class = ParameterInput("STRING", None, "", has_default=True, optional=True)
    return Step(
        id="make",
        display_name="make",
        component="createpvc",
        scope="",
        action=CreateVolume(),
        container=None,
        parameters={"storage_class_name": storage_class, **parameters},
        output_parameters={"name": ParameterOutput("STRING")},
    )


def delete_step(name: str) -> Step:
    parameters = {"pvc_name": ParameterInput("STRING", Constant(name))}
    return Step("drop", "drop", "deletepvc", "", DeleteVolume(), None, parameters=parameters)


def test_a_claim_is_made_once_and_deleted(on_cluster: str, core_api: Any) -> None:
    step = claim_step(pvc_name_suffix="-data", annotations={"owner": "me"}, volume_name="disk-7")
    name = StepRun(step).execute()["parameters"]["name"]
    again = StepRun(step, ti=TaskInstance(try_number=2)).execute()
    assert again == {"parameters": {"name": name}, "artifacts": {}, "cached_from": None}
    other = StepRun(step, ti=TaskInstance(run_id="run-2")).execute()["parameters"]["name"]
    assert other != name
    [claim] = [
        each
        for each in core_api.list_namespaced_persistent_volume_claim(on_cluster).items
        if each.metadata.name == name
    ]
    assert claim.metadata.annotations["owner"] == "me"
    assert claim.spec.access_modes == ["ReadWriteOnce"]
    assert claim.spec.resources.requests == {"storage": "1Gi"}
    assert (claim.spec.storage_class_name, claim.spec.volume_name) == ("", "disk-7")
    for doomed in (name, other, name, "never-was"):
        assert StepRun(delete_step(doomed)).execute()["parameters"] == {}
    assert core_api.list_namespaced_persistent_volume_claim(on_cluster).items == []
    assert core_api.list_namespaced_pod(on_cluster).items == []


def test_a_name_that_the_pipeline_gives(on_cluster: str, core_api: Any) -> None:
    step = claim_step(pvc_name="archive", storage_class_name=None)
    assert StepRun(step).execute()["parameters"] == {"name": "archive"}
    [claim] = core_api.list_namespaced_persistent_volume_claim(on_cluster).items
    assert claim.spec.storage_class_name is None
    assert StepRun(step, ti=TaskInstance(try_number=2)).execute()["parameters"] == {"name": "archive"}
    with pytest.raises(AirflowFailException, match="'archive' already, made by somebody else"):
        StepRun(step, ti=TaskInstance(run_id="run-2")).execute()


@pytest.mark.parametrize("inputs", [{}, {"pvc_name": "a", "pvc_name_suffix": "b"}], ids=["neither", "both"])
def test_a_claim_needs_one_name(on_cluster: str, inputs: dict[str, str]) -> None:
    with pytest.raises(AirflowFailException, match="pvc_name"):
        StepRun(claim_step(**inputs)).execute()


def test_a_claim_that_the_cluster_refuses(on_cluster: str) -> None:
    with pytest.raises(AirflowFailException, match="access mode"):
        StepRun(claim_step(pvc_name="a", access_modes=[])).execute()
