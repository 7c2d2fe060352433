"""Our errors in Airflow's terms: a `FatalError` is not tried again, others are as the task's retries say."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tradewind.errors import FatalError, TradewindError

__all__ = ["airflow_errors"]


@contextlib.contextmanager
def airflow_errors() -> Iterator[None]:
    """Raise Airflow's exception for one of ours, without the inner traceback: the message says it all.

    Raises:
        AirflowFailException: for a `FatalError`.
        AirflowException: for any other `TradewindError`.
    """
    try:
        yield
    except FatalError as error:
        raise AirflowFailException(str(error)) from None
    except TradewindError as error:
        raise AirflowException(str(error)) from None
