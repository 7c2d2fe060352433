"""`retry_on`: words of a person, as kinds of ends; and what they make of an error."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind.cluster.pod_end import RETRIED, PodEnd
from tradewind.cluster.retry_policy import GROUPS, is_retried, retried_kinds
from tradewind.errors import ConfigurationError, FatalError, RetryableError, UnreachableError


def test_groups_and_kinds_are_joined() -> None:
    kinds = retried_kinds(["infrastructure", "out_of_memory"], "retry_on")
    assert {"evicted", "node_lost", "preempted", "out_of_memory"} <= kinds
    assert "user_error" not in kinds
    assert retried_kinds(["default"], "retry_on") == RETRIED
    assert retried_kinds([], "retry_on") == frozenset()
    assert "succeeded" not in GROUPS["all"]
    assert GROUPS["infrastructure"] <= GROUPS["default"] < GROUPS["all"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evictd"], "Did you mean 'evicted'?"),
        (["succeeded"], "'succeeded' is no kind of end"),
        ("evicted", "must be a list"),
        (3, "must be a list"),
        ([None], "None is no kind of end"),
    ],
)
def test_a_word_that_means_nothing_is_refused(words: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        retried_kinds(words, "[tradewind] retry_on")
    assert said in str(caught.value)
    assert "[tradewind] retry_on" in str(caught.value)


def test_a_policy_goes_before_the_type_of_an_error() -> None:
    memory = PodEnd("out_of_memory", "x").error("p")
    user = PodEnd("user_error", "x").error("p")
    assert not is_retried(memory, None)
    assert is_retried(memory, frozenset({"out_of_memory"}))
    assert is_retried(user, None)
    assert not is_retried(user, frozenset({"out_of_memory"}))
    assert not is_retried(UnreachableError("away"), frozenset())


def test_an_error_without_a_kind_is_no_matter_of_policies() -> None:
    assert is_retried(RetryableError("x"), frozenset())
    assert not is_retried(FatalError("x"), GROUPS["all"])
