"""One try of a step, from its inputs to its XCom.

In this order, so that nothing is waited for that is not needed yet: conditions, inputs, cache, MLflow's run
(its id goes into the pod), pod; the run's parameters while the pod starts, the links if it takes its time.
The pod goes when Airflow has taken in the step's end, after `execute`. A skipped step, a cache hit and an
importer end before anything of Kubernetes is imported. What MLflow could not take is parked in XCom for
`run_end`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from airflow.sdk.exceptions import AirflowException, AirflowSkipException, AirflowTaskTimeout

from tradewind.cluster import StepIdentity
from tradewind.cluster.retry_policy import is_retried, retried_kinds
from tradewind.errors import TradewindError, UnreachableError
from tradewind.operators.access import pipeline_pod_arguments
from tradewind.operators.caching import StepCache
from tradewind.operators.configuration import configuration
from tradewind.operators.deferral import Resumption, defer, defers
from tradewind.operators.failures import airflow_errors, split_kind
from tradewind.operators.importer import imported
from tradewind.operators.inputs import StepInputs, resolve_inputs
from tradewind.operators.labels import LABEL, iteration_label, iteration_path
from tradewind.operators.limits import require_time, within_limits
from tradewind.operators.placeholders import constant_placeholders
from tradewind.operators.platform import platform_arguments
from tradewind.operators.pod_arguments import merge_pod_arguments
from tradewind.operators.request import PodOutcome, PodRequest
from tradewind.operators.run_options import settings_of_run
from tradewind.operators.skipping import leave_trace, skip_unless_ready
from tradewind.operators.step_tracking import StepTracking
from tradewind.operators.storage import Places, fetch, require_store, store_arguments
from tradewind.operators.succession import counts, goes_on
from tradewind.operators.task import PodTask, read_message, step_result
from tradewind.operators.view import RunFacts, TaskView, position_of
from tradewind.operators.volume_claims import do_claim
from tradewind.operators.workspace import require_reach, uses_workspace, workspace_arguments
from tradewind.operators.workspace_import import bringing_step, in_workspace
from tradewind.operators.xcoms import ERROR_KEY, RunXComs, indexed
from tradewind.plan import evaluate
from tradewind.plan.model import CreateVolume, DeleteVolume, Importer

if TYPE_CHECKING:
    from airflow.sdk import Context

    from tradewind.operators.pod import StepPodOperator
    from tradewind.operators.step import StepOperator

__all__ = ["StepExecution", "StepKilled"]


KILLED_ASKS_SECONDS = 1.5
ENDED_ASKS_SECONDS = 5.0
"""How long Airflow may take to say how it stands with the step: to a process that is being killed, and to one
whose step has ended.
"""


class StepKilled(BaseException):
    """The task is being killed. Not an Exception: nothing on the way may take it for an error of its own."""


class StepExecution:
    """Runs one try of one step.

    Args:
        operator: the task, holds the step and the settings.
        context: Airflow's.
    """

    def __init__(self, operator: StepOperator, context: Context) -> None:
        ti: Any = context["ti"]
        self._operator = operator
        self._context = context
        self._ti = ti
        self._step = operator.step
        self._pipeline = operator.pipeline
        self._identity = StepIdentity(ti.dag_id, ti.run_id, ti.task_id, _map_index(ti))
        self._try_number = int(ti.try_number)
        self._tracking: StepTracking | None = None
        self._pod: StepPodOperator | None = None
        self._running = False
        self._killed = False
        self._goes_on = False
        self._deadline: float | None = None
        self._workspace: str | None = None
        self._platform: Mapping[str, Any] = {}
        self._resumed: Resumption | None = None

    def run(self) -> dict[str, Any]:
        """Run the step; returns its XCom.

        Raises:
            AirflowFailException: trying again cannot help.
            AirflowException: the step failed or was killed.
        """
        self._running = True
        try:
            with airflow_errors(), airflow_errors(self._retried()):
                result = self._run()
            return self._final(result)
        except StepKilled:
            if self._goes_on:
                raise AirflowException("The task was killed; its pod is left to another try.") from None
            self._end_badly("KILLED", "the task was killed")
            raise AirflowException("The step was killed, and its pod with it.") from None
        except AirflowTaskTimeout:
            why = "the task ran longer than its execution_timeout"
            self._end_badly("FAILED", why)
            self._leave_error(why)
            raise
        except AirflowSkipException:
            raise
        except AirflowException as error:
            self._leave_error(str(error))
            raise
        except Exception as error:
            # An error of the author's callbacks, or of ours. The pod, if any, is left to a retry or to
            # run_end.
            self._close_record("FAILED", f"{type(error).__name__}: {error}")
            self._leave_error(f"{type(error).__name__}: {error}")
            raise
        finally:
            self._running = False

    def resume(self, resumption: Resumption) -> dict[str, Any]:
        """Go on after the wait of a trigger; returns the step's XCom, and raises what `run` raises."""
        self._resumed = resumption
        return self.run()

    def kill(self) -> None:
        """End the pod, unless another try may come for it, and then `run`. Called in a signal handler, or
        after `run` has ended.

        Raises:
            StepKilled: to interrupt `run`.
        """
        if self._killed:
            return
        self._killed = True
        if self._pod is not None:
            self._goes_on = goes_on(self._ti, self._identity, KILLED_ASKS_SECONDS) is not False
            if not self._goes_on:
                self._pod.kill()
        if self._running:
            raise StepKilled

    # --- the way -------------------------------------------------------------------------------------------

    def _run(self) -> dict[str, Any]:
        step, index = self._step, self._identity.map_index
        self._pipeline = settings_of_run(self._pipeline, self._context["dag_run"])
        xcoms = RunXComs(self._ti)
        run = RunFacts.of(self._ti, xcoms)
        placeholders = constant_placeholders(
            self._context,
            run,
            self._pipeline,
            task=step.id.rpartition(".")[2],
            uuid=self._identity.label,
        )
        nest = self._operator.nest
        at = position_of(step.loop, index, nest, xcoms)
        words = self._pipeline.final_status or configuration().final_status
        view = TaskView(xcoms, run, nest, at, placeholders, engine_words=words == "engine")
        self._context[LABEL] = iteration_label(step.loop, index, xcoms)  # type: ignore[literal-required]
        if self._resumed is None:
            skip_unless_ready(step, view, at, self._ti, index)
            require_time(run.deadline, self._pipeline.config.active_deadline)
        inputs = resolve_inputs(step, view, at)
        self._platform = platform_arguments(step.platform, lambda given: evaluate(given, view, at), step.id)
        self._deadline = run.deadline
        self._workspace = run.workspace if run.workspace and uses_workspace(step, inputs) else None
        if self._workspace:
            require_reach(self._pipeline, self._operator.pod)
        path = iteration_path(step.loop, index, xcoms)
        self._tracking = StepTracking(
            self._operator, self._pipeline, self._identity, inputs, run, self._ti, path
        )
        if isinstance(step.action, Importer):
            result = imported(step, inputs, view, at)
            if step.action.to_workspace:
                self._step, what = bringing_step(step, result, f"{self._identity.label}-{self._try_number}")
                return self._run_pod(what, placeholders, None, in_workspace(result))
            self._tracking.write(result)
            return result
        if isinstance(step.action, CreateVolume | DeleteVolume):
            return self._run_claim(inputs)
        mounted = merge_pod_arguments(self._platform, self._all_pod_arguments())
        require_store(step, self._pipeline, mounted)
        cache = None
        if self._workspace is None:
            cache = StepCache.of(
                step,
                self._pipeline,
                inputs,
                self._pod_arguments(),
                self._operator,
                self._context,
                platform=self._platform,
            )
        if cache is not None and self._resumed is None:
            hit = cache.lookup(self._operator.log)
            if hit is not None:
                self._tracking.write(hit)
                return hit
        return self._run_pod(inputs, placeholders, cache)

    def _run_claim(self, inputs: StepInputs) -> dict[str, Any]:
        """Make or delete a volume claim."""
        tracking = self._tracking
        assert tracking is not None
        tracking.begin()
        try:
            result = do_claim(self._step, inputs, self._pod_arguments(), self._identity, self._operator.log)
        except TradewindError as error:
            tracking.fail(error)
            raise
        tracking.finish(result)
        return result

    def _run_pod(
        self,
        inputs: StepInputs,
        placeholders: Mapping[str, str],
        cache: StepCache | None,
        known: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Run the pod; returns its result, or the one that is known already once the pod has succeeded."""
        tracking = self._tracking
        assert tracking is not None
        pod = self._found(inputs, placeholders)
        try:
            outcome = self._outcome(pod, tracking)
            if not outcome.end.succeeded:
                raise outcome.end.error(outcome.pod)
            found = step_result(self._step, outcome, fetch)
            result = {**found, "cached_from": None, **(known or {})}
            tracking.finish(result)
        except AirflowSkipException as error:
            tracking.finish({})
            leave_trace(self._ti, self._identity.map_index, str(error))
            self._collect_when_taken_in()
            raise
        except (TradewindError, AirflowException) as error:
            tracking.fail(error)
            if not isinstance(error, UnreachableError):  # else the pod has what a retry takes in
                pod.collect()
            raise
        if cache is not None:
            cache.store(result, tracking.source(), self._operator.log, outcome.image_id)
        self._collect_when_taken_in()
        return result

    def _collect_when_taken_in(self) -> None:
        """Let the pod go once Airflow has the step's end. Until then the pod is the only one who has it.

        Airflow calls back when it has tried to tell its API server, whatever came of that: the step may be
        another try's by now, which takes the end from the pod.
        """

        def collect(context: Context) -> None:
            if self._pod is not None and counts(self._ti, self._identity, ENDED_ASKS_SECONDS):
                self._pod.collect()

        operator = self._operator
        operator.on_success_callback = [collect, *operator.on_success_callback]
        operator.on_skipped_callback = [collect, *operator.on_skipped_callback]

    def _final(self, result: Mapping[str, Any]) -> dict[str, Any]:
        parked = self._tracking.parked if self._tracking is not None else None
        return self._indexed({**result, "parked": parked} if parked else result)

    def _found(self, inputs: StepInputs, placeholders: Mapping[str, str]) -> StepPodOperator:
        """Return the step's pod: a new one, that of an earlier try, or the one that a trigger has awaited."""
        tracking = self._tracking
        assert tracking is not None
        if self._resumed is not None:
            if self._resumed.state:
                tracking.go_on(self._resumed.state)
        else:
            if self._try_number > 1 and self._adopt(inputs, placeholders):
                tracking.begin()
                assert self._pod is not None
                return self._pod
            tracking.begin()
        self._pod = self._prepared(inputs, placeholders)
        return self._pod

    def _outcome(self, pod: StepPodOperator, tracking: StepTracking) -> PodOutcome:
        """Launch the pod and wait for its end.

        Raises:
            TaskDeferred: somebody else waits.
        """
        if self._resumed is not None:
            return self._resumed.outcome(pod)
        pod.launch()
        if defers(self._pod_arguments()) and not pod.has_ended:
            tracking.describe()
            defer(self._operator, pod, self._ti, tracking)
        with tracking.describing():
            return pod.observe(on_long=tracking.announce)

    def _adopt(self, inputs: StepInputs, placeholders: Mapping[str, str]) -> bool:
        """Take over the pod of an earlier try; the step's record in MLflow is then that try's."""
        pod = self._prepared(inputs, placeholders)
        # A task that was cleared starts afresh: Airflow counts its tries on, and gives it as many again.
        cleared = int(getattr(self._ti, "max_tries", 0) or 0) - int(self._operator.retries or 0)
        retried = self._retried()
        try_number = pod.adopt(since=cleared + 1, again=lambda end: is_retried(end.error(""), retried))
        if try_number is None:
            return False
        self._pod = pod
        assert self._tracking is not None
        self._tracking.continue_try(try_number)
        return True

    def _prepared(self, inputs: StepInputs, placeholders: Mapping[str, str]) -> StepPodOperator:
        from tradewind.operators.pod import StepPodOperator

        tracking = self._tracking
        assert tracking is not None
        places = Places.plan(self._step, self._pipeline, self._identity, self._try_number, tracking.run)
        task = PodTask.of(
            self._step,
            inputs,
            places,
            placeholders,
            configuration(),
            self._platform,
            workspace_arguments(self._workspace) if self._workspace else {},
        )
        request = PodRequest(
            identity=self._identity,
            try_number=self._try_number,
            command=task.command,
            image=task.image,
            environment=task.environment,
            protocol=tracking.pod_environment(),
            secrets=tracking.pod_secrets(),
            resources=task.resources,
            arguments=within_limits(self._all_pod_arguments(), self._deadline, task.workspace),
            plain=task.plain,
            helper=task.helper,
            platform=task.platform,
        )
        pod = StepPodOperator(request=request, context=self._context, read_result=read_message)
        pod.prepare()
        return pod

    def _all_pod_arguments(self) -> dict[str, Any]:
        """The pod's arguments, with those by which it reaches the artifact store."""
        timeout = self._platform.get("active_deadline_seconds")
        own = {"active_deadline_seconds": timeout} if timeout else {}
        return merge_pod_arguments(own, store_arguments(self._pipeline), self._pod_arguments())

    def _pod_arguments(self) -> dict[str, Any]:
        return pipeline_pod_arguments(self._pipeline, self._operator.pod)

    def _retried(self) -> frozenset[str]:
        """Return the kinds of ends that are worth another try, as the step, pipeline or deployment has it."""
        if self._operator.retried is not None:
            return self._operator.retried
        if self._pipeline.retry_on is not None:
            return retried_kinds(self._pipeline.retry_on, "retry_on")
        return configuration().retry_on

    def _indexed(self, value: Mapping[str, Any]) -> dict[str, Any]:
        return indexed(value, self._identity.map_index)

    def _leave_error(self, message: str) -> None:
        """Say why the step failed, for exit tasks and `run_end`."""
        text, kind = split_kind(message)
        left = self._indexed({"message": text, "step": self._step.id} | ({"kind": kind} if kind else {}))
        self._ti.xcom_push(key=ERROR_KEY, value=left)

    def _end_badly(self, status: Literal["FAILED", "KILLED"], why: str) -> None:
        """Delete the pod, close the step's MLflow run: within the seconds that a dying process has."""
        if self._pod is not None:
            self._pod.kill()
        self._close_record(status, why)

    def _close_record(self, status: Literal["FAILED", "KILLED"], why: str) -> None:
        if self._tracking is not None:
            self._tracking.interrupt(status, why)


def _map_index(ti: Any) -> int:
    return -1 if ti.map_index is None else int(ti.map_index)
