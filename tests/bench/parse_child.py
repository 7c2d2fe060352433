"""Builds one chain of steps in a fresh interpreter and prints what it cost, as JSON.

Usage: `python -m bench.parse_child tradewind|pod_operator STEPS`. Importing Airflow and the classes used is
not counted: both sides need it, and long-lived parents pay it once.
"""

from __future__ import annotations

import json
import sys
import time

ENV = {f"VARIABLE_{number}": f"value {number}" for number in range(20)}


def build_tradewind(steps: int) -> object:
    from tradewind import dsl
    from tradewind.airflow import pipeline_dag

    @dsl.container_component
    def noop() -> dsl.ContainerSpec:
        return dsl.ContainerSpec(image="busybox", command=["true"])

    @dsl.pipeline(name="chain")
    def chain() -> None:
        previous = None
        for _ in range(steps):
            task = noop()
            for name, value in ENV.items():
                task.set_env_variable(name, value)
            if previous is not None:
                task.after(previous)
            previous = task

    return pipeline_dag(chain)


def build_pod_operator(steps: int) -> object:
    from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
    from airflow.sdk import DAG

    with DAG("chain", schedule=None) as dag:
        previous = None
        for number in range(steps):
            task = KubernetesPodOperator(
                task_id=f"noop-{number}", name="noop", image="busybox", cmds=["true"], env_vars=dict(ENV)
            )
            if previous is not None:
                previous >> task
            previous = task
    return dag


def main() -> None:
    kind, steps = sys.argv[1], int(sys.argv[2])
    from airflow.serialization.serialized_objects import DagSerialization

    build = {"tradewind": build_tradewind, "pod_operator": build_pod_operator}[kind]
    build(2)  # imports, template caches: the same for both sides
    started = time.process_time()
    dag = build(steps)
    built = time.process_time()
    serialized = json.dumps(DagSerialization.to_dict(dag))
    finished = time.process_time()
    print(
        json.dumps(
            {"build": built - started, "serialize": finished - built, "bytes": len(serialized.encode())}
        )
    )


if __name__ == "__main__":
    main()
