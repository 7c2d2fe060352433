"""What the plan's pure functions may ask about a run that is going on.

The plan knows where a value comes from; who runs it knows what came. Operators answer from Airflow's XComs
and task states, tests from a dict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from tradewind.errors import FatalError
from tradewind.plan.bindings import StepArtifact, StepParameter

__all__ = ["NoValueError", "Position", "RunView"]

Position = Mapping[str, int]
"""For each loop around the reader, by id, the index of its iteration among all iterations of that loop."""


class NoValueError(FatalError):
    """A value does not exist, since the step that would have made it was skipped or has failed."""


class RunView(Protocol):
    """One run, as seen by one task."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """The run's pipeline parameters."""

    @property
    def context(self) -> Mapping[str, str]:
        """Values of the constant placeholders (`tradewind.plan.placeholders.CONSTANTS`)."""

    @property
    def internal_state_words(self) -> bool:
        """Whether final statuses use the words of KFP's engine ("COMPLETE" for "SUCCEEDED")."""

    def output(self, binding: StepParameter | StepArtifact, at: Position) -> Any:
        """Return an output parameter's value, or an output artifact's list of references.

        Raises:
            NoValueError: the step was skipped or failed.
        """

    def states(self, step: str, at: Position) -> Sequence[str]:
        """Return the states of a step's instances in the iterations at and below `at`, in Airflow's words.

        One state where `at` holds all loops around the step; none for a loop without items. What skipped
        itself because of a failure (`tradewind.plan.readiness.broken`) is "upstream_failed".
        """

    def error(self, step: str, at: Position) -> str | None:
        """Return why a step failed, in the first of its instances at and below `at` that did."""

    def item(self, loop: str, at: Position) -> Any:
        """Return the item of the iteration that `at` names."""

    def iterations(self, loop: str, at: Position) -> Sequence[Position]:
        """Return the positions of a loop's iterations within `at`, in the order of the items."""
