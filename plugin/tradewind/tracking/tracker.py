"""Records in, MLflow runs out.

A pipeline run is a parent run, a step try a child. Every method is an idempotent upsert: after an
`UnreachableError` the same record may be written again, now or hours later, with the same result. What
matters most is written first (metrics, then the status), so that a server that dies in between leaves the
truth; a part that MLflow refuses does not keep the others from being written.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from tradewind.tracking import names
from tradewind.tracking.batches import Batches
from tradewind.tracking.content import end_tags, numbers, run_tags, step_metrics, step_name, step_tags
from tradewind.tracking.lineage import Lineage, model_id_in, model_ids, references
from tradewind.tracking.records import PipelineRunRecord, StepRecord, TrackedRun
from tradewind.tracking.rest import MlflowRest, RejectedError
from tradewind.tracking.runs import CREATED_TAG, GROUP_TAG, KEY_TAG, FoundRun, Runs

__all__ = ["Tracker"]

_CHART_TYPES = ("system.ClassificationMetrics", "system.SlicedClassificationMetrics")
_CONTENT_TYPES = {
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".html": "text/html",
    ".md": "text/markdown",
}


class Tracker:
    """Writes records to one MLflow server.

    All methods raise `UnreachableError` when MLflow does not answer within the budget of `rest` (write the
    record later), `RejectedError` when it refuses a part (the rest was written) and `ConfigurationError` when
    address, credentials or experiment are wrong.
    """

    def __init__(self, rest: MlflowRest) -> None:
        self.rest = rest
        self._runs = Runs(rest)
        self._batches = Batches(rest, self._runs)
        self._lineage = Lineage(rest, self._runs)

    # --- pipeline runs ----------------------------------------------------------------------------------

    def write_run(self, record: PipelineRunRecord, run: TrackedRun | None = None) -> TrackedRun:
        """Make the parent run, or bring it up to date. RUNNING opens one again that had ended.

        Args:
            run: the run, where it is known: saves looking for it.
        """
        group = _group(record)
        with self.rest.operation():
            if run is not None:
                run = replace(run, group=group)
                self._write_run_parts(record, run, "")
                return run
            found = self._claim_run(record, group)
            try:
                self._write_run_parts(record, _tracked(found, group), found.status)
            except RejectedError:
                # Another writer's run, and that one gave way in this very moment: the run is a third one's.
                if found.new or self._runs.is_there(found.run_id):
                    raise
                found = self._claim_run(record, group)
                self._write_run_parts(record, _tracked(found, group), found.status)
            return _tracked(found, group)

    def _claim_run(self, record: PipelineRunRecord, group: str) -> FoundRun:
        return self._runs.claim(
            self._runs.experiment(record.experiment),
            key=names.digest("pipeline", record.key),
            name=record.name,
            start_ms=record.start_ms,
            tags={**run_tags(record), GROUP_TAG: group},
            look_first=True,
        )

    def _write_run_parts(self, record: PipelineRunRecord, run: TrackedRun, was: str) -> None:
        metrics, tags = numbers(record.outputs)
        parts: list[Callable[[], None]] = []
        if record.params:
            parts.append(lambda: self._batches.params(run.run_id, record.params))
        if metrics or tags:
            when = record.end_ms or _now()
            parts.append(lambda: self._batches.metrics(run.run_id, metrics, timestamp_ms=when, tags=tags))
        if record.status != was or record.end_ms:
            parts.append(lambda: self._runs.end(run.run_id, record.status, record.end_ms))
        _each(parts)

    def finish_run(self, record: PipelineRunRecord, run: TrackedRun | None = None) -> TrackedRun:
        """Write the end of a pipeline run and close what is still open below it.

        Call it after the records that were kept while MLflow was away have been written. What is open
        then was made by a process that is gone, and becomes KILLED.
        """
        with self.rest.operation():
            run = self.write_run(record, run)
            condition = f"tags.`{GROUP_TAG}` = '{run.group}' AND attributes.status = 'RUNNING'"
            for open_run in self._runs.search(run.experiment_id, condition):
                if open_run.run_id != run.run_id:
                    self.close(open_run, record.end_ms)
            return run

    def close(self, run: FoundRun, end_ms: int | None = None) -> None:
        """End a run whose writer is gone: it becomes KILLED.

        Args:
            end_ms: its end; None: now.
        """
        key = run.tags.get(KEY_TAG)
        twins = self._runs.of_key(run.experiment_id, key) if key else []
        if any(twin.run_id != run.run_id and twin.status != "RUNNING" for twin in twins):
            self._runs.delete(run.run_id)
            return
        self._lineage.fail(run.experiment_id, run.run_id)
        self._runs.end(run.run_id, "KILLED", end_ms)

    def reopen_run(self, run: TrackedRun) -> None:
        """Say that an ended run goes on, as after a retry. Its end is set again when it ends."""
        with self.rest.operation():
            self._runs.end(run.run_id, "RUNNING", None)

    # --- steps ------------------------------------------------------------------------------------------

    def begin_step(
        self,
        record: StepRecord,
        parent: TrackedRun,
        *,
        model_outputs: Iterable[str] = (),
        resumed: bool = False,
    ) -> TrackedRun:
        """Make the child run before the pod starts: with as little as the pod has to know.

        Args:
            parent: the pipeline run.
            model_outputs: names of the outputs of type `system.Model`, when MLflow keeps the artifacts: each
                gets a logged model whose artifact root is in `TrackedRun.models`.
            resumed: the step try was begun before, by another process: its run is probably there.
        """
        with self.rest.operation():
            given = self._step_run(record, parent)
            if resumed:
                found = self._runs.claim(parent.experiment_id, look_first=True, **given)
            else:
                found = self._runs.begin(parent.experiment_id, **given)
            self._open(found)
            models = self._lineage.announce(found, record.step, model_outputs, record.params)
            created = found.tags.get(CREATED_TAG, "") if found.new else ""
            return replace(_tracked(found, _group(record)), models=models, created=created)

    def describe_step(self, record: StepRecord, run: TrackedRun) -> TrackedRun:
        """Write what `begin_step` has left, while the pod starts; returns the run that counts.

        That is another one where two processes have begun the same step try at once.
        """
        with self.rest.operation():
            try:
                return self._describe(record, run)
            except RejectedError:
                if not run.created:
                    raise
                # Another writer's run, and that one gave way in this very moment: the run is a third one's.
                return self._describe(record, run)

    def _describe(self, record: StepRecord, run: TrackedRun) -> TrackedRun:
        if run.created:
            tags = {KEY_TAG: names.digest("step", record.key), CREATED_TAG: run.created}
            begun = FoundRun(run.experiment_id, run.run_id, run.artifact_uri, "RUNNING", tags, new=True)
            found = self._runs.settle(begun)
            self._open(found)
            run = replace(run, run_id=found.run_id, artifact_uri=found.artifact_uri, created="")
        if record.params:
            _each([lambda: self._batches.params(run.run_id, record.params)])
        return run

    def _open(self, found: FoundRun) -> None:
        if not found.new and found.status != "RUNNING":
            self._runs.end(found.run_id, "RUNNING", None)

    def finish_step(self, record: StepRecord, run: TrackedRun, parent: TrackedRun) -> None:
        """Write the end of a step try that was begun and described: all but the parameters."""
        with self.rest.operation():
            self._finish(record, run, parent, params=False)

    def write_step(self, record: StepRecord, parent: TrackedRun, run: TrackedRun | None = None) -> TrackedRun:
        """Write everything about a step try at once: a cache hit, or a record that had to wait.

        Args:
            run: the child run, when `begin_step` got as far as making it.
        """
        with self.rest.operation():
            if run is None:
                # A cache hit is written once and at once; what waited has probably been begun.
                look_first = record.cached_from is None
                given = self._step_run(record, parent)
                found = self._runs.claim(parent.experiment_id, look_first=look_first, **given)
                run = _tracked(found, _group(record))
            self._finish(record, run, parent, params=True)
            return run

    def _step_run(self, record: StepRecord, parent: TrackedRun) -> dict[str, Any]:
        return {
            "key": names.digest("step", record.key),
            "name": step_name(record),
            "start_ms": record.start_ms,
            "tags": {**step_tags(record, parent), GROUP_TAG: _group(record)},
        }

    def _finish(self, record: StepRecord, run: TrackedRun, parent: TrackedRun, *, params: bool) -> None:
        when = record.end_ms or _now()
        metrics = step_metrics(record)
        tags = end_tags(record)
        parts: list[Callable[[], None]] = []
        if params and record.params:
            parts.append(lambda: self._batches.params(run.run_id, record.params))
        if metrics or tags:
            parts.append(lambda: self._batches.metrics(run.run_id, metrics, timestamp_ms=when, tags=tags))
        # Always: code that logged into the run by itself may have left any status behind.
        parts.append(lambda: self._runs.end(run.run_id, record.status, record.end_ms))
        if record.status == "FINISHED":
            parts.append(lambda: self._mirror(record, run, parent, metrics, when))
            parts.extend(self._artifact_parts(record, run, parent, metrics, when))
        elif record.status != "RUNNING" and (run.models or params):
            parts.append(lambda: self._lineage.fail(run.experiment_id, run.run_id))
        _each(parts)

    def _mirror(
        self,
        record: StepRecord,
        run: TrackedRun,
        parent: TrackedRun,
        metrics: Mapping[str, float],
        when: int,
    ) -> None:
        if record.uses_mlflow:
            logged = self._runs.get(run.run_id)["data"].get("metrics", [])
            metrics = {**{item["key"]: float(item["value"]) for item in logged}, **metrics}
        if metrics:
            place = f"{record.step}/{record.iteration}" if record.iteration else record.step
            mirrored = {f"{place}/{name}": value for name, value in metrics.items()}
            self._batches.metrics(parent.run_id, mirrored, timestamp_ms=when)

    def _artifact_parts(
        self,
        record: StepRecord,
        run: TrackedRun,
        parent: TrackedRun,
        metrics: Mapping[str, float],
        when: int,
    ) -> list[Callable[[], None]]:
        made, read = model_ids(record.artifacts), model_ids(record.inputs)
        cached = record.cached_from is not None
        lineage = self._lineage
        parts: list[Callable[[], None]] = [
            lambda: lineage.log_inputs(run.run_id, record.inputs, record.artifacts, models=True),
            lambda: lineage.log_inputs(parent.run_id, record.inputs, record.artifacts, models=False),
        ]
        announced = {model_id for root in run.models.values() if (model_id := model_id_in(root))}
        if announced - made.keys():
            # The step's code put its model elsewhere.
            parts.append(lambda: lineage.fail(run.experiment_id, run.run_id))
        if made:
            if not cached:
                parts.append(lambda: lineage.finalize(made))
            parts.append(lambda: lineage.log_outputs(run.run_id, made))
            parts.append(lambda: lineage.log_outputs(parent.run_id, made))
        about = made or read
        # MLflow's model pages show what is not finite as 0.
        finite = {name: value for name, value in metrics.items() if math.isfinite(value)}
        if finite and len(about) == 1 and not cached:
            (model_id,) = about
            parts.append(
                lambda: self._batches.metrics(run.run_id, finite, timestamp_ms=when, model_id=model_id)
            )
        parts.append(lambda: self._upload_charts(record, run))
        return parts

    # --- files ------------------------------------------------------------------------------------------

    def _upload_charts(self, record: StepRecord, run: TrackedRun) -> None:
        charted = [pair for title in _CHART_TYPES for pair in references(record.artifacts, title)]
        if not charted:
            return
        from tradewind.tracking.charts import chart_files

        for name, reference in charted:
            for path, data in chart_files(reference.get("metadata") or {}).items():
                self.upload(run, f"charts/{name}/{path}", data)

    def upload(self, run: TrackedRun, path: str, data: bytes) -> None:
        """Write a small file among a run's artifacts; an older one of that path is replaced.

        Args:
            path: relative, with `/`; the extension decides how MLflow shows it.
        """
        root = urlsplit(run.artifact_uri)
        with self.rest.operation():
            if root.scheme == "mlflow-artifacts" and not root.netloc:
                content_type = _CONTENT_TYPES.get(path[path.rfind(".") :], "application/octet-stream")
                self.rest.put_artifact(f"{root.path.strip('/')}/{path}", data, content_type)
            else:
                self.rest.upload_artifact(run.run_id, path, data)


def _group(record: PipelineRunRecord | StepRecord) -> str:
    return names.digest(f"{record.dag_id}/{record.run_id}")


def _tracked(found: FoundRun, group: str) -> TrackedRun:
    return TrackedRun(found.experiment_id, found.run_id, found.artifact_uri, group)


def _each(parts: Iterable[Callable[[], None]]) -> None:
    """Do all parts; those that MLflow refuses are told at the end."""
    refused: list[RejectedError] = []
    for part in parts:
        try:
            part()
        except RejectedError as error:
            refused.append(error)
    if len(refused) == 1:
        raise refused[0]
    if refused:
        message = " ".join(error.message for error in refused)
        raise RejectedError(message, status=refused[0].status, code=refused[0].code)


def _now() -> int:
    return int(time.time() * 1000)
