"""Names and settings that only the run knows, in loops, branches and sub-pipelines."""

from typing import Dict, List

from kfp import dsl, kubernetes


@dsl.component
def choose(name: str) -> str:
    return f"{name}-secret"


@dsl.component
def selector() -> dict:
    return {"kubernetes.io/os": "linux"}


@dsl.component
def work() -> str:
    return "done"


@dsl.component
def inner_work() -> str:  # not `work`: the SDK mixes up settings of executors that have to be renamed
    return "done"


@dsl.pipeline
def inner(claim: str, tolerations: List[dict]):
    made = kubernetes.CreatePVC(pvc_name=claim, access_modes=["ReadWriteOnce"], size="1Gi")
    task = inner_work()
    kubernetes.mount_pvc(task, made.outputs["name"], "/data")
    kubernetes.mount_pvc(task, claim, "/same")
    kubernetes.add_toleration_json(task, tolerations)


@dsl.pipeline
def run_values(
    secret: str,
    claims: List[str] = ["a", "b"],
    tolerations: List[dict] = [],
    toleration: dict = {"key": "gpu", "operator": "Exists"},
    nodes: Dict[str, str] = {},
    affinity: dict = {},
    go: bool = True,
):
    chosen = choose(name="database")
    nodes_chosen = selector()
    task = work()
    kubernetes.use_secret_as_env(task, secret, {"user": "USER_NAME"})
    kubernetes.use_secret_as_volume(task, chosen.output, "/mnt/chosen")
    kubernetes.use_config_map_as_env(task, chosen.output, {"a": "A"})
    kubernetes.use_config_map_as_volume(task, secret, "/mnt/map")
    kubernetes.set_image_pull_secrets(task, [secret, chosen.output])
    kubernetes.add_node_selector_json(task, nodes_chosen.output)
    kubernetes.add_node_affinity_json(task, affinity)
    kubernetes.add_toleration_json(task, tolerations)
    kubernetes.add_toleration_json(task, toleration)
    with dsl.ParallelFor(claims) as claim:
        looped = work()
        kubernetes.mount_pvc(looped, claim, "/data")
        kubernetes.use_secret_as_env(looped, chosen.output, {"user": "USER_NAME"})
        kubernetes.add_node_selector_json(looped, nodes)
        made = kubernetes.CreatePVC(pvc_name_suffix="-x", access_modes=["ReadWriteOnce"], size="1Gi")
        with dsl.If(go == True):
            deep = work()
            kubernetes.mount_pvc(deep, made.outputs["name"], "/data")
            kubernetes.use_secret_as_volume(deep, secret, "/mnt/secret")
    inner(claim=chosen.output, tolerations=tolerations)
