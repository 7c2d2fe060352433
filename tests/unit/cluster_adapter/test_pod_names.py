"""Names and labels are functions of the try: the same for whoever asks, legal for Kubernetes."""

from __future__ import annotations

import re

import pytest

from tradewind.cluster.names import RUN_LABEL, STEP_LABEL, TRY_LABEL, StepIdentity, run_selector

STEP = StepIdentity("churn", "manual__2026-01-01T00:00:00+00:00", "prepare.split")
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def test_the_same_try_has_the_same_name_and_every_other_try_another() -> None:
    again = StepIdentity("churn", "manual__2026-01-01T00:00:00+00:00", "prepare.split")
    assert again.pod_name(1) == STEP.pod_name(1)
    names = {
        STEP.pod_name(1),
        STEP.pod_name(2),
        StepIdentity(STEP.dag_id, STEP.run_id, STEP.task_id, 0).pod_name(1),
        StepIdentity(STEP.dag_id, "other", STEP.task_id).pod_name(1),
        StepIdentity("other", STEP.run_id, STEP.task_id).pod_name(1),
    }
    assert len(names) == 5


@pytest.mark.parametrize(
    "task", ["a", "Größe__X", "x" * 250, "-.-", "prepare.split", "a" * 51 + "." + "b" * 20]
)
def test_names_and_labels_are_legal(task: str) -> None:
    identity = StepIdentity("d", "r", task)
    assert NAME.fullmatch(identity.pod_name(12))
    assert all(LABEL.fullmatch(value) for value in identity.labels(12).values())


def test_names_are_readable() -> None:
    assert STEP.pod_name(1).startswith("prepare-split-")


def test_all_tries_share_the_step_label_and_all_steps_the_run_label() -> None:
    other = StepIdentity(STEP.dag_id, STEP.run_id, "train")
    assert STEP.labels(1)[STEP_LABEL] == STEP.labels(2)[STEP_LABEL] != other.labels(1)[STEP_LABEL]
    assert STEP.labels(1)[RUN_LABEL] == other.labels(1)[RUN_LABEL]
    assert STEP.labels(3)[TRY_LABEL] == "3"
    assert STEP.labels(1)[STEP_LABEL] in STEP.selector()
    assert other.labels(1)[RUN_LABEL] in run_selector(STEP.dag_id, STEP.run_id)


def test_parts_of_the_identity_do_not_run_into_one_another() -> None:
    assert StepIdentity("a", "bc", "t").label != StepIdentity("ab", "c", "t").label
