"""What a step gets: the values and artifacts that its bindings stand for, looked up as seldom as possible.

Every look into XCom is a request to Airflow's API server, so each upstream step is asked once, and a step
without data from others asks for nothing but `run_start`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tradewind.errors import FatalError, RetryableError
from tradewind.operators.settings import RUN_START
from tradewind.plan import coerce, evaluate
from tradewind.plan.model import Binding, Step, StepArtifact, StepParameter

__all__ = ["RunFacts", "StepInputs", "Upstream", "resolve_inputs"]


@dataclass(frozen=True, slots=True)
class RunFacts:
    """What `run_start` returned, and whose run it is."""

    dag_id: str
    run_id: str
    parameters: Mapping[str, Any]
    job_id: str
    job_name: str
    tracking: Mapping[str, Any] | None


class Upstream:
    """The XComs of the run, each read once.

    Args:
        ti: the running task instance.
    """

    def __init__(self, ti: Any) -> None:
        self._ti = ti
        self._seen: dict[str, Mapping[str, Any]] = {}

    def run(self) -> RunFacts:
        """Return what `run_start` said.

        Raises:
            RetryableError: it said nothing.
        """
        start = self._pull(RUN_START)
        run = start["run"]
        return RunFacts(
            dag_id=self._ti.dag_id,
            run_id=self._ti.run_id,
            parameters=start["parameters"],
            job_id=run["job_id"],
            job_name=run["job_name"],
            tracking=start.get("tracking"),
        )

    def output(self, binding: StepParameter | StepArtifact) -> Any:
        """Return an output parameter's value, or an output artifact's references.

        Raises:
            FatalError: the step has no such output.
            RetryableError: the step left no result.
        """
        result = self._pull(binding.step)
        part = "parameters" if isinstance(binding, StepParameter) else "artifacts"
        try:
            return result[part][binding.key]
        except KeyError:
            raise FatalError(f"step {binding.step!r} left no output {binding.key!r}") from None

    def _pull(self, task_id: str) -> Mapping[str, Any]:
        if task_id not in self._seen:
            found = self._ti.xcom_pull(task_ids=task_id, map_indexes=-1)
            if not isinstance(found, Mapping):
                raise RetryableError(
                    f"task {task_id!r} left no result in this run",
                    remedy="Clear it, so that it runs again; its XCom was removed, or it was marked by hand.",
                )
            self._seen[task_id] = found
        return self._seen[task_id]


@dataclass(frozen=True, slots=True)
class StepInputs:
    """Input values and artifact references by name; inputs without a binding are absent."""

    parameters: Mapping[str, Any]
    artifacts: Mapping[str, list[Mapping[str, Any]]]


def resolve_inputs(step: Step, run: RunFacts, upstream: Upstream, context: Mapping[str, str]) -> StepInputs:
    """Look up a step's inputs; parameters are checked and typed.

    Args:
        context: values of KFP's constant placeholders.

    Raises:
        FatalError: a value is missing or does not fit; all of the step's are named.
        RetryableError: an upstream step left no result.
    """

    def value(binding: Binding) -> Any:
        return evaluate(binding, run.parameters, upstream.output, context)

    problems: list[str] = []
    parameters: dict[str, Any] = {}
    for name, declared in step.parameters.items():
        if declared.binding is None:
            continue
        where = f"step {step.id!r}, parameter {name!r}"
        try:
            found = value(declared.binding)
            parameters[name] = None if found is None else coerce(found, declared.type, where)
        except FatalError as error:
            problems.append(error.message)
        except KeyError as error:
            problems.append(f"{where}: the run has no parameter {error}")
    if problems:
        raise FatalError(
            "\n".join(problems), remedy="See what the steps and parameters before this one gave."
        )
    artifacts = {
        name: list(value(declared.binding))
        for name, declared in step.artifacts.items()
        if declared.binding is not None
    }
    return StepInputs(parameters, artifacts)
