"""The state that a run ends in, which Airflow alone gets wrong when somebody ends the run by hand.

Airflow takes a run's state from its last tasks, teardowns left aside. When a run is marked failed, its
running tasks fail, all waiting ones are skipped, and teardowns still run; only after them is the run's state
worked out. A skipped last task does not speak against a success, and so the run that was marked failed ends
as one.

So `run_end` counts, too, and fails where a failure is not seen in the last steps. For the last steps to count
beside it, they must not be followed by a teardown that counts: between them and `run_end` stands
`steps_done`, a teardown that does not count and never reaches a worker. Both are teardowns of `run_start`, so
that clearing any step runs all three again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

__all__ = ["was_cut_short"]


def was_cut_short(states: Mapping[str, str], has_result: Callable[[str], bool]) -> bool:
    """Say whether somebody ended the run by hand, and not as a success.

    A failed step marks all that depend on it as `upstream_failed`. Where steps were skipped instead, somebody
    ended the run. If no step was running at that moment, Airflow leaves nothing behind that tells a run that
    was marked failed from one that was marked successful: it counts as cut short, since it did not do its
    work.

    Args:
        states: state of every step.
        has_result: whether a step left its XCom; a successful one without was marked so by hand.
    """
    if "skipped" not in states.values():
        return False
    if "failed" in states.values():
        return True
    return all(has_result(step) for step, state in states.items() if state == "success")
