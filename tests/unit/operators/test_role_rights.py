"""The Roles of docker/kubernetes are exactly what is used: nothing is refused, no verb is there in vain."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.airflow import DagResult
from fixtures.service_accounts import rights
from fixtures.steps import StepRun, TaskInstance, deployment, python_step

HELLO = python_step("def work() -> str:\n    return 'hello'\n")

VOLUMES = """
from tradewind import dsl, kubernetes
from tradewind.airflow import pipeline_dag

@dsl.component
def write(path: str) -> str:
    with open(path, "w") as file:
        file.write("x")
    return path

@dsl.pipeline(
    name="volumes",
    pipeline_config=dsl.PipelineConfig(
        workspace=dsl.WorkspaceConfig(size="1Mi"), ttl_seconds_after_finished={kept}
    ),
)
def volumes():
    made = kubernetes.CreatePVC(pvc_name_suffix="-data", access_modes=["ReadWriteOnce"], size="1Mi")
    written = write(path=f"{{dsl.WORKSPACE_PATH_PLACEHOLDER}}/file")
    kubernetes.DeletePVC(pvc_name=made.outputs["name"]).after(written)

dag = pipeline_dag(volumes, pod={{"deferrable": {deferrable}}})
"""


@pytest.fixture
def used(cluster: Any) -> Callable[[], set[tuple[str, str]]]:
    """Verbs and resources of our requests since the test began."""
    cluster.requests(reset=True)
    return lambda: {
        (entry["verb"], entry["resource"])
        for entry in cluster.requests()
        if entry["userAgent"].startswith("tradewind")
    }


def test_steps_use_their_role_and_no_more(
    airflow_home: Any, cluster: Any, namespace: str, core_api: Any, used: Any
) -> None:
    kubeconfig = cluster.restricted("steps", rights("steps"))
    with deployment(kubeconfig, namespace=namespace):
        assert StepRun(HELLO).execute()["parameters"] == {"Output": "hello"}
        kept = StepRun(HELLO, pod={"on_finish_action": "keep_pod"}, ti=TaskInstance(run_id="kept"))
        kept.execute()
        (pod,) = core_api.list_namespaced_pod(namespace).items
        assert pod.metadata.labels["tradewind.dev/collected"] == "true"
        # Cleared: the same try again, whose pod is still there; then a retry, which looks for earlier ones.
        kept.execute()
        StepRun(HELLO, ti=TaskInstance(run_id="kept", try_number=2)).execute()
    assert used() == rights("steps")


def test_a_triggerer_needs_the_role_for_deferred_steps(
    airflow_home: Any, cluster: Any, namespace: str, used: Any, core_api: Any
) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    def deferred(source: str, run: str) -> Any:
        step = StepRun(python_step(source), pod={"deferrable": True}, ti=TaskInstance(run_id=run))
        with (
            deployment(cluster.restricted("worker", rights("steps")), namespace=namespace, deferrable="true"),
            pytest.raises(TaskDeferred) as caught,
        ):
            step.execute()
        return caught.value.trigger

    source = "def work() -> str:\n    import time\n    time.sleep({seconds})\n    return ''\n"
    ending, killed, gone = (deferred(source.format(seconds=s), f"run-{s}") for s in (1, 600, 601))
    core_api.delete_namespaced_pod(gone.waiting.pod["metadata"]["name"], namespace, grace_period_seconds=0)

    async def wait() -> list[str]:
        waits = [asyncio.create_task(anext(trigger.run())) for trigger in (ending, killed, gone)]
        await asyncio.gather(waits[0], waits[2])
        await killed.on_kill()
        return [(await each).payload["what"] for each in waits]

    cluster.requests(reset=True)
    with deployment(cluster.restricted("triggerer", rights("deferred")), namespace=namespace):
        assert asyncio.run(wait()) == ["ended", "ended", "ended"]
    assert used() - rights("events") == rights("deferred"), "who deleted the pod may be among the events"


def test_a_step_that_does_not_start_uses_events_where_it_may(
    airflow_home: Any, cluster: Any, namespace: str, used: Any
) -> None:
    kubeconfig = cluster.restricted("events", rights("steps", "events"))
    late = StepRun(HELLO, pod={"node_selector": {"disk": "none"}, "schedule_timeout_seconds": 1})
    with (
        deployment(kubeconfig, namespace=namespace),
        pytest.raises(Exception, match="no node took the pod"),
    ):
        late.execute()
    assert used() - rights("steps") == rights("events")


@pytest.mark.parametrize("deferrable", [False, True], ids=["synchronous", "deferred"])
def test_volumes_need_the_role_for_volumes(
    airflow_home: Any,
    cluster: Any,
    namespace: str,
    used: Any,
    run_dag: Callable[..., DagResult],
    deferrable: bool,
) -> None:
    kubeconfig = cluster.restricted("volumes", rights("steps", "volumes"))
    with deployment(kubeconfig, namespace=namespace):
        for kept in (0, 3600):
            result = run_dag(VOLUMES.format(kept=kept, deferrable=deferrable))
            assert result.state == "success", result.errors
    assert {right for right in used() if right[1] == "persistentvolumeclaims"} == rights("volumes")
