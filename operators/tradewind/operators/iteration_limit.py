"""How many iterations Airflow lets a loop have: those over all iterations of the loops around it together."""

from __future__ import annotations

from collections.abc import Mapping

from airflow.sdk.configuration import conf

from tradewind.errors import FatalError, Problem

__all__ = ["check_iterations", "iteration_problems"]

_AIRFLOWS_DEFAULT = 1024


def iteration_problems(numbers: Mapping[str, int]) -> list[Problem]:
    """What is wrong with the numbers of iterations, given by loop id."""
    if not numbers:
        return []
    most = conf.getint("core", "max_map_length", fallback=_AIRFLOWS_DEFAULT)
    remedy = "raise [core] max_map_length in all of Airflow, or loop over fewer items"
    return [
        Problem(f"loop '{loop}'", f"has {number} iterations, Airflow is set to at most {most}", remedy)
        for loop, number in numbers.items()
        if number > most
    ]


def check_iterations(numbers: Mapping[str, int]) -> None:
    """Refuse what `iteration_problems` finds.

    Raises:
        FatalError: a loop has too many iterations.
    """
    for problem in iteration_problems(numbers):
        raise FatalError(f"{problem.place} {problem.message}", remedy=f"{problem.remedy}.")
