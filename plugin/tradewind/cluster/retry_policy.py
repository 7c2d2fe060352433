"""Which ends of a step are worth another try: words that a person writes, as a set of kinds.

One concept for all levels (step, pipeline, deployment): `retry_on`, a list of kinds of ends and of words for
groups of them. How often a step is tried is Airflow's affair (`retries`); a kind that is not in the list ends
the task at once, however many tries are left.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import get_args

from tradewind.cluster.pod_end import RETRIED, EndKind
from tradewind.errors import ConfigurationError, FatalError, TradewindError

__all__ = ["GROUPS", "is_retried", "retried_kinds"]

_ALL: frozenset[EndKind] = frozenset(get_args(EndKind)) - {"succeeded"}

GROUPS: Mapping[str, frozenset[EndKind]] = {
    "default": RETRIED,
    "infrastructure": frozenset(
        {
            "store_error",
            "stopped_error",
            "evicted",
            "preempted",
            "node_lost",
            "deleted",
            "image_unavailable",
            "start_failed",
            "unschedulable",
            "start_timeout",
            "quota_exceeded",
            "unreachable",
        }
    ),
    "all": _ALL,
}
"""Words that stand for several kinds. "infrastructure": what is not the step's own doing, and may pass."""


def retried_kinds(words: Iterable[str], place: str) -> frozenset[str]:
    """Return the kinds that a list of kinds and groups comes to.

    Args:
        words: none of them: no end is worth another try.
        place: where they stand, for the message.

    Raises:
        ConfigurationError: it is no list, or a word means nothing.
    """
    if isinstance(words, str) or not isinstance(words, Iterable):
        raise ConfigurationError(
            f"{place} must be a list, not {words!r}", remedy='For example ["default", "out_of_memory"].'
        )
    found: set[str] = set()
    for word in words:
        if word in GROUPS:
            found |= GROUPS[word]
        elif word in _ALL:
            found.add(word)
        else:
            known = [*GROUPS, *sorted(_ALL)]
            near = difflib.get_close_matches(str(word), known, n=1)
            remedy = f"Did you mean {near[0]!r}?" if near else f"Use some of {', '.join(known)}."
            raise ConfigurationError(f"{place}: {word!r} is no kind of end", remedy=remedy)
    return frozenset(found)


def is_retried(error: TradewindError, kinds: frozenset[str] | None) -> bool:
    """Say whether another try is worth it after an error.

    Args:
        kinds: of the step's policy; None: as it is by default. An error without a kind is no matter of
            policies, its type says what to do.
    """
    if kinds is None or not error.kind:
        return not isinstance(error, FatalError)
    return error.kind in kinds
