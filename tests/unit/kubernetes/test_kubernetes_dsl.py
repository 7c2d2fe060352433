"""`tradewind.kubernetes`: what it refuses, and what it writes that KFP's SDK cannot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict

from tradewind import dsl, kubernetes
from tradewind.errors import FatalError, InvalidPipelineError
from tradewind.plan import build
from tradewind.plan.bindings import LoopItem, PipelineInput, Selected, Template
from tradewind.plan.pod_settings import Claim, KeyVariables


@dsl.component
def work() -> str:
    return ""


@dsl.component
def make() -> dict:
    return {}


def compiled(setting: Callable[[Any], Any]) -> dict[str, Any]:
    """The settings of a task, as they stand in the second document."""

    @dsl.pipeline(name="settings")
    def settings(name: str = "a", names: list = []):  # noqa: B006 - a constant
        setting(work())

    platform = dsl.compile(settings).platform
    assert platform is not None
    document = MessageToDict(platform)["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
    content: dict[str, Any] = document["exec-work"]
    return content


REFUSED: list[tuple[Callable[[Any], Any], str]] = [
    (lambda t: kubernetes.use_secret_as_env(t, "", {"a": "B"}), "use_secret_as_env(): secret_name expects"),
    (lambda t: kubernetes.use_secret_as_env(t, "s", ["a"]), "secret_key_to_env expects a mapping"),
    (lambda t: kubernetes.use_secret_as_volume(t, "s", "mnt"), "mount_path 'mnt' is not an absolute path"),
    (
        lambda t: kubernetes.use_secret_as_volume(t, "s", "/m", optional="yes"),
        "optional expects True or False",
    ),
    (lambda t: kubernetes.use_config_map_as_volume(t, 5, "/m"), "config_map_name expects a name, got 5"),
    (lambda t: kubernetes.mount_pvc(t, "c", "/m", sub_path="../x"), "is not a relative path"),
    (lambda t: kubernetes.mount_pvc(t, "c", t.output), "mount_path cannot be a value known only at run time"),
    (
        lambda t: kubernetes.add_pod_label(t, "a", f"{t.output}"),
        "label_value cannot be a value known only at",
    ),
    (lambda t: kubernetes.add_pod_annotation(t, "a", 5), "annotation_value expects text, got a int"),
    (lambda t: kubernetes.add_node_selector(t, "", "x"), "label_key is empty"),
    (lambda t: kubernetes.add_node_selector_json(t, "x"), "node_selector_json expects a dict"),
    (lambda t: kubernetes.add_node_affinity(t, [{"key": "a", "operator": "in"}]), "cannot be 'in'"),
    (
        lambda t: kubernetes.add_node_affinity(t, [{"operator": "In"}]),
        "key of match_expressions expects text",
    ),
    (lambda t: kubernetes.add_node_affinity(t, [{"key": "a", "value": "b"}]), "has no 'value'"),
    (lambda t: kubernetes.add_node_affinity(t, weight=101), "weight expects a whole number from 1 to 100"),
    (lambda t: kubernetes.add_node_affinity_json(t, {"required": []}), "a node affinity has no 'required'"),
    (lambda t: kubernetes.add_toleration(t, value="x"), "a toleration without a key tolerates everything"),
    (lambda t: kubernetes.add_toleration(t, "a", operator="Is"), "operator cannot be 'Is'"),
    (lambda t: kubernetes.add_toleration_json(t, {"keey": "a"}), "a toleration has no 'keey'"),
    (lambda t: kubernetes.add_pod_affinity(t, ""), "topology_key is empty"),
    (
        lambda t: kubernetes.add_ephemeral_volume(t, "v", "/v", "ReadWriteOnce", "1Gi"),
        "access_modes expects a",
    ),
    (lambda t: kubernetes.add_ephemeral_volume(t, "v", "/v", ["RWO"], "1Gi"), "access_modes cannot be 'RWO'"),
    (lambda t: kubernetes.empty_dir_mount(t, "v", "/v", size_limit=5), "size_limit expects text"),
    (lambda t: kubernetes.set_image_pull_policy(t, "Sometimes"), "policy cannot be 'Sometimes'"),
    (lambda t: kubernetes.set_image_pull_secrets(t, "s"), "secret_names expects a list of names, got 's'"),
    (lambda t: kubernetes.set_timeout(t, -1), "seconds expects a whole number from 0"),
    (lambda t: kubernetes.set_security_context(t), "nothing is given"),
    (lambda t: kubernetes.set_security_context(t, run_as_user=True), "run_as_user expects a whole number"),
    (lambda t: kubernetes.use_field_path_as_env(t, "A", ""), "field_path is empty"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_refused_with_task_and_function(call: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(InvalidPipelineError) as caught:
        compiled(call)
    text = str(caught.value)
    assert message in text
    assert "task 'work', kubernetes." in text


def test_all_problems_at_once() -> None:
    def call(task: Any) -> None:
        kubernetes.set_timeout(task, -1)
        kubernetes.set_image_pull_policy(task, "x")

    with pytest.raises(InvalidPipelineError) as caught:
        compiled(call)
    assert len(caught.value.problems) == 2


def test_only_tasks_with_a_container() -> None:
    with pytest.raises(FatalError, match=r"kubernetes.set_timeout\(\) expects a task, got a str"):
        kubernetes.set_timeout("train", 5)  # type: ignore[arg-type]

    @dsl.pipeline
    def inner():
        work()

    with pytest.raises(InvalidPipelineError, match="not for pipelines and importers"):

        @dsl.pipeline
        def outer():
            kubernetes.set_timeout(inner(), 5)


def test_an_artifact_is_no_name() -> None:
    @dsl.component
    def data() -> dsl.Dataset:
        return dsl.Dataset()

    with pytest.raises(InvalidPipelineError, match="secret_name cannot be an artifact"):

        @dsl.pipeline
        def wrong():
            kubernetes.use_secret_as_volume(work(), data().output, "/m")


def test_additions_to_the_sdk() -> None:
    def call(task: Any) -> None:
        kubernetes.use_shared_memory(task, "1Gi")
        kubernetes.add_pod_affinity(
            task, "zone", {"app": "cache"}, namespaces=["shared"], weight=5, anti=True
        )

    assert compiled(call) == {
        "enabledSharedMemory": {"volumeName": "shm", "size": "1Gi"},
        "podAffinity": [
            {
                "matchPodLabels": {"app": "cache"},
                "topologyKey": "zone",
                "namespaces": ["shared"],
                "weight": 5.0,
                "anti": True,
            }
        ],
    }


def test_names_within_texts_and_parts_of_values() -> None:
    @dsl.pipeline(name="parts")
    def parts(prefix: str = "a", items: list = []):  # noqa: B006 - a constant
        task = work()
        kubernetes.use_secret_as_env(task, f"{prefix}-login", {"user": "WHO"})
        with dsl.ParallelFor(items) as item:
            looped = work()
            kubernetes.mount_pvc(looped, item.claim, "/data")

    plan = build(dsl.compile(parts))
    settings = plan.steps["work"].platform
    assert settings is not None
    name = "pipelinechannel--prefix"
    template = Template(f"{{{{$.inputs.parameters['{name}']}}}}-login", {name: PipelineInput("prefix")})
    assert settings.variables == (KeyVariables("secret", template, (("WHO", "user"),)),)
    looped = next(step for step in plan.steps.values() if step.loop).platform
    assert looped is not None
    assert looped.mounts[0].volume == Claim(Selected(LoopItem("for-loop-1"), ("claim",)))


def test_what_a_setting_refers_to_comes_first() -> None:
    @dsl.pipeline(name="order")
    def order():
        first = work()
        nodes = make()
        second = work()
        kubernetes.add_node_selector_json(second, nodes.output)
        kubernetes.set_image_pull_secrets(second, [first.output])

    tasks = dsl.compile(order).spec.root.dag.tasks
    assert list(tasks["work-2"].dependent_tasks) == ["make", "work"]
    assert not tasks["work-2"].inputs.parameters
