"""Which DAG runs go on, which have ended, which Airflow has never heard of.

The running local stack is asked through its API. Without one the metadata database of the Airflow that this
shell is configured for: whoever sweeps has no account of its API, but stands where `airflow` works.
"""

from __future__ import annotations

import os
from typing import Literal, Protocol

from tradewind.cli.airflow_api import AirflowApi, AirflowRefusalError
from tradewind.errors import UnreachableError
from tradewind.local.stack import USER, Home, StackState, read_password

__all__ = ["DatabaseStates", "RunState", "RunStates", "StackStates", "run_states"]

RunState = Literal["live", "ended", "unknown"]
_ENDED = ("success", "failed")


class RunStates(Protocol):
    """An Airflow that can be asked."""

    def of(self, dag_id: str, run_id: str) -> RunState:
        """Say how it stands with a DAG run.

        Raises:
            UnreachableError: Airflow does not answer.
        """


def run_states(home: Home, state: StackState | None) -> RunStates | None:
    """Return the Airflow to ask; None where there is none.

    Args:
        home: the local stack's directory.
        state: of the local stack, where one runs.
    """
    if state is not None:
        return StackStates(AirflowApi(state.addresses.airflow, USER, read_password(home)))
    return DatabaseStates() if "AIRFLOW_HOME" in os.environ else None


class StackStates:
    """The local stack's Airflow."""

    def __init__(self, api: AirflowApi) -> None:
        self._api = api

    def of(self, dag_id: str, run_id: str) -> RunState:
        """See `RunStates`."""
        try:
            run = self._api.run(dag_id, run_id)
        except AirflowRefusalError as error:
            if error.status == 404:
                return "unknown"
            raise
        return _in_words(str(run["state"]))


class DatabaseStates:
    """The Airflow of this shell (`AIRFLOW_HOME`), by its database."""

    def of(self, dag_id: str, run_id: str) -> RunState:
        """See `RunStates`."""
        from airflow.models.dagrun import DagRun
        from airflow.utils.session import create_session
        from sqlalchemy import select
        from sqlalchemy.exc import SQLAlchemyError

        wanted = select(DagRun.state).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id)
        try:
            with create_session() as session:
                found = session.scalar(wanted)
        except SQLAlchemyError as error:
            raise UnreachableError(
                f"Airflow's database cannot be asked: {str(error).splitlines()[0]}",
                remedy="Run this where `airflow dags list` works.",
            ) from error
        return "unknown" if found is None else _in_words(str(found))


def _in_words(state: str) -> RunState:
    return "ended" if state in _ENDED else "live"
