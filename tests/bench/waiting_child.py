"""`python -m bench.waiting_child tradewind|pod_operator PODS SERVER`: an event loop full of triggers.

The triggers run as in Airflow's triggerer: each as a task of one event loop. Prints a line when all are made,
and at the end, as JSON, when each of them fired.
"""

from __future__ import annotations

import asyncio
import datetime
import importlib
import json
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.triggers.base import BaseTrigger


def kubeconfig(server: str) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    return json.dumps({"conn_type": "kubernetes", "extra": {"kube_config": json.dumps(config)}})


def tradewind_trigger(number: int, server: str) -> BaseTrigger:
    from tradewind.cluster.judgement import ObservationOptions
    from tradewind.operators.cluster_reference import ClusterReference
    from tradewind.operators.trigger import StepTrigger
    from tradewind.operators.waiting import Waiting

    name = f"pod-{number}"
    labels = {"tradewind.dev/run": "r", "tradewind.dev/step": name, "tradewind.dev/try": "1"}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "labels": labels}
    waiting = Waiting(
        cluster=ClusterReference("kubernetes_default", None, None, None, server),
        pod={"metadata": {**metadata, "resourceVersion": "1"}, "spec": {}, "status": {"phase": "Pending"}},
        options=ObservationOptions("base", logs=["base"], plain=True),
        launched_at=time.time(),
    )
    return StepTrigger(json.loads(json.dumps(waiting.to_dict())))


def pod_operator_trigger(number: int, server: str) -> BaseTrigger:
    from airflow.providers.cncf.kubernetes.triggers.pod import KubernetesPodTrigger

    return KubernetesPodTrigger(
        pod_name=f"pod-{number}",
        pod_namespace="default",
        trigger_start_time=datetime.datetime.now(tz=datetime.UTC),
        base_container_name="base",
        kubernetes_conn_id="kubernetes_default",
        poll_interval=2,
        log_events_on_startup=False,
    )


async def run(kind: str, count: int, server: str) -> None:
    make = {"tradewind": tradewind_trigger, "pod_operator": pod_operator_trigger}[kind]
    fired: dict[str, float] = {}

    async def wait(number: int) -> None:
        async for event in make(number, server).run():
            end = event.payload.get("end") or {}
            assert end.get("kind") == "succeeded" or event.payload.get("status") == "success", event
            fired[f"pod-{number}"] = time.monotonic()

    make(0, server)
    for name in ("kubernetes.client", "kubernetes.config", "kubernetes_asyncio", "aiohttp"):
        importlib.import_module(name)  # whoever comes first imports them, and the memory is not the triggers'
    print("ready", flush=True)
    await asyncio.gather(*(wait(number) for number in range(count)))
    print(json.dumps(fired), flush=True)


if __name__ == "__main__":
    kind, count, server = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    os.environ["AIRFLOW_CONN_KUBERNETES_DEFAULT"] = kubeconfig(server)
    asyncio.run(run(kind, count, server))
