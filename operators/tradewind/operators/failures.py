"""Our errors in Airflow's terms: what is worth another try is left to the task's retries, the rest is not."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tradewind.cluster.retry_policy import is_retried
from tradewind.errors import TradewindError

__all__ = ["airflow_errors", "split_kind"]

_KIND = "\n  Kind: "


@contextlib.contextmanager
def airflow_errors(retried: frozenset[str] | None = None) -> Iterator[None]:
    """Raise Airflow's exception for one of ours, without the inner traceback: the message says it all.

    Args:
        retried: kinds of ends that are worth another try; None: as it is by default.

    Raises:
        AirflowFailException: another try is not worth it.
        AirflowException: Airflow's retries apply.
    """
    try:
        yield
    except TradewindError as error:
        again = is_retried(error, retried)
        told = f"{_KIND}{error.kind}, {'worth' if again else 'not worth'} a retry" if error.kind else ""
        raise (AirflowException if again else AirflowFailException)(f"{error}{told}") from None


def split_kind(message: str) -> tuple[str, str]:
    """Return what an error of `airflow_errors` says, without its kind, and the kind, maybe empty."""
    text, _, told = message.partition(_KIND)
    return text, told.partition(",")[0]
