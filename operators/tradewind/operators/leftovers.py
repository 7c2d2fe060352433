"""What runs have left behind: pods, volume claims, runs that stand as RUNNING in MLflow.

Each DAG run clears up after itself: its steps remove their pods, `run_end` the rest. What this cannot cover
is the loss of Airflow itself. Everything of ours carries the DAG id and run id that it was made for, so
whoever knows which runs still go on can tell what nobody will ever come back for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from tradewind.cluster.names import COLLECTED_LABEL, RUN_LABEL, run_of
from tradewind.operators.workspace import EXPIRES_ANNOTATION, WORKSPACE_LABEL

if TYPE_CHECKING:
    from tradewind.cluster.claims import Claims
    from tradewind.cluster.pods import Pods
    from tradewind.tracking import MlflowRest

__all__ = ["Leftover", "claims_of_runs", "open_mlflow_runs", "pods_of_runs"]

Kind = Literal["pod", "volume claim", "MLflow run"]


@dataclass(frozen=True, slots=True)
class Leftover:
    """Something that was made for a DAG run, and may be left behind.

    Attributes:
        kind: what it is.
        name: of a pod or claim with its namespace, of an MLflow run with its id.
        state: a pod's or claim's phase, an MLflow run's status.
        created: seconds since the epoch.
        dag_run: DAG id and run id; None where it does not say.
        kept: why it stays on purpose; empty for everything else.
        remove: removes it, or ends an MLflow run; raises TradewindError.
    """

    kind: Kind
    name: str
    state: str
    created: float
    dag_run: tuple[str, str] | None
    kept: str
    remove: Callable[[], object]


def pods_of_runs(pods: Pods) -> Iterator[Leftover]:
    """Give all pods of steps in a namespace.

    Raises:
        TradewindError: the cluster refuses, or is away.
    """
    for pod in pods.select(RUN_LABEL):
        collected = (pod["metadata"].get("labels") or {}).get(COLLECTED_LABEL) == "true"
        yield _object("pod", pods, pod, "its on_finish_action keeps it" if collected else "")


def claims_of_runs(claims: Claims) -> Iterator[Leftover]:
    """Give all volume claims that runs have made in a namespace: workspaces, and those of CreatePVC steps.

    Raises:
        TradewindError: the cluster refuses, or is away.
    """
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    for claim in claims.select(RUN_LABEL):
        metadata = claim["metadata"]
        until = (metadata.get("annotations") or {}).get(EXPIRES_ANNOTATION)
        if WORKSPACE_LABEL not in (metadata.get("labels") or {}):
            kept = "made by CreatePVC, stays until DeletePVC"
        else:
            kept = f"kept until {until}" if until is not None and until > now else ""
        yield _object("volume claim", claims, claim, kept)


def _object(kind: Kind, of: Pods, item: Mapping[str, Any], kept: str) -> Leftover:
    metadata = item["metadata"]
    name = metadata["name"]
    return Leftover(
        kind=kind,
        name=f"{metadata['namespace']}/{name}",
        state=str((item.get("status") or {}).get("phase") or ""),
        created=datetime.fromisoformat(metadata["creationTimestamp"]).timestamp(),
        dag_run=run_of(item),
        kept=kept,
        remove=lambda: of.delete(name),
    )


def open_mlflow_runs(rest: MlflowRest) -> Iterator[Leftover]:
    """Give all runs of ours that are RUNNING in MLflow.

    Raises:
        TradewindError: MLflow refuses, or is away.
    """
    from tradewind.tracking import Tracker
    from tradewind.tracking.leftovers import dag_run_of, open_runs
    from tradewind.tracking.runs import FoundRun

    tracker = Tracker(rest)

    def ending(run: FoundRun) -> Callable[[], object]:
        return lambda: tracker.close(run)

    for run in open_runs(rest):
        yield Leftover(
            kind="MLflow run",
            name=f"{run.name} {run.run_id}",
            state=run.status,
            created=run.start_ms / 1000,
            dag_run=dag_run_of(run),
            kept="",
            remove=ending(run),
        )
