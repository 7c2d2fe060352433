"""The state that a run ends in, which Airflow alone gets wrong when somebody ends the run by hand.

Airflow takes a run's state from its last tasks. A run that is marked failed gets its running tasks failed and
all others skipped, but its teardowns run on, and the run's state is taken from the last tasks only when they
are done: a skipped last task counts as well, and the run that was marked failed ends as a success.

So a pipeline's DAG ends in two tasks that count. `run_outcome`, which never reaches a worker, fails with the
steps: none_failed, also when steps were skipped on purpose. It is skipped only when somebody ended the run by
hand. And `run_end` fails in that one case, after its work, if the run was not marked as a success.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from tradewind.errors import FatalError

__all__ = ["check_outcome"]


def check_outcome(outcome: str | None, steps: Mapping[str, str | None], finished: Collection[str]) -> None:
    """Raise if the run was ended by hand and not as a success.

    Where no step was running at that moment, Airflow leaves nothing behind that tells one from the other:
    every waiting step is skipped. Such a run counts as failed, since it did not do its work.

    Args:
        outcome: state of `run_outcome`.
        steps: state of every step.
        finished: steps that left a result behind: those that were not just marked as successful.

    Raises:
        FatalError: for Airflow, to make the run a failed one.
    """
    if outcome != "skipped":
        return
    failed = [step for step, state in steps.items() if state == "failed"]
    marked = [step for step, state in steps.items() if state == "success" and step not in finished]
    if failed or not marked:
        raise FatalError("The run was ended by hand before all of its steps had run.")
