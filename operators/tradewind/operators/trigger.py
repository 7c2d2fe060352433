"""The trigger that waits for a step's pod in Airflow's triggerer.

A thousand of these share one watch per cluster and namespace, and read their pods' logs in the triggerer's
event loop. A trigger only looks: it creates nothing and removes nothing, so two of them for one pod (after a
triggerer that was lost) do no harm. The one exception is a task that a person ends while it is deferred:
there is no worker then, so its pod and its MLflow run are ended here.

The log is shown from its beginning, with the node's time stamps: what a triggerer that was lost had shown
already is the same lines with the same stamps, which Airflow's log view shows once.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Mapping
from typing import Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from tradewind.cluster.log_streams import LogSession
from tradewind.cluster.pod_end import PodEnd
from tradewind.cluster.pods import Pods
from tradewind.cluster.shared_watch import shared_watch
from tradewind.cluster.vigil import Vigil
from tradewind.cluster.watch import lean
from tradewind.errors import TradewindError
from tradewind.operators.cluster_reference import pods_at
from tradewind.operators.task import read_message
from tradewind.operators.trigger_log import TriggerLog, channel
from tradewind.operators.waiting import Report, Waiting, told

__all__ = ["StepTrigger"]

KILL_SECONDS = 20.0  # Airflow gives a trigger thirty to end what it waits for
SETTLE_SECONDS = 1.0
ARRIVAL_SECONDS = 5.0
SOONEST_SECONDS = 5.0
"""From a deferral to its event. Airflow's scheduler fails a task that is queued again before it has heard
from the executor that the worker before is done, which takes some seconds on a busy machine.
"""


class StepTrigger(BaseTrigger):
    """Waits for one pod; fires one event, a `Report`.

    Args:
        waiting: a `Waiting` as JSON.
    """

    def __init__(self, waiting: Mapping[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waiting = Waiting.from_dict(waiting)
        self._over = False
        self._pod_log: TriggerLog | None = None

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow keeps of the trigger."""
        return f"{StepTrigger.__module__}.{StepTrigger.__qualname__}", {"waiting": self.waiting.to_dict()}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the pod's end."""
        report = await self._report()
        self._over = True
        if self.trigger_id is not None:  # else there is no scheduler: `dag.test()`
            early = self.waiting.launched_at + SOONEST_SECONDS - time.time()
            await asyncio.sleep(min(max(0.0, early), SOONEST_SECONDS))
        yield TriggerEvent(report.to_event())  # type: ignore[no-untyped-call]

    async def cleanup(self) -> None:
        """Let the log arrive: Airflow closes it when the trigger is gone, whatever is still on its way."""
        if self._pod_log is not None:
            self._pod_log.stop()
            await self._pod_log.arrived(ARRIVAL_SECONDS)

    async def on_kill(self) -> None:
        """End the pod and its MLflow run: a person has ended the task."""
        if not self._over:
            await asyncio.to_thread(self._end)

    @property
    def _pods(self) -> Pods:
        return pods_at(self.waiting.cluster, self.waiting.pod["metadata"]["namespace"])

    async def _report(self) -> Report:
        waiting, pod = self.waiting, dict(self.waiting.pod)
        log = self._pod_log = TriggerLog(channel(), waiting.bare)
        async with log_session(self._pods) as session:
            vigil = Vigil(
                pods=self._pods,
                watch=shared_watch(waiting.cluster, self._pods, pod, lean=True),
                session=session,
                pod=pod,
                options=waiting.options,
                sink=log.take,
                room=log.room,
                read_result=read_message,
                on_event=self._show_event,
                age=max(0.0, time.time() - waiting.launched_at),
            )
            try:
                end = await self._in_time(vigil)
            except TradewindError as error:
                return Report("lost", lean(vigil.pod), waiting.state, error=told(error))
            left = await log.settle(vigil.unread, SETTLE_SECONDS)
        last = lean(vigil.pod)
        if end is None:
            return Report("timeout", last, waiting.state)
        return Report("ended", last, waiting.state, end=end, message=vigil.message, left=left)

    async def _in_time(self, vigil: Vigil) -> PodEnd | None:
        """Wait for the end; None when the task's time is over before it."""
        deadline = self.waiting.deadline
        if deadline is None:
            return await vigil.run()
        try:
            async with asyncio.timeout(max(0.0, deadline - time.time())):
                return await vigil.run()
        except TimeoutError:
            return None

    def _show_event(self, event: Mapping[str, Any]) -> None:
        show = self.log.warning if event.get("type") == "Warning" else self.log.info
        show("Pod event: %s: %s", event.get("reason"), event.get("message"))

    def _end(self) -> None:
        waiting = self.waiting
        if not waiting.keep_on_kill:
            name = waiting.pod["metadata"]["name"]
            self.log.info("Deleting the pod %s: the task was ended by hand", name)
            with contextlib.suppress(TradewindError):  # run_end tries again
                self._pods.delete(name, grace_seconds=waiting.grace_seconds, budget_seconds=KILL_SECONDS)
        if waiting.record is not None:
            from tradewind.operators.step_tracking import end_record

            try:
                end_record(waiting.record, "KILLED", "the task was killed")
            except TradewindError as error:
                self.log.warning("MLflow did not take the step's end, run_end sees to it: %s", error)


_sessions: dict[tuple[int, int], LogSession] = {}


@contextlib.asynccontextmanager
async def log_session(pods: Pods) -> AsyncIterator[LogSession]:
    """Give the connections for logs that everybody in this event loop shares, for as long as anybody does."""
    key = (id(asyncio.get_running_loop()), id(pods))
    async with _sessions.setdefault(key, LogSession(pods)) as session:
        yield session
    if session.idle:
        _sessions.pop(key, None)
