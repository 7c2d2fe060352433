"""Pods that cannot be created, because of a conflict with something that is no pod."""

from __future__ import annotations

import pytest

from fixtures.scripted_api import Request, scripted_api
from tradewind.cluster import StepIdentity, adoption
from tradewind.cluster.adoption import create_or_adopt
from tradewind.errors import RetryableError

IDENTITY = StepIdentity("dag", "run", "task")
MANIFEST = {"metadata": {"name": IDENTITY.pod_name(1), "labels": IDENTITY.labels(1)}}
MESSAGE = "Operation cannot be fulfilled on resourcequotas: the object has been modified"


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that are made, on a clock that only they move."""
    made: list[float] = []
    monkeypatch.setattr(adoption.time, "sleep", made.append)
    monkeypatch.setattr(adoption.time, "monotonic", lambda: sum(made))
    return made


def test_a_conflict_that_passes(pauses: list[float]) -> None:
    def script(request: Request) -> None:
        if request.kind == "create" and api.kinds().count("create") > 3:
            request.answer(request.body)
        elif request.kind == "create":
            request.refuse(409, MESSAGE)
        else:
            request.refuse(404)

    with scripted_api(script) as api:
        own = create_or_adopt(api.pods(), MANIFEST, IDENTITY)
    assert (own.try_number, own.adopted) == (1, False)
    assert len(pauses) == 3
    assert pauses[0] < pauses[1] < pauses[2]


def test_a_conflict_that_stays_is_worth_another_try(pauses: list[float]) -> None:
    def script(request: Request) -> None:
        request.refuse(409 if request.kind == "create" else 404, MESSAGE)

    with scripted_api(script) as api, pytest.raises(RetryableError, match="resourcequotas"):
        create_or_adopt(api.pods(), MANIFEST, IDENTITY)
    assert len(pauses) < 50
