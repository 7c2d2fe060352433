"""How steps fail on a real cluster: each way has its kind, a message that helps, and a rule about retries.

What the kubelet, the container runtime and the control plane really say, not what a double says for them, and
what comes of it where a worker waits for the pod and where a trigger does.
"""

from __future__ import annotations

import functools
import re
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException
from kubernetes import client

from fixtures.airflow import DagResult
from fixtures.deferral import finish
from fixtures.ghost_node import GhostNode
from fixtures.pod_history import PodHistory
from fixtures.real_cluster import RealCluster
from fixtures.stack import eventually
from fixtures.steps import StepRun, TaskInstance, command_step, deployment, python_step
from tradewind.cluster import judgement
from tradewind.plan.model import Container, ParameterOutput, Step

NOTHING = python_step("def work() -> str:\n    return 'done'\n")
OUTPUT = "{{$.outputs.parameters['n'].output_file}}"
SLEEP = command_step("sleep", "300")
AT_ONCE = 60.0
"""Seconds that are less than the default timeouts for schedule and start, on a slow machine."""


def run(step: Step, **pod: Any) -> StepRun:
    return StepRun(step, pod=pod, ti=TaskInstance(dag_id="ends", run_id=uuid.uuid4().hex))


def error(given: StepRun, waits: str) -> AirflowException:
    """What a step raises for whose pod a "worker" or a "trigger" waits."""
    deferrable = waits == "trigger"
    with pytest.raises(AirflowException) as caught:
        (finish if deferrable else StepRun.execute)(
            replace(given, pod={**given.pod, "deferrable": deferrable})
        )
    return caught.value


def failure(given: StepRun, kind: str, *, retried: bool, waits: str = "worker") -> str:
    """What the step says of its failure; its kind and whether Airflow may try again are as they should be."""
    raised = error(given, waits)
    text = str(raised)
    assert f"  Kind: {kind}, {'worth' if retried else 'not worth'} a retry" in text
    assert isinstance(raised, AirflowFailException) == (not retried), text
    return text


@pytest.fixture(params=["worker", "trigger"])
def waits(request: pytest.FixtureRequest) -> str:
    """Who waits for the step's pod."""
    return str(request.param)


@pytest.fixture
def judged(waits: str) -> Callable[..., str]:
    """`failure`, whoever waits for the pod."""
    return functools.partial(failure, waits=waits)


def limits(**amounts: str) -> dict[str, Any]:
    return {"limits": {name.replace("_", "-"): amount for name, amount in amounts.items()}}


# --- the step's own doing -----------------------------------------------------------------------------------


def test_user_code_that_raises(on_real_cluster: str, judged: Callable[..., str]) -> None:
    source = "def work():\n    rows = []\n    print('reading')\n    raise ValueError(f'{len(rows)} rows')\n"
    text = judged(run(python_step(source)), "user_error", retried=True)
    assert text.startswith("the step's code failed: ValueError: 0 rows (exit code 1)\n  Pod: work-")
    assert f"in namespace {on_real_cluster}" in text
    assert "Traceback (most recent call last)" in text
    assert "raise ValueError(f'{len(rows)} rows')" in text
    assert "tradewind/runtime" not in text, "only the user's own frames"


def test_an_output_of_the_wrong_type_from_an_image_without_python(
    on_real_cluster: str, judged: Callable[..., str]
) -> None:
    script = 'mkdir -p "${0%/*}"; echo counting; echo many > "$0"'
    outputs = {"n": ParameterOutput("NUMBER_INTEGER")}
    step = command_step("sh", "-c", script, OUTPUT, output_parameters=outputs)
    text = judged(run(step), "output_error", retried=False)
    assert "missing or of the wrong type: OutputError: Output parameter 'n': " in text
    assert "  Pod: work-" in text
    assert f"in namespace {on_real_cluster}" in text
    assert "    counting" in text
    assert "Remedy: Make the component write what it declares." in text


def test_memory_over_the_limit(on_real_cluster: str, judged: Callable[..., str]) -> None:
    source = "def work():\n    print('epoch 1', flush=True)\n    x = [b'x' * 2**20 * n for n in range(99)]\n"
    text = judged(
        run(python_step(source), container_resources=limits(memory="96Mi")), "out_of_memory", retried=False
    )
    assert "ran out of memory (limit 96Mi): OOMKilled (exit code 137)" in text
    assert "epoch 1" in text
    assert "Remedy: Raise the step's memory limit" in text


def test_a_deadline(on_real_cluster: str, judged: Callable[..., str]) -> None:
    text = judged(run(SLEEP, active_deadline_seconds=2), "deadline_exceeded", retried=True)
    assert "longer than its deadline of 2 s" in text


def test_an_init_container_that_fails(on_real_cluster: str, judged: Callable[..., str]) -> None:
    prepare = {"name": "prepare", "image": "busybox", "command": ["sh", "-c", "echo no disk >&2; exit 3"]}
    prepare["terminationMessagePolicy"] = "FallbackToLogsOnError"
    text = judged(run(NOTHING, init_containers=[prepare]), "init_failed", retried=True)
    assert "the init container 'prepare' failed: Error (exit code 3)" in text
    assert "no disk" in text


def test_a_command_that_the_image_does_not_have(on_real_cluster: str, judged: Callable[..., str]) -> None:
    text = judged(run(command_step("frobnicate")), "cannot_start", retried=False)
    assert "frobnicate" in text
    assert "Check that the image has the command" in text


# --- what the pod refers to ---------------------------------------------------------------------------------


@pytest.mark.parametrize("image", ["python:0.0-none", "registry.invalid/team/model:1"])
def test_an_image_that_is_not_there(on_real_cluster: str, waits: str, image: str) -> None:
    """Which of the two kinds it is depends on whether nodes reach the registry that would know."""
    started = time.monotonic()
    text = str(error(run(python_step("def work(): ...", container=Container(image))), waits))
    assert f"the image {image!r} cannot be pulled: " in text
    assert re.search(r"not found|lookup|no such host|denied", text), "the reason, not that kubelets back off"
    assert re.search(r"Kind: image_not_found, not worth|Kind: image_unavailable, worth", text)
    assert time.monotonic() - started < AT_ONCE


@pytest.mark.parametrize("name", ["No//Image", "python:3.11:4"])
def test_what_is_no_name_of_an_image(on_real_cluster: str, judged: Callable[..., str], name: str) -> None:
    started = time.monotonic()
    step = python_step("def work(): ...", container=Container(name))
    text = judged(run(step), "image_name_invalid", retried=False)
    assert f"{name!r} is not an image's name" in text
    assert time.monotonic() - started < AT_ONCE


VOLUME = [{"name": "v", "mountPath": "/v"}]
MISSING = {
    "variable of a secret": (
        {"env_vars": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "nope", "key": "k"}}}]},
        'secret "nope" not found',
    ),
    "key of a secret": (
        {"env_vars": [{"name": "K", "valueFrom": {"secretKeyRef": {"name": "there", "key": "nokey"}}}]},
        "nokey",
    ),
    "variables of a config map": (
        {"env_from": [{"configMapRef": {"name": "nope"}}]},
        'configmap "nope" not found',
    ),
    "volume of a secret": (
        {"volumes": [{"name": "v", "secret": {"secretName": "nope"}}], "volume_mounts": VOLUME},
        'secret "nope" not found',
    ),
    "volume of a config map": (
        {"volumes": [{"name": "v", "configMap": {"name": "nope"}}], "volume_mounts": VOLUME},
        'configmap "nope" not found',
    ),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_secret_or_config_map_that_is_not_there(
    on_real_cluster: str, waits: str, judged: Callable[..., str], real_cluster: RealCluster, case: str
) -> None:
    if case == "key of a secret" and waits == "worker":  # for both: the namespace is the module's
        real_cluster.core.create_namespaced_secret(on_real_cluster, {"metadata": {"name": "there"}})
    started = time.monotonic()
    arguments, said = MISSING[case]
    text = judged(run(NOTHING, **arguments), "configuration_missing", retried=False)
    assert said in text
    assert "Remedy: Create the secret, config map or key that it refers to." in text
    assert time.monotonic() - started < AT_ONCE


# --- what the cluster says ----------------------------------------------------------------------------------


def test_more_than_any_node_has(on_real_cluster: str, judged: Callable[..., str]) -> None:
    much = {"requests": {"memory": "9000Gi"}}
    text = judged(
        run(NOTHING, container_resources=much, schedule_timeout_seconds=2), "unschedulable", retried=True
    )
    assert "no node took the pod within 2 s" in text
    assert "Insufficient memory" in text, "the scheduler's reason"


def test_a_label_that_no_node_has(on_real_cluster: str, judged: Callable[..., str]) -> None:
    text = judged(
        run(NOTHING, node_selector={"gpu": "none"}, schedule_timeout_seconds=2), "unschedulable", retried=True
    )
    assert "node(s) didn't match" in text


@contextmanager
def ruled(cluster: RealCluster, namespace: str, **rules: dict[str, Any]) -> Iterator[None]:
    """The namespace with a `quota` or `limits` for as long as the block lasts."""
    core = cluster.core
    if "quota" in rules:
        body = {"metadata": {"name": "rule"}, "spec": {"hard": rules["quota"]}}
        core.create_namespaced_resource_quota(namespace, body)
        # Until the controller has counted what is there, nothing is admitted at all.
        eventually(lambda: core.read_namespaced_resource_quota("rule", namespace).status.hard, 60)
    else:
        body = {"metadata": {"name": "rule"}, "spec": {"limits": [rules["limits"]]}}
        core.create_namespaced_limit_range(namespace, body)
    try:
        yield
    finally:
        kind = "resource_quota" if "quota" in rules else "limit_range"
        getattr(core, f"delete_namespaced_{kind}")("rule", namespace)


def test_a_quota_without_room(fresh_namespace: str, real_cluster: RealCluster, airflow_home: Any) -> None:
    with (
        deployment(real_cluster.airflow(fresh_namespace), namespace=fresh_namespace),
        ruled(real_cluster, fresh_namespace, quota={"pods": "0"}),
    ):
        text = failure(run(NOTHING), "quota_exceeded", retried=True)
    assert "exceeded quota: rule, requested: pods=1, used: pods=0, limited: pods=0" in text
    assert "Wait until other pods have ended" in text


def test_a_quota_that_wants_limits(
    fresh_namespace: str, real_cluster: RealCluster, airflow_home: Any
) -> None:
    with (
        deployment(real_cluster.airflow(fresh_namespace), namespace=fresh_namespace),
        ruled(real_cluster, fresh_namespace, quota={"limits.memory": "1Gi"}),
    ):
        text = failure(run(NOTHING), "not_admitted", retried=False)
        assert "must specify limits.memory" in text
        assert "set_memory_limit" in text
        done = run(NOTHING, container_resources=limits(memory="256Mi")).execute()
    assert done["parameters"] == {"Output": "done"}


def test_admission(on_real_cluster: str, real_cluster: RealCluster) -> None:
    largest = {"type": "Container", "max": {"memory": "1Gi"}}
    with ruled(real_cluster, on_real_cluster, limits=largest):
        text = failure(run(NOTHING, container_resources=limits(memory="2Gi")), "not_admitted", retried=False)
    assert "maximum memory usage per Container is 1Gi, but limit is 2Gi" in text
    text = failure(run(NOTHING, service_account_name="nobody"), "not_admitted", retried=False)
    assert 'serviceaccount "nobody" not found' in text
    assert "Create the service account" in text
    text = failure(run(NOTHING, priority_class_name="nothing"), "not_admitted", retried=False)
    assert "no PriorityClass with name nothing" in text


# --- what becomes of nodes ----------------------------------------------------------------------------------


def test_eviction(on_real_cluster: str, judged: Callable[..., str]) -> None:
    """By the real kubelet: it measures volumes once in a minute."""
    scratch = [{"name": "v", "emptyDir": {"sizeLimit": "4Mi"}}]
    fill = command_step("sh", "-c", "dd if=/dev/zero of=/v/x bs=1M count=32 2>&1; sleep 300")
    text = judged(run(fill, volumes=scratch, volume_mounts=VOLUME), "evicted", retried=True)
    assert 'Usage of EmptyDir volume "v" exceeds the limit "4Mi"' in text


@pytest.fixture
def ghost(real_cluster: RealCluster) -> Iterator[GhostNode]:
    with GhostNode(real_cluster.core) as node:
        yield node


def test_a_node_that_is_lost(
    on_real_cluster: str, judged: Callable[..., str], ghost: GhostNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control plane tells the pod to end, and nobody is there to confirm it."""
    monkeypatch.setattr(judgement, "SILENT_SECONDS", 2.0)
    ghost.when_running = lambda pod, namespace: ghost.lose()
    step = run(SLEEP, **ghost.pod_arguments, termination_grace_period=1)
    text = judged(step, "node_lost", retried=True)
    assert "the pod's node went away: TaintManagerEviction" in text
    assert "A retry runs elsewhere" in text


def test_preemption(
    on_real_cluster: str, judged: Callable[..., str], real_cluster: RealCluster, ghost: GhostNode
) -> None:
    scheduling = client.SchedulingV1Api(real_cluster.client())
    important = f"tw-{uuid.uuid4().hex[:10]}"
    scheduling.create_priority_class({"metadata": {"name": important}, "value": 1000})
    whole = {"requests": {"cpu": "800m"}}
    arguments = ghost.pod_arguments

    def crowd(pod: str, namespace: str) -> None:
        body = {
            "metadata": {"name": important},
            "spec": {
                "priorityClassName": important,
                "nodeSelector": arguments["node_selector"],
                "tolerations": arguments["tolerations"],
                "containers": [{"name": "main", "image": "busybox", "resources": whole}],
            },
        }
        real_cluster.core.create_namespaced_pod(namespace, body)

    ghost.when_running = crowd
    try:
        step = run(SLEEP, **arguments, container_resources=whole, termination_grace_period=1)
        text = judged(step, "preempted", retried=True)
    finally:
        scheduling.delete_priority_class(important)
    assert "the pod had to make room for a more important one: Preempted" in text
    assert "priority_class_name" in text


def test_a_pod_that_somebody_deletes(
    on_real_cluster: str, judged: Callable[..., str], real_cluster: RealCluster, ghost: GhostNode
) -> None:
    ghost.when_running = real_cluster.core.delete_namespaced_pod
    step = run(SLEEP, **ghost.pod_arguments, termination_grace_period=1)
    assert "deleted from outside" in judged(step, "deleted", retried=True)


# --- which are tried again ----------------------------------------------------------------------------------

POLICIES = """
from datetime import timedelta
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component(base_image="python:3.11")
def work(name: str) -> int:
    import os
    if os.environ["TRY"] == "1":
        b"x" * 400_000_000
    return int(os.environ["TRY"])

@dsl.pipeline
def policies():
    for name in ("again", "once"):
        task = work(name=name).set_memory_limit("96Mi").set_retry(2, backoff_duration="0s")
        task.set_display_name(name)

dag = pipeline_dag(
    policies,
    caching=False,
    pod={"env_vars": {"TRY": "{{ ti.try_number }}"}},
    steps={"work": {"retry_on": ["default", "out_of_memory"]}},
)
"""


def test_a_step_says_which_ends_are_tried_again(
    on_real_cluster: str,
    real_cluster: RealCluster,
    run_dag: Callable[..., DagResult],
    pod_history: Callable[[str], PodHistory],
) -> None:
    history = pod_history(on_real_cluster)
    before = len(history.names())
    result = run_dag(POLICIES)
    assert {name: result.tasks[name] for name in ("work", "work-2")} == {
        "work": "success",
        "work-2": "failed",
    }
    assert result.xcom("work")["parameters"] == {"Output": 2}
    tries = [one.metadata.labels["tradewind.dev/try"] for one in history.pods()[before:]]
    assert sorted(tries) == ["1", "1", "2"]
    assert "out_of_memory, not worth a retry" in str(result.errors["work-2"][0])
