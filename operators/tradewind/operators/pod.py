"""A step's pod: KubernetesPodOperator as teams know it, with another engine inside.

What stays is everything a team configures: connections, every argument, pod templates, `pod_mutation_hook`,
callbacks, `on_finish_action`. What goes is the waiting: one watch instead of polls, the termination message
instead of a sidecar, a name that can be found again instead of a random one, one readable error instead of a
dump. The module is imported when a pod is needed, never by a DAG file.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow.providers.cncf.kubernetes.callbacks import ExecutionMode
from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator
from airflow.providers.cncf.kubernetes.utils.pod_manager import OnKillAction
from airflow.sdk.exceptions import AirflowException, AirflowSkipException
from kubernetes.client import ApiClient, CoreV1Api
from kubernetes.config import ConfigException

from tradewind.cluster.adoption import OwnPod, adopt, create_or_adopt
from tradewind.cluster.ends import ended
from tradewind.cluster.names import TRY_LABEL
from tradewind.cluster.observation import Observation, ObservationOptions
from tradewind.cluster.pods import Pod, Pods
from tradewind.cluster.statuses import address, has_ended, has_started, image_id, terminated
from tradewind.cluster.watch import lean
from tradewind.errors import ConfigurationError, TradewindError
from tradewind.operators.cluster_reference import ClusterReference
from tradewind.operators.configuration import configuration
from tradewind.operators.helper import helper_container
from tradewind.operators.models import (
    environment,
    light_models,
    model,
    resources,
    typed_arguments,
    with_workdir,
)
from tradewind.operators.pod_arguments import is_template
from tradewind.operators.pod_log import PodLog
from tradewind.operators.pod_marks import mark, require_namespace
from tradewind.operators.pod_platform import lay_under
from tradewind.operators.pod_removal import PodRemoval, removes
from tradewind.operators.pod_security import advised, pod_security_level, secure
from tradewind.operators.request import PodOutcome, PodRequest
from tradewind.operators.waiting import Report, Waiting

if TYPE_CHECKING:
    from airflow.sdk import Context
    from jinja2 import Environment
    from kubernetes.client import models as k8s

    from tradewind.cluster.ends import PodEnd

__all__ = ["StepPodOperator"]

KILL_SECONDS = 2.5  # Airflow kills a task process five seconds after it has asked it to end


class StepPodOperator(KubernetesPodOperator):  # type: ignore[misc]
    """Runs the pod of one step try. Made inside `StepOperator.execute`, never part of a DAG.

    Args:
        request: what to run.
        context: of the task; templates in the DAG author's pod arguments are rendered with it.
        read_result: makes the runtime's report of a termination message.
    """

    env_vars: Any
    labels: Any
    annotations: Any
    init_containers: Any
    volumes: Any
    volume_mounts: Any

    def __init__(
        self,
        *,
        request: PodRequest,
        context: Context,
        read_result: Callable[[str], dict[str, Any] | None],
        **kwargs: Any,
    ) -> None:
        arguments = dict(request.arguments)
        arguments.pop("deferrable", None)  # the step's affair
        self._security = pod_security_level(arguments.pop("pod_security", None), configuration().pod_security)
        with light_models():
            author = typed_arguments(arguments)
            self._author = frozenset(author)
            super().__init__(
                task_id=context["task"].task_id,
                **{"log_pod_spec_on_failure": False, "log_events_on_startup": False, **author},
                **kwargs,  # what Airflow's metaclass adds
            )
            self.render_template_fields(context, context["task"].get_template_env())
            # Only now: what comes from the component or from the run is data, not a template.
            self._set_ours(request)
        self._request = request
        self._context = context
        self._read_result = read_result
        self._log_view = PodLog(self, self._author, self._call_back)
        self._pods: Pods | None = None
        self._has_client = False
        self._own: OwnPod | None = None
        self._removal: PodRemoval | None = None

    def _set_ours(self, request: PodRequest) -> None:
        if "image" not in self._author:
            self.image = request.image
        if "container_resources" not in self._author:
            self.container_resources = resources(request.resources)
        self.env_vars = environment(request, self.env_vars)
        lay_under(self, request.platform, self._author)
        self.volumes, self.volume_mounts = with_workdir(self.volumes, self.volume_mounts)
        if request.helper:
            self.init_containers = [helper_container(self, request.helper), *self.init_containers]
        self.name = request.identity.pod_name(request.try_number)
        self.random_name_suffix = False
        self.do_xcom_push = False
        self.cmds = list(request.command[:1])
        self.arguments = list(request.command[1:])

    def render_template(
        self, content: Any, context: Context, jinja_env: Environment | None = None, seen_oids: Any = None
    ) -> Any:
        """Render what is a template: most text is none, and the first one costs a process milliseconds."""
        if isinstance(content, str) and jinja_env is not None and not is_template(content, jinja_env):
            return content
        return super().render_template(content, context, jinja_env, seen_oids)

    # --- the way of one try -------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Build the pod's manifest and the client.

        Raises:
            ConfigurationError: the connection or an argument cannot be used, or the pod would be where nobody
                looks for it.
        """
        try:
            _ = self.client  # the manifest says where it leads
            with light_models():
                self.pod_request_obj = self.build_pod_request_obj(self._context)
                secure(self.pod_request_obj, self._security)
            place = self.namespace or self.hook.get_namespace() or self._incluster_namespace or "default"
        except (AirflowException, ConfigException, OSError) as error:
            raise ConfigurationError(
                f"no pod can be made with the Airflow connection {self.kubernetes_conn_id!r}: {error}",
                remedy="Correct the connection ([tradewind] kubernetes_conn_id) or the pod's arguments.",
            ) from error
        if not self.arguments:  # else a pod template's would become the command's
            self._base(self.pod_request_obj).args = None
        require_namespace(self.pod_request_obj, place)
        mark(self.pod_request_obj, self._request)
        self._pods = Pods(self._renewed_client, place)

    def adopt(self, since: int = 1, again: Callable[[PodEnd], bool] = lambda end: False) -> int | None:
        """Take over the pod of an earlier try, and return that try's number; None: there is no such pod.

        Args:
            since: pods of tries before this one are removed instead.
            again: says after which failures the step runs again: a pod with such an end stays where it is.
        """

        def is_spent(pod: Pod) -> bool:
            end = self._failure(pod)
            return end is not None and again(end)

        self._own = adopt(self._prepared, self._request.identity, since, is_spent)
        return self._own.try_number if self._own else None

    def launch(self) -> None:
        """Create the pod, unless one was taken over.

        Raises:
            TradewindError: the cluster refuses it or is away.
        """
        self._call_back("on_pod_manifest_created", pod_request=self.pod_request_obj)
        if self._own is None:
            mark(self.pod_request_obj, self._request)  # callbacks may have changed it
            manifest = self.client.api_client.sanitize_for_serialization(self.pod_request_obj)
            self._own = create_or_adopt(self._prepared, manifest, self._request.identity)
        self.log.info("Pod %s", address(self._own.pod))
        self._call_back("on_pod_creation", pod=self._own.pod)

    def observe(self, on_long: Callable[[], None] = lambda: None) -> PodOutcome:
        """Show the pod's log until the step has ended; begin to remove a pod that has failed.

        Args:
            on_long: called once, if the step takes longer than a moment.

        Raises:
            AirflowSkipException: the exit code is one of `skip_on_exit_code`.
            UnreachableError: the API server was away too long.
        """
        if self._own is None:
            raise RuntimeError("launch() comes first")
        observation = Observation(
            pods=self._prepared,
            pod=self._own.pod,
            options=self._options(),
            sink=self._log_view.show,
            read_result=self._read_result,
            on_start=lambda pod: self._call_back("on_pod_starting", pod=pod),
            on_event=self._show_event,
            on_long=on_long,
            cluster=self._cluster,
        )
        try:
            end = observation.run()
        except BaseException:
            observation.abandon()
            raise
        return self._concluded(observation.pod, end, observation.message)

    # --- where a trigger waits instead --------------------------------------------------------------------

    @property
    def has_ended(self) -> bool:
        """Say whether the pod that was launched is over, as one that was taken over may be from the start."""
        return self._own is not None and has_ended(self._own.pod, self.base_container_name)

    def waiting(
        self, deadline: float | None, state: Mapping[str, Any], record: Mapping[str, Any] | None
    ) -> Waiting:
        """Return how to wait for the pod that was launched.

        Args:
            deadline: when the task's time is over; seconds since the epoch.
            state: what the task that goes on needs to know.
            record: of the step in MLflow.
        """
        if self._own is None:
            raise RuntimeError("launch() comes first")
        options = self._options()
        return Waiting(
            cluster=self._cluster,
            pod=lean(self._own.pod),
            options=replace(options, logs=()) if self._log_view.needs_worker else options,
            launched_at=time.time(),
            deadline=deadline,
            bare=self._log_view.bare,
            keep_on_kill=self.on_kill_action == OnKillAction.KEEP_POD,
            grace_seconds=self.termination_grace_period,
            state=state,
            record=record,
        )

    def take_up(self, pod: Pod) -> None:
        """Answer again for a pod that a trigger has waited for."""
        label = str((pod["metadata"].get("labels") or {}).get(TRY_LABEL, "1"))
        self._own = OwnPod(pod, int(label), adopted=True)

    def conclude(self, report: Report) -> PodOutcome:
        """Take in the end of a pod that a trigger has waited for: as `observe` does, but for the wait.

        Raises:
            AirflowSkipException: the exit code is one of `skip_on_exit_code`.
        """
        pod, end = dict(report.pod), report.end
        if end is None:
            raise RuntimeError("there is no end to take in")
        if self.callbacks or self.log_pod_spec_on_failure:
            pod = self._prepared.get(pod["metadata"]["name"]) or pod
        if has_started(pod, self.base_container_name):
            self._call_back("on_pod_starting", pod=pod)
        tail = self._log_view.show_left(self._prepared, pod, report.left)
        end = replace(end, tail=tail or end.tail)
        return self._concluded(pod, end, report.message)

    def _concluded(self, pod: Pod, end: PodEnd, message: str) -> PodOutcome:
        self._take_in(pod, end)
        if end.exit_code is not None and end.exit_code in self.skip_on_exit_code:
            raise AirflowSkipException(f"The step ended with exit code {end.exit_code}.")
        image = image_id(pod, self.base_container_name)
        return PodOutcome(advised(end, self._security), message, address(pod), image)

    # --- after the pod ------------------------------------------------------------------------------------

    def collect(self) -> None:
        """Delete the pod, or mark it as taken in: what it has made is safe, or of no use."""
        if self._removal is not None:
            self._removal.wait()

    def kill(self) -> None:
        """Delete the pod now, if there may be one. Takes at most `KILL_SECONDS`."""
        if self._pods is None or self.on_kill_action == OnKillAction.KEEP_POD:
            return
        # A thread and a client of its own: this may run in a signal handler, in the middle of anything.
        configuration = self.client.api_client.configuration
        pods = Pods(lambda: CoreV1Api(ApiClient(configuration)), self._pods.namespace)
        name = self._own.pod["metadata"]["name"] if self._own else self.pod_request_obj.metadata.name

        def delete() -> None:
            with contextlib.suppress(TradewindError):  # run_end tries again
                pods.delete(name, grace_seconds=self.termination_grace_period, budget_seconds=KILL_SECONDS)

        thread = threading.Thread(target=delete, daemon=True)
        thread.start()
        thread.join(KILL_SECONDS)

    # --- parts --------------------------------------------------------------------------------------------

    @property
    def _prepared(self) -> Pods:
        if self._pods is None:
            raise RuntimeError("prepare() comes first")
        return self._pods

    @property
    def _cluster(self) -> ClusterReference:
        server = self.client.api_client.configuration.host
        return ClusterReference(
            self.kubernetes_conn_id, self.in_cluster, self.config_file, self.cluster_context, server
        )

    def _renewed_client(self) -> CoreV1Api:
        if self._has_client:  # it was refused: the credentials have expired
            self._refresh_cached_properties()
        self._has_client = True
        return self.client

    def _refresh_cached_properties(self) -> None:
        for name in ("hook", "client", "pod_manager"):
            self.__dict__.pop(name, None)

    def _options(self) -> ObservationOptions:
        return ObservationOptions(
            container=self.base_container_name,
            logs=self._log_view.wanted,
            schedule_seconds=self.schedule_timeout_seconds,
            start_seconds=self.startup_timeout_seconds,
            plain=self._request.plain,
            events_every=self.startup_check_interval_seconds if self.log_events_on_startup else None,
        )

    def _base(self, pod: k8s.V1Pod) -> k8s.V1Container:
        return next(item for item in pod.spec.containers if item.name == self.base_container_name)

    def _failure(self, pod: Pod) -> PodEnd | None:
        """Return how a pod has failed; None while it runs, and when it has succeeded or skips the step."""
        container = self.base_container_name
        if not has_ended(pod, container):
            return None
        message = str((terminated(pod, container) or {}).get("message") or "")
        end = ended(pod, container, self._read_result(message), (), plain=self._request.plain)
        return None if end.succeeded or end.exit_code in self.skip_on_exit_code else end

    def _take_in(self, pod: Pod, end: PodEnd) -> None:
        """Make ready to delete the pod or to mark it as taken in, beside whatever the step does then.

        Not yet, unless it has failed: until Airflow has the step's end, the pod is the only one who has it.
        """
        self._call_back("on_pod_completion", pod=pod)
        self._call_back("on_pod_teardown", pod=pod)
        if not end.succeeded:
            self._tell_more(pod)
        self._removal = PodRemoval(
            self._prepared,
            pod["metadata"]["name"],
            delete=removes(self.on_finish_action, end),
            after=lambda: self._call_back("on_pod_cleanup", pod=pod),
            log=self.log,
        )
        if not end.succeeded:
            self._removal.begin()

    def _tell_more(self, pod: Pod) -> None:
        if self.log_events_on_failure:
            with contextlib.suppress(TradewindError):
                for event in self._prepared.events(pod["metadata"]["name"]):
                    self._show_event(event)
        if self.log_pod_spec_on_failure:
            self.log.error("The pod was:\n%s", json.dumps(pod, indent=2))

    def _show_event(self, event: Mapping[str, Any]) -> None:
        show = self.log.warning if event.get("type") == "Warning" else self.log.info
        show("Pod event: %s: %s", event.get("reason"), event.get("message"))

    def _call_back(self, hook: str, **arguments: Any) -> None:
        """Call the author's callbacks; they get model objects, made only when there are callbacks."""
        if not self.callbacks:
            return
        pod = arguments.pop("pod", self._own.pod if self._own else None)
        if hook not in ("on_pod_manifest_created",):
            arguments["pod"] = model(pod, "V1Pod")
        for callback in self.callbacks:
            getattr(callback, hook)(
                client=self.client,
                mode=ExecutionMode.SYNC,
                operator=self,
                context=self._context,
                **arguments,
            )
