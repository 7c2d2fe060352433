"""Which KubernetesPodOperator arguments a step takes, known without importing that operator.

A DAG file is parsed in every task process; importing the operator there costs seconds. So its argument names
stand here as a list, and a test compares the list with the installed operator's signature. Arguments that
would break the contract between operator and pod (one container, one result, a name that can be found again)
are refused when the DAG is loaded, each with the reason.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, get_args

from tradewind.errors import Problem
from tradewind.operators.settings import PodSecurity

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = [
    "ACCEPTED",
    "OWN",
    "REFUSED",
    "is_template",
    "merge_pod_arguments",
    "place_arguments",
    "pod_argument_problems",
]

ACCEPTED: frozenset[str] = frozenset(
    """
    active_deadline_seconds affinity annotations automount_service_account_token base_container_name
    base_container_status_polling_interval callbacks cluster_context config_file configmaps
    container_logs container_name_log_prefix_enabled container_resources container_security_context
    deferrable dns_config dnspolicy env_from env_vars full_pod_spec get_logs host_aliases hostname hostnetwork
    image image_pull_policy image_pull_secrets in_cluster init_container_logs init_containers
    kubernetes_conn_id labels log_events_on_failure log_events_on_startup log_formatter
    log_pod_spec_on_failure namespace node_selector on_finish_action on_kill_action
    pod_runtime_info_envs pod_template_dict pod_template_file ports priority_class_name
    progress_callback runtime_class_name schedule_timeout_seconds schedulername secrets
    security_context service_account_name skip_on_exit_code startup_check_interval_seconds
    startup_timeout_seconds subdomain termination_grace_period termination_message_policy
    tolerations volume_mounts volumes
    """.split()  # noqa: SIM905
)

OWN: Mapping[str, tuple[str, ...]] = {"pod_security": get_args(PodSecurity)}
"""Arguments that are none of KubernetesPodOperator's, with their values."""

_RESULT = "a step's result comes back in the termination message"
_NAME = "a step's pod is named after the step, so that a retry finds it again"
_COMMAND = "the component says what the container runs"
_ADOPTION = "a retry always takes over a pod that is still running"
_WATCH = "a step watches its pod, nothing is polled"

REFUSED: Mapping[str, str] = {
    "arguments": _COMMAND,
    "cmds": _COMMAND,
    "do_xcom_push": _RESULT,
    "durable": _ADOPTION,
    "is_delete_operator_pod": "KubernetesPodOperator no longer has it: use on_finish_action",
    "logging_interval": "the triggerer shows the log while the step runs",
    "name": _NAME,
    "poll_interval": _WATCH,
    "random_name_suffix": _NAME,
    "reattach_on_restart": _ADOPTION,
    "trigger_kwargs": "what the trigger gets and tells is Tradewind's own",
    "xcom_sidecar_container_security_context": _RESULT,
}

_TASK_ARGUMENTS: frozenset[str] = frozenset(
    """
    depends_on_past email execution_timeout executor executor_config inlets max_active_tis_per_dag
    max_active_tis_per_dagrun max_retry_delay on_execute_callback on_failure_callback
    on_retry_callback on_skipped_callback on_success_callback outlets owner params pool pool_slots
    priority_weight queue retries retry_delay retry_exponential_backoff run_as_user task_id
    trigger_rule weight_rule
    """.split()  # noqa: SIM905
)


def pod_argument_problems(arguments: object, place: str) -> tuple[Problem, ...]:
    """Say everything that is wrong with a mapping of pod arguments; values are judged by the operator itself.

    Args:
        arguments: what the author of the DAG gave as `pod`.
        place: where, for the message: "steps['train'], pod".

    Returns:
        One problem per argument, none when all is well.
    """
    if not isinstance(arguments, Mapping):
        return (Problem(place, f"must be a mapping of arguments, not {type(arguments).__name__}"),)
    return tuple(_problems(arguments, place))


def _problems(arguments: Mapping[Any, Any], place: str) -> Iterator[Problem]:
    for name, value in arguments.items():
        where = f"{place}, argument {name!r}"
        if name == "deferrable" and not isinstance(value, bool | None):
            yield Problem(where, f"must be True or False, not {value!r}")
        if name in ACCEPTED:
            continue
        if name in OWN:
            if value is not None and value not in OWN[name]:
                yield Problem(where, f"is {value!r}", f"use one of {', '.join(OWN[name])}")
            continue
        if name in REFUSED:
            yield Problem(where, f"cannot be set: {REFUSED[name]}")
        elif name in _TASK_ARGUMENTS:
            yield Problem(
                where, "is an argument of the Airflow task, not of the pod", "give it beside `pod`, not in it"
            )
        else:
            near = difflib.get_close_matches(str(name), [*ACCEPTED, *OWN], n=1)
            yield Problem(
                where,
                "is no argument of KubernetesPodOperator",
                f"did you mean {near[0]!r}?" if near else "",
            )


_PLACE = ("kubernetes_conn_id", "in_cluster", "config_file", "cluster_context", "namespace")


def place_arguments(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return those of a pod's arguments that say in which cluster and namespace it is."""
    return {name: arguments[name] for name in _PLACE if arguments.get(name) is not None}


_BY_KEY = ("annotations", "env_vars", "labels", "node_selector")
_JOINED = (
    *_BY_KEY,
    "callbacks",
    "configmaps",
    "env_from",
    "image_pull_secrets",
    "secrets",
    "tolerations",
    "volume_mounts",
    "volumes",
)
_LISTS = (list, tuple)


def merge_pod_arguments(*levels: Mapping[str, Any]) -> dict[str, Any]:
    """Merge arguments from the most general level to the most special one.

    Mappings (labels, annotations, node selectors, environment) are merged by key, lists that only add to a
    pod (volumes, mounts, secrets, tolerations, ...) are joined, everything else is replaced.
    """
    merged: dict[str, Any] = {}
    for level in levels:
        for name, value in level.items():
            before = merged.get(name)
            if name in _BY_KEY and isinstance(before, Mapping) and isinstance(value, Mapping):
                merged[name] = {**before, **value}
            elif name in _JOINED and isinstance(before, _LISTS) and isinstance(value, _LISTS):
                merged[name] = [*before, *value]
            else:
                merged[name] = value
    return merged


def is_template(text: str, env: Environment) -> bool:
    """Say whether Jinja may make something else of a text in a pod's arguments."""
    marks = (env.block_start_string, env.variable_start_string, env.comment_start_string)
    more = (env.line_statement_prefix, env.line_comment_prefix)
    # Rendering takes away a line end.
    return text.endswith("\n") or any(mark in text for mark in (*marks, *more) if mark)
