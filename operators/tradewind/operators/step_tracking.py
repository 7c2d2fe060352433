"""A step try's record in MLflow: begun before its pod, finished with its result, parked if need be."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from tradewind.cluster import StepIdentity
from tradewind.errors import TradewindError
from tradewind.operators.configuration import SecretKey, configuration
from tradewind.operators.inputs import StepInputs
from tradewind.operators.links import ARTIFACTS_URL, CACHED_FROM_URL, MLFLOW_URL
from tradewind.operators.mlflow import STEP_BUDGET_SECONDS, MlflowAccess, Tracking, parent_run
from tradewind.operators.storage import keeps_models
from tradewind.operators.store_access import console_url
from tradewind.operators.view import RunFacts
from tradewind.operators.xcoms import indexed
from tradewind.plan.model import PythonFunction, Step

if TYPE_CHECKING:
    from tradewind.operators.settings import RunSettings
    from tradewind.operators.step import StepOperator
    from tradewind.tracking import StepRecord, TrackedRun, Tracker

__all__ = ["TRACKING_KEY", "StepTracking", "end_record"]

TRACKING_KEY = "tracking"
"""Key of the XCom with a failed step's record that MLflow did not take."""

INTERRUPTED_SECONDS = 1.5

Status = Literal["FINISHED", "FAILED", "KILLED"]


class StepTracking:
    """Keeps one step try's record.

    Args:
        operator: the task; its links are set as soon as there is an MLflow run.
        pipeline: the pipeline's settings, as this run has them.
        identity: of the step.
        inputs: as resolved.
        facts: of the run.
        ti: the running task instance.
        path: of the step's iteration in the loops around it.

    Attributes:
        run: the step's MLflow run; None when there is none (yet).
        parked: the record of a step that succeeded, when it has to wait for `run_end`.
    """

    def __init__(
        self,
        operator: StepOperator,
        pipeline: RunSettings,
        identity: StepIdentity,
        inputs: StepInputs,
        facts: RunFacts,
        ti: Any,
        path: Sequence[int] = (),
    ) -> None:
        self.run: TrackedRun | None = None
        self.parked: dict[str, Any] | None = None
        self._operator = operator
        self._pipeline = pipeline
        self._identity = identity
        self._inputs = inputs
        self._ti = ti
        self._path = path
        self._try_number = int(ti.try_number)
        self._resumed = False
        self._described = False
        self._start_ms = int(time.time() * 1000)
        self._facts = facts
        self._tracking = Tracking.of(pipeline, operator.log) if facts.tracking is not None else None

    @cached_property
    def _parent(self) -> TrackedRun | None:
        """The MLflow run of the pipeline run; made now, if MLflow was away when the run began."""
        return parent_run(self._tracking, self._facts.tracking or {}) if self._tracking is not None else None

    @cached_property
    def _access(self) -> MlflowAccess | None:
        """The MLflow server, which keeps artifacts even of runs that are not tracked."""
        return self._tracking.access if self._tracking else MlflowAccess.configured(configuration())

    # --- begin ----------------------------------------------------------------------------------------------

    def continue_try(self, try_number: int) -> None:
        """The pod of an earlier try goes on: so does that try's record."""
        self._try_number = try_number
        self._resumed = True

    def begin(self) -> None:
        """Make the step's MLflow run, before its pod.

        Raises:
            TradewindError: MLflow is away and tracking is required.
        """
        tracking, parent = self._tracking, self._parent
        if tracking is None or parent is None:
            return
        step = self._operator.step
        models = [
            name
            for name, output in step.output_artifacts.items()
            if output.schema_title == "system.Model" and keeps_models(self._pipeline)
        ]
        record = self._record("RUNNING")
        if self._ti.try_number > 1:
            tracking.attempt("the run's new state", lambda tracker: tracker.reopen_run(parent))
        self.run = tracking.attempt(
            "the begin of the step",
            lambda tracker: tracker.begin_step(record, parent, model_outputs=models, resumed=self._resumed),
        )
        if self.run is not None:
            self._set_links(self.run.experiment_id, self.run.run_id)

    @contextlib.contextmanager
    def describing(self) -> Iterator[None]:
        """Write the step's parameters beside what is done meanwhile. What MLflow does not take is written
        with the step's end, and where tracking is required, fails the step then.
        """

        def describe() -> None:
            try:
                self.describe()
            except TradewindError as error:
                self._operator.log.warning("MLflow did not take the step's parameters yet: %s", error)

        thread = threading.Thread(target=describe, name="describe-step", daemon=True)
        thread.start()
        try:
            yield
        except Exception:
            thread.join()
            raise
        thread.join()  # not when the task is being killed: `interrupt` has a tracker of its own

    def describe(self) -> None:
        """Write the step's parameters.

        Raises:
            TradewindError: MLflow is away and tracking is required.
        """
        run = self.run
        if self._tracking is None or run is None:
            return
        record = self._record("RUNNING")
        found = self._tracking.attempt(
            "the parameters of the step", lambda tracker: tracker.describe_step(record, run)
        )
        if found is None:
            return
        self._described = True
        if found.run_id != run.run_id:
            self._set_links(found.experiment_id, found.run_id)
        self.run = found

    def announce(self) -> None:
        """Show the step's MLflow run while it runs. When it has ended, Airflow pushes the links itself."""
        for key, url in self._operator.links.items():
            self._ti.xcom_push(key=key, value=url)

    # --- across a deferral ----------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return what `go_on` needs in another process: JSON data, nothing secret."""
        run = self.run.to_dict() if self.run is not None else None
        return {
            "try_number": self._try_number,
            "start_ms": self._start_ms,
            "described": self._described,
            "run": run,
        }

    def go_on(self, state: Mapping[str, Any]) -> None:
        """Go on with the record that another process has begun, instead of `begin`."""
        from tradewind.tracking import TrackedRun

        self._try_number = int(state["try_number"])
        self._start_ms = int(state["start_ms"])
        self._described = bool(state["described"])
        if state["run"] is not None and self._tracking is not None:
            self.run = TrackedRun.from_dict(state["run"])
            self._set_links(self.run.experiment_id, self.run.run_id)

    def open_record(self) -> dict[str, Any] | None:
        """Return what `end_record` needs; None when there is nothing to end."""
        if self.run is None or self._parent is None:
            return None
        record = replace(self._record("RUNNING"), params={}, inputs={})
        return {"record": record.to_dict(), "run": self.run.to_dict(), "parent": self._parent.to_dict()}

    def pod_environment(self) -> dict[str, str]:
        """Return the variables by which the pod reaches MLflow and the step's run."""
        access = self._access
        if access is None:
            return {}
        if self.run is None:
            return {"MLFLOW_TRACKING_URI": access.pod_uri}
        from tradewind.tracking import pod_environment

        return pod_environment(access.pod_uri, self.run)

    def pod_secrets(self) -> dict[str, SecretKey]:
        """Return the variables that the pod takes from Kubernetes secrets."""
        return dict(self._access.pod_secrets) if self._access is not None else {}

    # --- end ------------------------------------------------------------------------------------------------

    def finish(self, result: Mapping[str, Any]) -> None:
        """Write the end of a step that succeeded.

        Raises:
            TradewindError: MLflow is away and tracking is required.
        """
        self._end(self._record("FINISHED", result))
        self._link_to_store(result)

    def fail(self, error: BaseException) -> None:
        """Write the end of a step that failed; its own error is what matters, not one of MLflow's."""
        message = error.message if isinstance(error, TradewindError) else str(error)
        try:
            self._end(replace(self._record("FAILED"), error=message))
        except TradewindError as refused:
            self._operator.log.warning("MLflow did not take the step's failure: %s", refused)

    def write(self, result: Mapping[str, Any]) -> None:
        """Write a step that needed no pod.

        A cache hit takes milliseconds, MLflow would take ten times as long: so its record waits for
        `run_end`, and until then its links lead to the run that made the result.

        Raises:
            TradewindError: MLflow is away and tracking is required.
        """
        record = self._record("FINISHED", result)
        source = result.get("cached_from")
        if source is not None and source.get("url"):
            self._operator.links[CACHED_FROM_URL] = source["url"]
        if source is None or self._tracking is None or self._tracking.mode == "required":
            self._end(record)
            return
        self._park(record)
        if source.get("mlflow_run_id"):
            self._set_links(source["experiment_id"], source["mlflow_run_id"])
        self._link_to_store(result)

    def interrupt(self, status: Status, why: str) -> None:
        """Write the end of a step whose process is about to be killed: quickly, and without a promise."""
        if self._tracking is None or self._parent is None:
            return
        record = replace(self._record(status), error=why)
        parent, run = self._parent, self.run
        try:
            # A tracker of its own: the other one may have been interrupted in the middle of an answer.
            tracker = self._tracking.access.tracker(INTERRUPTED_SECONDS)
            if run is None:
                tracker.write_step(record, parent)
            else:
                tracker.finish_step(record, run, parent)
        except TradewindError as error:
            self._operator.log.warning("MLflow did not take the step's end, run_end sees to it: %s", error)

    def source(self) -> dict[str, str]:
        """Say who made a result, for whoever finds it in the cache."""
        source = {
            "dag_id": self._identity.dag_id,
            "run": self._identity.run_id,
            "step": self._identity.task_id,
            "url": self._ti.log_url,
        }
        if self.run is not None:
            source |= {"mlflow_run_id": self.run.run_id, "experiment_id": self.run.experiment_id}
        return source

    def _end(self, record: StepRecord) -> None:
        if self._tracking is None:
            return
        parent, run = self._parent, self.run
        if parent is None:
            self._park(record)
            return
        if run is not None:
            begun = run

            def finish(tracker: Tracker) -> bool:
                if self._described:
                    tracker.finish_step(record, begun, parent)
                else:
                    tracker.write_step(record, parent, begun)
                return True

            if self._tracking.attempt("the end of the step", finish) is None:
                self._park(record)
            return
        self.run = self._tracking.attempt("the step", lambda tracker: tracker.write_step(record, parent))
        if self.run is None:
            self._park(record)
        else:
            self._set_links(self.run.experiment_id, self.run.run_id)

    def _park(self, record: StepRecord) -> None:
        if record.status == "FINISHED":
            self.parked = record.to_dict()  # travels with the step's result
        else:
            left = indexed({"pending": record.to_dict()}, self._identity.map_index)
            self._ti.xcom_push(key=TRACKING_KEY, value=left)

    def _set_links(self, experiment_id: str, run_id: str) -> None:
        if self._tracking is None:
            return
        from tradewind.tracking import ui_run_artifacts_url, ui_run_url

        place = (self._tracking.access.ui_uri, experiment_id, run_id)
        run_url = ui_run_url(*place)
        # Artifacts that lie elsewhere are not on MLflow's page of artifacts, but their URIs are on the run's.
        in_mlflow = keeps_models(self._pipeline)
        artifacts_url = ui_run_artifacts_url(*place) if in_mlflow else run_url
        self._operator.links |= {MLFLOW_URL: run_url, ARTIFACTS_URL: artifacts_url}

    def _link_to_store(self, result: Mapping[str, Any]) -> None:
        """Lead to the artifacts themselves where their store has a page for people."""
        for listed in (result.get("artifacts") or {}).values():
            for reference in listed:
                url = console_url(str(reference.get("uri") or "")) if reference.get("digest") else ""
                if url:
                    self._operator.links[ARTIFACTS_URL] = url
                    return

    def _record(self, status: str, result: Mapping[str, Any] | None = None) -> StepRecord:
        from tradewind.tracking import StepRecord

        step = self._operator.step
        result = result or {}
        return StepRecord(
            dag_id=self._identity.dag_id,
            run_id=self._identity.run_id,
            step=step.id,
            display_name=step.display_name,
            map_index=self._identity.map_index,
            path=self._path,
            try_number=self._try_number,
            status=status,  # type: ignore[arg-type]
            start_ms=self._start_ms,
            end_ms=None if status == "RUNNING" else int(time.time() * 1000),
            params=self._inputs.parameters,
            outputs=result.get("parameters") or {},
            inputs=self._inputs.artifacts,
            artifacts=result.get("artifacts") or {},
            airflow_url=self._ti.log_url,
            cached_from=result.get("cached_from"),
            uses_mlflow=_uses_mlflow(step),
        )


def end_record(begun: Mapping[str, Any], status: Status, why: str) -> None:
    """Write the end of a step try where there is no task: from a trigger.

    Args:
        begun: what `open_record` returned.

    Raises:
        TradewindError: MLflow is away, or refuses.
    """
    from tradewind.tracking import StepRecord, TrackedRun

    access = MlflowAccess.configured(configuration())
    if access is None:
        return
    record = replace(
        StepRecord.from_dict(begun["record"]), status=status, end_ms=int(time.time() * 1000), error=why
    )
    run, parent = TrackedRun.from_dict(begun["run"]), TrackedRun.from_dict(begun["parent"])
    access.tracker(STEP_BUDGET_SECONDS).finish_step(record, run, parent)


def _uses_mlflow(step: Step) -> bool:
    action = step.action
    if not isinstance(action, PythonFunction):
        return False
    return "mlflow" in (action.source or "") or any("mlflow" in package for package in action.packages)
