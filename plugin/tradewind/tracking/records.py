"""What there is to say about a pipeline run and about a step try, as plain data.

A record says everything, always, and writing it twice changes nothing. So when MLflow is away the record is
simply kept (as JSON, in XCom) and written later. Parameter values are part of it as they are; credentials
never are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, Self

__all__ = ["PipelineRunRecord", "Reference", "Status", "StepRecord", "TrackedRun"]

Status = Literal["RUNNING", "FINISHED", "FAILED", "KILLED"]
Reference = Mapping[str, Any]
"""An artifact reference: name, type, uri, metadata, digest, size, format (docs/architecture.md)."""


class _Data:
    """To and from JSON-able dicts. Unknown names are left out: a newer version may have written them."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON data that `from_dict` reads back."""
        return asdict(self)  # type: ignore[call-overload,no-any-return]

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The record that `to_dict` described."""
        names = {item.name for item in fields(cls)}  # type: ignore[arg-type]
        return cls(**{name: value for name, value in data.items() if name in names})


@dataclass(frozen=True, slots=True)
class TrackedRun(_Data):
    """A run in MLflow.

    Attributes:
        experiment_id, run_id: MLflow's.
        artifact_uri: root of the run's artifacts, `mlflow-artifacts:/1/<run>/artifacts`.
        group: value of the tag `tradewind.run`, the same on all runs that belong to one pipeline run.
        models: artifact root of each logged model, by the name of the step's output.
        created: value of the tag `tradewind.created` of a run that was made just now, without a look whether
            it is the only one; else empty.
    """

    experiment_id: str
    run_id: str
    artifact_uri: str = ""
    group: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True)
class PipelineRunRecord(_Data):
    """One run of a pipeline: one DAG run, one parent run in MLflow.

    Attributes:
        dag_id, run_id: Airflow's; together the key by which the MLflow run is found again.
        experiment: name of the MLflow experiment.
        name: shown in MLflow's list of runs.
        pipeline: name of the pipeline.
        start_ms, end_ms: since the epoch; `end_ms` stays None while the run is open.
        params: the pipeline's parameters, any JSON values.
        outputs: the pipeline's own outputs; numbers become metrics.
        tags: more tags.
        note: Markdown, shown above the run's details; a link to Airflow is put before it.
        airflow_url: the DAG run's page.
    """

    dag_id: str
    run_id: str
    experiment: str
    name: str
    pipeline: str = ""
    status: Status = "RUNNING"
    start_ms: int = 0
    end_ms: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    note: str = ""
    airflow_url: str = ""

    @property
    def key(self) -> str:
        """`<dag_id>/<run_id>`."""
        return f"{self.dag_id}/{self.run_id}"


@dataclass(frozen=True, slots=True)
class StepRecord(_Data):
    """One try of one step: one child run in MLflow.

    Attributes:
        dag_id, run_id: of the pipeline run.
        step: the step's id, `prepare.split`; with `map_index` and `try_number` the rest of the key.
        display_name: shown in MLflow; the step's id when empty.
        map_index: -1 for a step that is not mapped.
        path: of a step in loops, its place in each of them from the outermost in; what people see of the
            map index.
        params: input parameters, any JSON values.
        metrics: more metrics than those in the step's Metrics artifacts and number outputs.
        outputs: output parameters by name; numbers become metrics, the rest tags.
        inputs, artifacts: references of input and output artifacts by name.
        airflow_url: the task instance's page with its log.
        error: why the try failed, for people; empty otherwise.
        cached_from: set for a cache hit. Known keys, all optional: `mlflow_run_id`, `experiment_id`,
            `run` (the pipeline run that made the result), `url` (its page in Airflow).
        uses_mlflow: the step's code may have logged metrics into the run by itself; they are mirrored, too.
    """

    dag_id: str
    run_id: str
    step: str
    display_name: str = ""
    map_index: int = -1
    path: Sequence[int] = ()
    try_number: int = 1
    status: Status = "RUNNING"
    start_ms: int = 0
    end_ms: int | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    outputs: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Sequence[Reference]] = field(default_factory=dict)
    artifacts: Mapping[str, Sequence[Reference]] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    airflow_url: str = ""
    error: str = ""
    cached_from: Mapping[str, str] | None = None
    uses_mlflow: bool = False

    @property
    def iteration(self) -> str:
        """`2.0` for the third outer and first inner iteration, "" for a step that is not mapped."""
        if self.map_index < 0:
            return ""
        return ".".join(str(number) for number in self.path) or str(self.map_index)

    @property
    def key(self) -> str:
        """`<dag_id>/<run_id>/<step>/<map_index>/<try_number>`."""
        return f"{self.dag_id}/{self.run_id}/{self.step}/{self.map_index}/{self.try_number}"
