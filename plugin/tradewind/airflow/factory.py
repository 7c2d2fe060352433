"""`pipeline_dag`: a pipeline becomes a DAG.

All that can be wrong is looked for before a DAG is handed out: the pipeline, the parameters, the schedule,
what is said about single steps and their pods. It is reported in one error, which Airflow shows as the file's
import error.
"""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import attrs

from airflow.sdk import DAG
from tradewind.airflow.arguments import argument_problems, display_name_problem
from tradewind.airflow.docs import pipeline_doc, summary
from tradewind.airflow.params import RunParams, run_params
from tradewind.airflow.sources import calling_file, plan_of, source_name
from tradewind.airflow.tasks import StepArguments, add_tasks, retry_problems, step_argument_problems
from tradewind.errors import ConfigurationError, InvalidPipelineError, Problem
from tradewind.garbage import collection_paused
from tradewind.operators.durations import seconds_of
from tradewind.operators.iteration_limit import iteration_problems
from tradewind.operators.pod_arguments import pod_argument_problems
from tradewind.operators.settings import MLFLOW_STORE, FinalStatusWords, RunSettings, TrackingMode
from tradewind.plan.iterations import least_iterations
from tradewind.plan.model import Plan
from tradewind.plan.values import text_problem

if TYPE_CHECKING:
    from tradewind.dsl import BaseComponent
    from tradewind.ir import Pipeline

__all__ = ["pipeline_dag"]

_DAG_ID = re.compile(r"[\w.-]+")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_LONGEST_DAG_ID = 250


def pipeline_dag(
    pipeline: BaseComponent | str | os.PathLike[str] | Pipeline | Plan,
    *,
    dag_id: str | None = None,
    schedule: Any = None,
    start_date: datetime | None = None,
    end_date: datetime | None = None,
    catchup: bool = False,
    max_active_runs: int | None = None,
    tags: Collection[str] = (),
    default_args: Mapping[str, Any] | None = None,
    on_failure_callback: Callable[..., Any] | list[Callable[..., Any]] | None = None,
    params: Mapping[str, Any] | None = None,
    experiment: str | None = None,
    tracking: TrackingMode | None = None,
    caching: bool | None = None,
    cache_ttl: float | str | timedelta | None = None,
    cluster: str | None = None,
    namespace: str | None = None,
    pod: Mapping[str, Any] | None = None,
    steps: StepArguments | None = None,
    artifact_store: str | None = None,
    final_status: FinalStatusWords | None = None,
    deferrable: bool | None = None,
    retry_on: Collection[str] | None = None,
    **dag_arguments: Any,
) -> DAG:
    """Make a DAG of a pipeline: one task per step, between `run_start` and `run_end`.

    The scheduling words are Airflow's own. Whatever is left None is as the deployment has it (`[tradewind]`
    in Airflow's configuration). To run one pipeline on two schedules, call this twice with two dag ids.

    Args:
        pipeline: a function under `@dsl.pipeline` or `@dsl.component`, the path of a compiled pipeline
            (relative to the calling file), or its text.
        dag_id: default: the pipeline's name.
        schedule: cron expression, timedelta, timetable, asset or assets; None: runs are started by hand.
        params: values for the pipeline's parameters in this DAG's runs. A text with `{{ }}` is a template
            that is rendered for each run, with the run's context; texts inside lists and objects are not.
            What a run itself is given goes before, and is never rendered.
        experiment: MLflow experiment; default: the pipeline's name.
        tracking: "on", "off" or "required".
        caching: False: every step runs. True: steps use earlier results unless they say otherwise.
        cache_ttl: age from which an earlier result no longer counts: seconds, "7d", a timedelta.
        cluster: Airflow connection of the Kubernetes cluster.
        namespace: of the pods.
        pod: arguments of KubernetesPodOperator for every step's pod.
        steps: by step id, arguments of any Airflow task (retries, pool, execution_timeout, ...), and for this
            step alone `pod` and `retry_on`.
        artifact_store: URI below which steps keep artifacts, or "mlflow"; default: what the pipeline says
            itself (`pipeline_root`), else what the deployment says.
        final_status: the words in which exit tasks are told how things ended (dsl.PipelineTaskFinalStatus):
            "documented" (SUCCEEDED, FAILED) or "engine" (COMPLETE, FAILED).
        deferrable: True: steps wait for their pods in Airflow's triggerer, and take no worker meanwhile.
            `pod={"deferrable": ...}` of a step wins.
        retry_on: kinds of ends of steps that are worth another try, and words for groups of them: "default",
            "infrastructure", "all" (docs/failures.md). How often is said by `retries`.
        dag_arguments: any other argument of `airflow.sdk.DAG`.

    Raises:
        InvalidPipelineError: lists everything that is wrong.
    """
    caller = calling_file()
    problems: list[Problem] = []
    arguments = {
        "schedule": schedule,
        "start_date": start_date,
        "end_date": end_date,
        "catchup": catchup,
        "max_active_runs": max_active_runs,
        "tags": () if tags is None else tags,
        "default_args": default_args,
        "on_failure_callback": on_failure_callback,
        **dag_arguments,
    }
    problems.extend(argument_problems(arguments | {"params": params, "steps": steps}))
    wrong = {problem.place for problem in problems}
    arguments = {name: value for name, value in arguments.items() if name not in wrong}
    arguments["default_args"] = dict(default_args or {}) if "default_args" not in wrong else {}
    params = params or {} if "params" not in wrong else {}
    steps = steps or {} if "steps" not in wrong else {}
    plan = _plan(pipeline, caller, problems)
    problems.extend(_setting_problems(experiment, tracking, caching, cluster, namespace, artifact_store))
    if final_status is not None and final_status not in get_args(FinalStatusWords):
        words = ", ".join(get_args(FinalStatusWords))
        problems.append(Problem("final_status", f"is {final_status!r}", f"use one of {words}"))
    if deferrable is not None and not isinstance(deferrable, bool):
        problems.append(Problem("deferrable", f"must be True, False or None, not {deferrable!r}"))
    ttl = _cache_ttl(cache_ttl, problems)
    problems.extend(pod_argument_problems(pod or {}, "pod"))
    problems.extend(step_argument_problems(plan, steps))
    problems.extend(retry_problems(retry_on, "retry_on"))
    problems.extend(_root_problems(plan, artifact_store))
    if plan is not None:
        problems.extend(iteration_problems(least_iterations(plan.loops.values(), {})))
    run = run_params(plan, params, scheduled=schedule is not None, problems=problems)
    dag = _dag(dag_id, plan, run, arguments, problems)
    if dag is not None and plan is not None and not problems:
        if caller is not None:
            dag.fileloc = str(caller)
        settings = RunSettings(
            pipeline=plan.name,
            experiment=experiment or "",
            tracking=tracking,
            caching=caching,
            cache_ttl=ttl,
            artifact_store=artifact_store,
            cluster=cluster,
            namespace=namespace,
            pod=pod or {},
            pipeline_root=plan.pipeline_root,
            config=plan.config,
            final_status=final_status,
            deferrable=deferrable,
            retry_on=None if retry_on is None else tuple(retry_on),
        )
        with collection_paused():
            add_tasks(dag, plan, settings, run=run, arguments=steps, problems=problems)
    if dag is None or problems:
        raise InvalidPipelineError(source_name(pipeline, caller), problems)
    return dag


def _plan(pipeline: object, caller: Path | None, problems: list[Problem]) -> Plan | None:
    try:
        with collection_paused():
            return plan_of(pipeline, caller)
    except InvalidPipelineError as error:
        problems.extend(error.problems)
        return None


def _setting_problems(
    experiment: object,
    tracking: object,
    caching: object,
    cluster: object,
    namespace: object,
    artifact_store: object,
) -> Iterator[Problem]:
    for name, text in (("experiment", experiment), ("cluster", cluster), ("artifact_store", artifact_store)):
        if text is not None and not (isinstance(text, str) and text.strip()):
            yield Problem(name, f"must be text, not {text!r}")
        elif text is not None and (problem := text_problem(text)):
            yield Problem(name, problem)
        elif name == "artifact_store" and text not in (None, MLFLOW_STORE) and not _URI.match(text):
            yield Problem(name, f"{text!r} is no URI", "write one such as s3://bucket/folder, or 'mlflow'")
    if tracking is not None and tracking not in get_args(TrackingMode):
        yield Problem("tracking", f"is {tracking!r}", f"use one of {', '.join(get_args(TrackingMode))}")
    if caching is not None and not isinstance(caching, bool):
        yield Problem("caching", f"must be True, False or None, not {caching!r}")
    if namespace is not None and not (isinstance(namespace, str) and _NAMESPACE.fullmatch(namespace)):
        remedy = "at most 63 lower-case letters, digits and dashes, neither first nor last a dash"
        yield Problem("namespace", f"{namespace!r} is no name for a Kubernetes namespace", remedy)


def _root_problems(plan: Plan | None, artifact_store: object) -> Iterator[Problem]:
    """A root that the pipeline itself brings along has to be one that pods can reach."""
    if plan is None or artifact_store is not None or not plan.pipeline_root:
        return
    scheme, colon, _ = plan.pipeline_root.partition(":/")
    remedy = "give artifact_store= to pipeline_dag: a URI, or 'mlflow'"
    if not colon or not scheme:
        yield Problem("$.defaultPipelineRoot", f"{plan.pipeline_root!r} is no URI", remedy)
    elif scheme == "minio":
        yield Problem("$.defaultPipelineRoot", "minio:// stands for the object store of a KFP server", remedy)


def _cache_ttl(given: object, problems: list[Problem]) -> float | None:
    try:
        return None if given is None else seconds_of(given, "cache_ttl")
    except ConfigurationError as error:
        problems.append(Problem("cache_ttl", f"is no duration: {given!r}", error.remedy))
        return None


def _dag(
    dag_id: str | None,
    plan: Plan | None,
    run: RunParams,
    arguments: Mapping[str, Any],
    problems: list[Problem],
) -> DAG | None:
    """Make the DAG without its tasks; None, and problems, where it cannot be made."""
    before = len(problems)
    problems.extend(_dag_id_problems(dag_id))
    problems.extend(_unknown_arguments(arguments))
    if len(problems) > before:
        return None
    texts: dict[str, Any] = {}
    if plan is not None:
        texts["description"] = summary(plan) or None
        texts["doc_md"] = pipeline_doc(plan, run)
        if dag_id is None and plan.display_name not in ("", plan.name):
            texts["dag_display_name"] = plan.display_name
    name = dag_id or (_legal_dag_id(plan.name) if plan is not None else "pipeline")
    texts |= arguments
    if problem := display_name_problem(texts.get("dag_display_name") or name):
        problems.append(Problem("dag_display_name", problem))
        return None
    try:
        dag = DAG(name, params=dict(run.params), **texts)
        dag.timetable.validate()
    except Exception as error:  # noqa: BLE001 - DAG and timetables check their arguments with errors of any type
        problems.append(Problem(f"DAG {name!r}", _reason(error)))
        return None
    return dag


def _dag_id_problems(dag_id: object) -> Iterator[Problem]:
    if dag_id is None:
        return
    if not isinstance(dag_id, str) or not _DAG_ID.fullmatch(dag_id):
        yield Problem(
            "dag_id", f"{dag_id!r} is no DAG id", "use letters, digits, dashes, dots and underscores"
        )
    elif len(dag_id) > _LONGEST_DAG_ID:
        yield Problem("dag_id", f"has {len(dag_id)} characters, more than {_LONGEST_DAG_ID}")


def _legal_dag_id(name: str) -> str:
    """Pipelines may have names that DAGs may not: "my pipeline (2)" becomes "my-pipeline-2"."""
    return re.sub(r"[^\w.-]+", "-", name).strip("-")[:_LONGEST_DAG_ID] or "pipeline"


def _unknown_arguments(arguments: Mapping[str, Any]) -> Iterator[Problem]:
    for name in arguments:
        if name not in _DAG_ARGUMENTS:
            near = difflib.get_close_matches(name, (*_DAG_ARGUMENTS, *_OWN_ARGUMENTS), n=1)
            remedy = f"did you mean {near[0]!r}?" if near else ""
            yield Problem(f"argument {name!r}", "is an argument of neither pipeline_dag nor a DAG", remedy)


def _reason(error: Exception) -> str:
    """The message of an error, with that of the error that it came from."""
    cause = f": {error.__cause__}" if error.__cause__ is not None else ""
    # Those of attrs carry the whole definition of the argument behind their message.
    return f"{error.args[0] if error.args else error}{cause}"


_DAG_ARGUMENTS = {field.alias or field.name for field in attrs.fields(DAG) if field.init} - {"dag_id"}
_OWN_ARGUMENTS = tuple(inspect.signature(pipeline_dag).parameters)[1:-1]
