"""A row of the bench table: our figure, the baseline's, and the ratio that we promised."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Row", "render"]


@dataclass(frozen=True)
class Row:
    """One measured comparison.

    Attributes:
        ours, theirs: medians, in the unit that `what` names; `theirs` is None: nothing to compare.
        goal: largest allowed `ours / theirs`; with nothing to compare, largest allowed `ours`.
        baseline: what `theirs` is.
    """

    what: str
    ours: float
    theirs: float | None = None
    goal: float | None = None
    baseline: str = "KubernetesPodOperator"

    @property
    def ratio(self) -> float:
        return self.ours if self.theirs is None else self.ours / self.theirs

    @property
    def met(self) -> bool:
        """Whether the goal is reached; True without one."""
        return self.goal is None or self.ratio <= self.goal

    def cells(self) -> tuple[str, ...]:
        theirs = "" if self.theirs is None else f"{self.theirs:.3f}"
        ratio = "" if self.theirs is None else f"{self.ratio:.2f}"
        goal = "" if self.goal is None else f"≤ {self.goal:.2f}"
        verdict = "" if self.goal is None else ("ok" if self.met else "MISSED")
        return (self.what, f"{self.ours:.3f}", theirs, ratio, goal, verdict, self.baseline if theirs else "")


def render(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    head = ("what", "tradewind", "baseline", "ratio", "goal", "", "baseline is")
    table = [head, tuple("---" for _ in head), *(row.cells() for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in table)
