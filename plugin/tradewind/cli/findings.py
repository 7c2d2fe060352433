"""One line of `tradewind check`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tradewind.errors import TradewindError

__all__ = ["Finding", "guarded"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        subject: what it is, in a few words.
        ok: whether it is as it should be.
        detail: what was found.
        remedy: what to do where it is not.
    """

    subject: str
    ok: bool
    detail: str
    remedy: str = ""


def guarded(subject: str, look: Callable[[], Finding]) -> Finding:
    """What a look says; an error of ours in it is a finding, too."""
    try:
        return look()
    except TradewindError as error:
        return Finding(subject, False, error.message, error.remedy)
