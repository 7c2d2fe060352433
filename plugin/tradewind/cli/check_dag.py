"""What `pipeline_dag` itself says about a DAG file's call, without touching anybody's Airflow."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tradewind.cli.python_file import Candidate
from tradewind.errors import InvalidPipelineError, Problem

__all__ = ["require_dag"]


def require_dag(path: Path, candidate: Candidate) -> None:
    """Make the DAG as Airflow would when it loads the file.

    Raises:
        InvalidPipelineError: it would be an import error there; lists all that is wrong.
    """
    with _airflow_home():
        from tradewind.airflow import pipeline_dag

        try:
            pipeline_dag(candidate.subject, **(candidate.arguments or {}))  # type: ignore[arg-type]
        except InvalidPipelineError:
            raise
        except Exception as error:  # arguments are the user's: anything may come out of them
            problem = Problem("pipeline_dag", f"{type(error).__name__}: {error}")
            raise InvalidPipelineError(str(path), [problem]) from error


@contextmanager
def _airflow_home() -> Iterator[None]:
    """Airflow writes a configuration into its home when it is imported: here into one that does not stay."""
    if "AIRFLOW_HOME" in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="tradewind-check-") as home:
        os.environ["AIRFLOW_HOME"] = home
        try:
            yield
        finally:
            del os.environ["AIRFLOW_HOME"]
