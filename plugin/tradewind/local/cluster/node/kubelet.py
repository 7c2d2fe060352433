"""Scheduler and kubelet of the one node: gives pods a place, in order, and brings them to their end.

Everything is driven by what happens: a new pod, a report of a supervisor, a secret that appears. Nothing is
looked up again and again, so an idle cluster costs nothing.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import time
from calendar import timegm
from collections.abc import Mapping
from typing import Any

from tradewind.local.cluster.home import Home
from tradewind.local.cluster.node import status as statuses
from tradewind.local.cluster.node.events import Recorder
from tradewind.local.cluster.node.images import ImageProblem, find_problem
from tradewind.local.cluster.node.machine import Machine
from tradewind.local.cluster.node.manifest import ManifestMaker
from tradewind.local.cluster.node.supervisors import Supervisors
from tradewind.local.cluster.node.variables import MissingSource
from tradewind.local.cluster.node.volumes import VolumeProblem
from tradewind.local.cluster.options import Options
from tradewind.local.cluster.store import Change, Key, Object, Store

__all__ = ["Kubelet"]

PULL_BACKOFF = 2.0  # seconds from ErrImagePull to ImagePullBackOff
SOURCES = ("secrets", "configmaps", "persistentvolumeclaims")


class Kubelet:
    """Runs pods.

    Args:
        manifests: None until `open` has found out how containers are isolated.
    """

    def __init__(
        self, store: Store, home: Home, options: Options, recorder: Recorder, machine: Machine
    ) -> None:
        self._store = store
        self._home = home
        self._options = options
        self._recorder = recorder
        self._machine = machine
        self._manifests: ManifestMaker | None = None
        self._keys: dict[str, Key] = {}
        self._queue: list[str] = []  # uids of pods without a place, first come first
        self._placed: set[str] = set()  # uids of pods that have a place and have not ended
        self._supervised: set[str] = set()  # of these, the ones whose supervisor was started
        self._reports: dict[str, Mapping[str, Any]] = {}
        self._growth: dict[str, set[asyncio.Event]] = {}
        self._deadlines: dict[str, asyncio.TimerHandle] = {}
        self.supervisors = Supervisors(home, self._on_report, self._on_log, self._on_lost)
        store.listen(self._on_change)

    # --- starting and stopping the node
    # -----------------------------------------------------------------------

    def open(self, manifests: ManifestMaker) -> None:
        """Take over the pods that the store knows."""
        self._manifests = manifests
        known = set()
        for pod in sorted(
            self._store.select("pods"), key=lambda item: int(item["metadata"]["resourceVersion"])
        ):
            uid = pod["metadata"]["uid"]
            known.add(uid)
            self._keys[uid] = _key(pod)
            if pod["status"]["phase"] in statuses.TERMINAL:
                continue
            if pod["spec"].get("nodeName") and (self._home.pod(uid) / "pod.json").exists():
                self._placed.add(uid)
                self._supervised.add(uid)
                self.supervisors.attach(uid)
                if pod["metadata"].get("deletionTimestamp"):
                    self.supervisors.stop(uid, pod["metadata"]["deletionGracePeriodSeconds"])
            else:
                self._queue.append(uid)
        for directory in self._home.pods.iterdir():
            if directory.name not in known:
                self._discard(directory.name)
        self._schedule()

    def stop_all(self) -> bool:
        """Tell all pods to end at once. Says whether there is anything to wait for."""
        self._queue.clear()
        for uid in self._supervised:
            self.supervisors.stop(uid, 1.0)
        return bool(self._supervised)

    def is_idle(self) -> bool:
        """Whether no supervisor runs."""
        return not self._supervised

    # --- what the API asks of the node
    # ------------------------------------------------------------------------

    def holds_processes(self, key: Key) -> bool:
        """Whether containers of the pod run or may start at any moment."""
        pod = self._store.get(key)
        return pod is not None and pod["metadata"]["uid"] in self._supervised

    def stop_pod(self, key: Key, grace: float) -> None:
        """End a pod's containers; `_on_lost` removes the object."""
        pod = self._store.get(key)
        if pod is not None:
            self.supervisors.stop(pod["metadata"]["uid"], grace)

    def forget_pod(self, pod: Object) -> None:
        """The object is gone: kill what still runs and remove the files."""
        uid = pod["metadata"]["uid"]
        self._keys.pop(uid, None)
        if uid in self._queue:
            self._queue.remove(uid)
        self._wake_readers(uid)
        if uid in self._supervised:
            self.supervisors.stop(uid, 0.0)  # `_on_lost` does the rest
        else:
            self._leave(uid)
            self._discard(uid)

    def current(self, uid: str) -> Object | None:
        """The pod with this uid, or None."""
        key = self._keys.get(uid)
        return self._store.get(key) if key else None

    def growth(self, uid: str) -> asyncio.Event:
        """An event that is set whenever a log of the pod grows or the pod changes."""
        event = asyncio.Event()
        self._growth.setdefault(uid, set()).add(event)
        return event

    def forget_growth(self, uid: str, event: asyncio.Event) -> None:
        events = self._growth.get(uid, set())
        events.discard(event)
        if not events:
            self._growth.pop(uid, None)

    # --- scheduling
    # -------------------------------------------------------------------------------------------

    def _on_change(self, change: Change) -> None:
        if change.key[0] == "pods" and change.kind == "ADDED":
            uid = change.current["metadata"]["uid"]
            if self._store.get(change.key) is None:
                return  # deleted in the same breath
            self._keys[uid] = change.key
            self._queue.append(uid)
            self._schedule()
        elif change.key[0] in SOURCES and change.kind != "DELETED":
            self._retry_waiting(change.key[1])
            self._schedule()  # a pod may have waited for its claim

    def _schedule(self) -> None:
        for uid in list(self._queue):
            pod = self.current(uid)
            if pod is None:
                self._queue.remove(uid)
                continue
            obstacle = self._machine.obstacle(
                pod, [self.current(other) for other in self._placed], self._store.get
            )
            if not obstacle and len(self._placed) >= self._options.pod_slots:
                obstacle = "0/1 nodes are available: 1 Too many pods."
            if not obstacle:
                self._queue.remove(uid)
                self._place(pod)
            elif pod["status"].get("conditions", [{}])[0].get("message") != obstacle:
                self._recorder.record(
                    pod, "Warning", "FailedScheduling", obstacle, source="default-scheduler"
                )
                self._set(pod, statuses.unschedulable_status(pod["status"], obstacle))

    def _place(self, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        self._placed.add(uid)
        bound = {**pod, "spec": {**pod["spec"], "nodeName": self._machine.name}}
        bound = self._store.update(_key(pod), {**bound, "status": statuses.scheduled_status(bound)})
        where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        text = f"Successfully assigned {where} to {self._machine.name}"
        self._recorder.record(bound, "Normal", "Scheduled", text, source="default-scheduler")
        deadline = _deadline(bound)
        if deadline is not None:
            loop = asyncio.get_running_loop()
            self._deadlines[uid] = loop.call_later(deadline - time.time(), self._exceed_deadline, uid)
        self._start(bound)

    def _leave(self, uid: str) -> None:
        """The pod has ended: others may have its place."""
        self._reports.pop(uid, None)
        timer = self._deadlines.pop(uid, None)
        if timer:
            timer.cancel()
        if uid in self._placed:
            self._placed.discard(uid)
            self._schedule()

    # --- starting pods
    # ----------------------------------------------------------------------------------------

    def _start(self, pod: Object) -> None:
        """Start the pod's supervisor, or say what is in the way."""
        assert self._manifests is not None
        uid = pod["metadata"]["uid"]
        for container in (*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]):
            problem = find_problem(container["image"], self._options.missing_images)
            if problem:
                self._refuse_image(pod, container, problem)
                return

        def lookup(resource: str, name: str) -> Object | None:
            return self._store.get((resource, pod["metadata"]["namespace"], name))

        try:
            self._home.pod(uid).mkdir(mode=0o700, exist_ok=True)
            manifest = self._manifests.make(pod, lookup, _deadline(pod))
        except MissingSource as error:
            self._recorder.record(pod, "Warning", "Failed", f"Error: {error}")
            self._set(pod, statuses.waiting_status(pod, "CreateContainerConfigError", str(error)))
        except (VolumeProblem, OSError) as error:
            self._recorder.record(pod, "Warning", "FailedMount", str(error))
        else:
            self._supervised.add(uid)
            self.supervisors.spawn(uid, manifest)

    def _retry_waiting(self, namespace: str) -> None:
        """A secret, config map or claim came: pods of the namespace that could not start may now."""
        for uid in sorted(self._placed - self._supervised):
            pod = self.current(uid)
            if pod is not None and pod["metadata"]["namespace"] == namespace:
                self._start(pod)

    def _refuse_image(self, pod: Object, container: Mapping[str, Any], problem: ImageProblem) -> None:
        name, image = container["name"], container["image"]
        if problem.reason == "ErrImagePull":
            self._recorder.record(pod, "Normal", "Pulling", f'Pulling image "{image}"')
            self._recorder.record(
                pod, "Warning", "Failed", f'Failed to pull image "{image}": {problem.message}'
            )
            self._recorder.record(pod, "Warning", "Failed", "Error: ErrImagePull")
            loop = asyncio.get_running_loop()
            loop.call_later(PULL_BACKOFF, self._back_off_image, pod["metadata"]["uid"], name, image)
        else:
            self._recorder.record(pod, "Warning", "InspectFailed", problem.message)
            self._recorder.record(pod, "Warning", "Failed", f"Error: {problem.reason}")
        self._set(pod, statuses.waiting_status(pod, problem.reason, problem.message, name))

    def _back_off_image(self, uid: str, container: str, image: str) -> None:
        pod = self.current(uid)
        if pod is None or uid not in self._placed:
            return
        message = f'Back-off pulling image "{image}"'
        self._recorder.record(pod, "Normal", "BackOff", message)
        self._recorder.record(pod, "Warning", "Failed", "Error: ImagePullBackOff")
        self._set(pod, statuses.waiting_status(pod, "ImagePullBackOff", message, container))

    def _exceed_deadline(self, uid: str) -> None:
        """The deadline of a pod without a supervisor; a supervisor keeps its own."""
        pod = self.current(uid)
        if pod is None or uid in self._supervised or uid not in self._placed:
            return
        message = "Pod was active on the node longer than the specified deadline"
        self._recorder.record(pod, "Warning", "DeadlineExceeded", message)
        self._set(pod, statuses.ended_status(pod, "DeadlineExceeded", message))
        self._leave(uid)

    # --- what supervisors tell
    # --------------------------------------------------------------------------------

    def _on_report(self, uid: str, report: Mapping[str, Any]) -> None:
        self._reports[uid] = report
        pod = self.current(uid)
        if pod is None:
            return
        for event in report["events"]:
            self._recorder.replay(pod, event)
        self._set(pod, statuses.reported_status(pod, report))

    def _on_log(self, uid: str) -> None:
        self._wake_readers(uid)

    def _on_lost(self, uid: str) -> None:
        """The supervisor has ended: what it left on disk is the last word."""
        pod = self.current(uid)
        report = self._last_report(uid)
        if pod is not None and report is None and not pod["metadata"].get("deletionTimestamp"):
            self._supervised.discard(uid)
            self._start(pod)  # the last server was killed before the nursery heard of this pod
            return
        if pod is not None:
            if report is not None:
                self._on_report(uid, report)
            pod = self.current(uid)
        if pod is not None and (report is None or not report["done"]):
            self._set(pod, statuses.lost_status(pod))
        self._supervised.discard(uid)
        pod = self.current(uid)
        if pod is None:
            self._discard(uid)
        elif pod["metadata"].get("deletionTimestamp") and not pod["metadata"].get("finalizers"):
            self._store.delete(_key(pod))
            self._keys.pop(uid, None)
            self._discard(uid)
        self._wake_readers(uid)
        self._leave(uid)
        self._collect_garbage()

    def _last_report(self, uid: str) -> Mapping[str, Any] | None:
        try:
            report: Mapping[str, Any] = json.loads((self._home.pod(uid) / "status.json").read_bytes())
        except FileNotFoundError:
            return None
        return report

    def _set(self, pod: Object, status: Mapping[str, Any]) -> None:
        self._store.update(_key(pod), {**pod, "status": dict(status)})
        self._wake_readers(pod["metadata"]["uid"])

    def _wake_readers(self, uid: str) -> None:
        for event in self._growth.get(uid, ()):
            event.set()

    # --- cleaning up
    # ------------------------------------------------------------------------------------------

    def _collect_garbage(self) -> None:
        """Keep the last `keep_finished` ended pods."""
        ended = [pod for pod in self._store.select("pods") if pod["status"]["phase"] in statuses.TERMINAL]
        surplus = len(ended) - self._options.keep_finished
        if surplus <= 0:
            return
        ended.sort(key=lambda pod: int(pod["metadata"]["resourceVersion"]))
        for pod in ended[:surplus]:
            if pod["metadata"]["uid"] not in self._supervised:
                self.forget_pod(self._store.delete(_key(pod)))

    def _discard(self, uid: str) -> None:
        self._growth.pop(uid, None)
        shutil.rmtree(self._home.pod(uid), ignore_errors=True)


def _key(pod: Object) -> Key:
    return "pods", pod["metadata"]["namespace"], pod["metadata"]["name"]


def _deadline(pod: Object) -> float | None:
    seconds = pod["spec"].get("activeDeadlineSeconds")
    if seconds is None:
        return None
    start = timegm(time.strptime(pod["status"]["startTime"], "%Y-%m-%dT%H:%M:%SZ"))
    return float(start + seconds)
