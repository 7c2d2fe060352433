"""Names and labels by which a step's pod is found again.

A worker may die at any moment, and the one that comes after it knows nothing but the task instance it is to
run. So a pod's name is a function of the step and the try: creating it twice is a conflict and never a second
pod. The labels find the pod of an earlier try (`step_selector`) and all pods of a run (`run_selector`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "COLLECTED_LABEL",
    "RUN_LABEL",
    "STEP_LABEL",
    "TRY_LABEL",
    "StepIdentity",
    "run_annotations",
    "run_digest",
    "run_of",
    "run_selector",
]

RUN_LABEL = "tradewind.dev/run"
STEP_LABEL = "tradewind.dev/step"
TRY_LABEL = "tradewind.dev/try"
COLLECTED_LABEL = "tradewind.dev/collected"

_DAG_ANNOTATION = "tradewind.dev/dag"
_DAG_RUN_ANNOTATION = "tradewind.dev/dag-run"

NAME_LIMIT = 63  # a pod's name is its host name as well
HASH_LENGTH = 16


@dataclass(frozen=True, slots=True)
class StepIdentity:
    """Which step of which run: all tries of it have this in common.

    Attributes:
        map_index: -1 for a task that is not mapped.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1

    @property
    def label(self) -> str:
        """Value of the step's label."""
        return _digest(self.dag_id, self.run_id, self.task_id, str(self.map_index))

    def pod_name(self, try_number: int) -> str:
        """Return the pod's name: readable, at most 63 characters, unique to this try."""
        digest = _digest(self.dag_id, self.run_id, self.task_id, str(self.map_index), str(try_number))[:10]
        slug = re.sub(r"[^a-z0-9]+", "-", self.task_id.lower())[: NAME_LIMIT - 1 - len(digest)].strip("-")
        return f"{slug or 'step'}-{digest}"

    def labels(self, try_number: int) -> dict[str, str]:
        """Return the labels of the pod of one try."""
        return {
            RUN_LABEL: _digest(self.dag_id, self.run_id),
            STEP_LABEL: self.label,
            TRY_LABEL: str(try_number),
        }

    def selector(self) -> str:
        """Select this step's pods whose end nobody has taken in."""
        return f"{STEP_LABEL}={self.label},{COLLECTED_LABEL}!=true"


def run_digest(dag_id: str, run_id: str) -> str:
    """Return what stands for a run in names and labels."""
    return _digest(dag_id, run_id)


def run_annotations(dag_id: str, run_id: str) -> dict[str, str]:
    """Return the annotations that say whose an object is, in Airflow's own words: labels cannot hold them."""
    return {_DAG_ANNOTATION: dag_id, _DAG_RUN_ANNOTATION: run_id}


def run_of(item: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the DAG id and run id of an object of the cluster that is annotated with them."""
    annotations = item["metadata"].get("annotations") or {}
    dag_id, run_id = annotations.get(_DAG_ANNOTATION), annotations.get(_DAG_RUN_ANNOTATION)
    return (dag_id, run_id) if dag_id and run_id else None


def run_selector(dag_id: str, run_id: str) -> str:
    """Select all pods of a run whose end nobody has taken in."""
    return f"{RUN_LABEL}={_digest(dag_id, run_id)},{COLLECTED_LABEL}!=true"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:HASH_LENGTH]
