"""The parameters of a run: what the run was given, checked and typed.

A value from a run's configuration is data and is never rendered. Only templates that the author of the DAG
wrote into the DAG file (`pipeline_dag(params={"day": "{{ ds }}"})`) are, with the run's own context.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tradewind.errors import FatalError, RetryableError
from tradewind.operators.run_options import RUN_OPTIONS
from tradewind.plan import coerce
from tradewind.plan.model import PipelineParameter
from tradewind.plan.values import one_of

if TYPE_CHECKING:
    from jinja2 import Environment

__all__ = ["resolve_parameters"]

_OTHER_VALUES = "Trigger the DAG again with other values."
_OTHER_TEMPLATE = "Correct the template in the DAG file (params= of pipeline_dag), and clear this task."


def resolve_parameters(
    declared: Mapping[str, PipelineParameter],
    given: Mapping[str, Any],
    templates: Mapping[str, str],
    context: Mapping[str, Any],
    environment: Environment,
) -> dict[str, Any]:
    """Return a value for every declared parameter.

    Args:
        declared: the pipeline's parameters.
        given: the run's params as Airflow has them: defaults overridden by the run's configuration.
        templates: Jinja templates of the DAG's author. One applies where the run gives no value, or gives the
            template's own text back (as Airflow's trigger form does with a default).
        context: of the task, for the templates.
        environment: the DAG's Jinja environment.

    Raises:
        FatalError: lists every parameter that is unknown, has no value or one of the wrong type.
        RetryableError: what a template asks Airflow for did not come.
    """
    values: dict[str, Any] = {}
    known = (*declared, *RUN_OPTIONS)
    problems = [_unknown(name, declared) for name in given if name not in known]
    remedies = {_OTHER_VALUES} if problems else set()
    for name, parameter in declared.items():
        template = _template(name, given, templates)
        try:
            values[name] = _value(name, parameter, given.get(name), template, context, environment)
        except FatalError as error:
            problems.append(error.message)
            remedies.add(_OTHER_VALUES if template is None else _OTHER_TEMPLATE)
    if problems:
        lines = "\n".join(f"  {problem}" for problem in problems)
        message = f"The run's parameters cannot be used:\n{lines}"
        raise FatalError(message, remedy=" ".join(sorted(remedies)))
    return values


def _template(name: str, given: Mapping[str, Any], templates: Mapping[str, str]) -> str | None:
    """The template of the DAG's author that says a parameter's value; None: none does."""
    template = templates.get(name)
    return template if given.get(name) in (None, template) else None


def _unknown(name: str, declared: Mapping[str, PipelineParameter]) -> str:
    near = difflib.get_close_matches(str(name), declared, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"parameter {name!r} is none of the pipeline's{hint}"


def _value(
    name: str,
    parameter: PipelineParameter,
    value: Any,
    template: str | None,
    context: Mapping[str, Any],
    environment: Environment,
) -> Any:
    if template is not None:
        value = _rendered(name, parameter, template, context, environment)
    if value is None and parameter.has_default:
        # Airflow's trigger form returns null for a field that was left empty.
        value = parameter.default
    if value is None:
        if parameter.optional or (parameter.has_default and parameter.default is None):
            return None
        raise FatalError(f"parameter {name!r} has no value")
    where = f"parameter {name!r}"
    return one_of(coerce(value, parameter.type, where), parameter.literals, where)


def _dates(context: Mapping[str, Any]) -> dict[str, Any]:
    """The dates of a run without a logical date (by hand, by an asset), for which Airflow gives none."""
    moment = getattr(context.get("dag_run"), "run_after", None)
    if moment is None:
        return {}
    day, time = moment.strftime("%Y-%m-%d"), moment.isoformat()
    return {
        "logical_date": moment,
        "ds": day,
        "ds_nodash": day.replace("-", ""),
        "ts": time,
        "ts_nodash": moment.strftime("%Y%m%dT%H%M%S"),
    }


def _rendered(
    name: str,
    parameter: PipelineParameter,
    template: str,
    context: Mapping[str, Any],
    environment: Environment,
) -> Any:
    from airflow.sdk.exceptions import AirflowRuntimeError

    try:
        text = environment.from_string(template).render({**_dates(context), **context})
    except Exception as error:
        message = f"parameter {name!r}: the template {template!r} cannot be rendered: "
        message += f"{type(error).__name__}: {error}"
        if isinstance(error, AirflowRuntimeError | OSError):  # Airflow did not answer
            raise RetryableError(message) from error
        raise FatalError(message) from error
    if parameter.type == "STRING":
        return text
    if parameter.type == "BOOLEAN" and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    try:
        return json.loads(text)
    except ValueError:
        raise FatalError(
            f"parameter {name!r}: the template {template!r} gives {text!r}, which is no {parameter.type}"
        ) from None
