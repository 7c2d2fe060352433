"""What a pod's end is: a kind from a fixed list, a message, a remedy.

The kind alone decides whether another try is worth it: `RETRIED` says for which it is, unless a step's own
policy (`tradewind.cluster.retry_policy`) says otherwise. Which kind an end is, is said in
`tradewind.cluster.ends` and `tradewind.cluster.starts`; docs/failures.md has them all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tradewind.errors import FatalError, RetryableError, TradewindError

__all__ = ["RETRIED", "EndKind", "PodEnd"]

EndKind = Literal[
    "succeeded",
    "user_error",
    "package_error",
    "input_error",
    "output_error",
    "store_error",
    "protocol_error",
    "stopped_error",
    "no_result",
    "out_of_memory",
    "deadline_exceeded",
    "evicted",
    "preempted",
    "node_lost",
    "deleted",
    "init_failed",
    "image_not_found",
    "image_unavailable",
    "image_name_invalid",
    "configuration_missing",
    "cannot_start",
    "start_failed",
    "unschedulable",
    "start_timeout",
    "quota_exceeded",
    "not_admitted",
    "unreachable",
]

RETRIED: frozenset[EndKind] = frozenset(
    {
        "user_error",
        "package_error",
        "input_error",
        "store_error",
        "stopped_error",
        "no_result",
        "deadline_exceeded",
        "evicted",
        "preempted",
        "node_lost",
        "deleted",
        "init_failed",
        "image_unavailable",
        "start_failed",
        "unschedulable",
        "start_timeout",
        "quota_exceeded",
        "unreachable",
    }
)
"""Kinds for which Airflow's retries apply. The others end the same way every time."""

SHOWN_LINES = 10


@dataclass(frozen=True, slots=True)
class PodEnd:
    """How a pod ended.

    Attributes:
        kind: what happened.
        message: what happened, for a person; one line.
        remedy: what to do; one sentence, or empty.
        exit_code: of the step's container; None when it never ended.
        traceback: last lines of the user code's traceback.
        tail: last lines of the log.
    """

    kind: EndKind
    message: str
    remedy: str = ""
    exit_code: int | None = None
    traceback: str = ""
    tail: tuple[str, ...] = ()

    @property
    def succeeded(self) -> bool:
        """Say whether the step's container did its work."""
        return self.kind == "succeeded"

    def error(self, pod: str) -> TradewindError:
        """Return the error to raise for a pod that did not succeed.

        Args:
            pod: "name in namespace x", for the message.
        """
        code = "" if self.exit_code is None else f" (exit code {self.exit_code})"
        lines = [f"{self.message}{code}", f"  Pod: {pod}"]
        if self.traceback:
            lines.append(_indented(self.traceback.rstrip()))
        elif self.tail:
            lines += ["  Last lines of its log:", _indented("\n".join(self.tail[-SHOWN_LINES:]), "    ")]
        kind = RetryableError if self.kind in RETRIED else FatalError
        return kind("\n".join(lines), remedy=self.remedy, kind=self.kind)


def _indented(text: str, by: str = "  ") -> str:
    return "\n".join(by + line for line in text.splitlines())
