"""What a single run may be told about Tradewind itself, beside the pipeline's parameters.

It travels in the run's configuration, where Airflow's form, API and backfills can put it, under names with a
dot: no parameter of a pipeline can have such a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.errors import FatalError

__all__ = ["CACHING", "RUN_OPTIONS", "RunOptions"]

CACHING = "tradewind.caching"
RUN_OPTIONS = (CACHING,)


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options of a run.

    Attributes:
        caching: False: no step uses an earlier result; True: steps do, whatever pipeline and deployment say;
            None: as these say.
    """

    caching: bool | None = None

    @classmethod
    def of(cls, dag_run: Any) -> RunOptions:
        """Read a run's configuration.

        Raises:
            FatalError: an option has a value that it cannot have.
        """
        given = getattr(dag_run, "conf", None)
        caching = given.get(CACHING) if isinstance(given, Mapping) else None
        if caching is not None and not isinstance(caching, bool):
            raise FatalError(
                f"The run's configuration says {CACHING} = {caching!r}",
                remedy="It must be true or false. Trigger the DAG again.",
            )
        return cls(caching)
