"""A pipeline's inputs as Airflow Params: they make the trigger form and check what a run is given.

A Param carries a JSON schema. The form draws its fields from it, the API refuses a run whose values do not
fit, and every task checks once more. Params of the DAG's author are of two kinds: plain values become
defaults; texts with `{{ }}` are rendered anew for each run by `run_start`, and their fields start empty.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from airflow.sdk import Param
from airflow.sdk.definitions._internal.types import NOTSET
from tradewind.errors import Problem, TradewindError
from tradewind.plan import coerce
from tradewind.plan.model import ParameterType, PipelineParameter, Plan
from tradewind.plan.values import NOT_FINITE, one_of

__all__ = ["TYPE_WORDS", "RunParams", "run_params"]

_SCHEMAS: Mapping[ParameterType, Mapping[str, Any]] = {
    "STRING": {"type": "string"},
    # Airflow's own processes cannot hand more than 64 bits to a task: the API has to refuse it.
    "NUMBER_INTEGER": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    "NUMBER_DOUBLE": {"type": "number"},
    "BOOLEAN": {"type": "boolean"},
    # Without a type of its items, or with text as that, the form takes a list for lines of text.
    "LIST": {
        "type": "array",
        "items": {"type": ["object", "array", "string", "number", "boolean", "null"]},
    },
    "STRUCT": {"type": "object"},
}

TYPE_WORDS: Mapping[ParameterType, str] = {
    "STRING": "text",
    "NUMBER_INTEGER": "whole number",
    "NUMBER_DOUBLE": "number",
    "BOOLEAN": "true or false",
    "LIST": "list",
    "STRUCT": "object",
}


@dataclass(frozen=True, slots=True)
class RunParams:
    """What a DAG says about the parameters of its runs.

    Attributes:
        params: Airflow Params by name: what a run must be given first, then in the pipeline's order.
        declared: the pipeline's parameters, with the defaults that they have in this DAG.
        templates: Jinja templates of the DAG's author by name.
    """

    params: Mapping[str, Param] = field(default_factory=dict)
    declared: Mapping[str, PipelineParameter] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict)


def run_params(
    plan: Plan | None,
    given: Mapping[str, Any],
    *,
    scheduled: bool,
    problems: list[Problem],
) -> RunParams:
    """Make the Params of a DAG.

    Args:
        plan: None where the pipeline itself is broken: then its parameters are not known.
        given: `params` of `pipeline_dag`: values, or templates for this DAG's runs.
        scheduled: nobody is there to fill in a form: each parameter needs a value.
        problems: what is wrong is added here.
    """
    if plan is None:
        return RunParams()
    problems.extend(_unknown(plan.parameters, given))
    declared: dict[str, PipelineParameter] = {}
    params: dict[str, Param] = {}
    templates: dict[str, str] = {}
    for name, parameter in plan.parameters.items():
        declared[name] = parameter
        if name in given and _is_template(given[name]):
            templates[name] = given[name]
            problems.extend(_template_problems(name, given[name]))
            params[name] = _param(parameter, None, nullable=True, note=f"left empty: {given[name]}")
        elif name in given:
            declared[name] = _with_default(name, parameter, given[name], problems)
            params[name] = _param(declared[name], declared[name].default, nullable=_may_be_none(parameter))
        elif parameter.has_default or parameter.optional:
            params[name] = _param(parameter, parameter.default)
        elif scheduled:
            message = "has no default, and a scheduled run has nobody to ask for a value"
            problems.append(Problem(f"parameter {name!r}", message, f"add it to params={{{name!r}: ...}}"))
        else:
            params[name] = _required(parameter)
    required_first = dict(sorted(params.items(), key=lambda item: item[1].value is not NOTSET))
    return RunParams(required_first, declared, templates)


def _unknown(declared: Mapping[str, PipelineParameter], given: Mapping[str, Any]) -> Iterator[Problem]:
    for name in given:
        if name not in declared:
            near = difflib.get_close_matches(str(name), declared, n=1)
            known = ", ".join(declared) or "it has none"
            remedy = f"did you mean {near[0]!r}?" if near else f"its parameters: {known}"
            yield Problem(f"params[{name!r}]", "the pipeline has no such parameter", remedy)


def _with_default(
    name: str, parameter: PipelineParameter, value: Any, problems: list[Problem]
) -> PipelineParameter:
    place = f"params[{name!r}]"
    try:
        if value is None and not _may_be_none(parameter):
            raise TradewindError(f"must be {TYPE_WORDS[parameter.type]}, not None")
        if parameter.type == "NUMBER_DOUBLE" and value in NOT_FINITE:
            raise TradewindError(f"must be a number, but {value!r} is none for Airflow")
        default = one_of(coerce(value, parameter.type, place), parameter.literals, place)
        return replace(parameter, default=default, has_default=True)
    except TradewindError as error:
        problems.append(Problem(place, error.message.removeprefix(f"{place}: "), error.remedy))
        return parameter


def _may_be_none(parameter: PipelineParameter) -> bool:
    return parameter.default is None and (parameter.has_default or parameter.optional)


def _param(parameter: PipelineParameter, default: Any, *, nullable: bool = False, note: str = "") -> Param:
    # KFP calls every parameter with a default optional; only a default of None says that None is a value. And
    # the form returns null for an empty field: where "" is the default, null stands for it.
    nullable = nullable or default in (None, "")
    both = f"{parameter.description} ({note})" if parameter.description and note else ""
    description = both or note or parameter.description or None
    return Param(default, description=description, schema=_schema(parameter, nullable=nullable))


def _required(parameter: PipelineParameter) -> Param:
    return Param(description=parameter.description or None, schema=_schema(parameter, nullable=False))


def _schema(parameter: PipelineParameter, *, nullable: bool) -> dict[str, Any]:
    schema = dict(_SCHEMAS[parameter.type])
    if parameter.literals:  # the form then has a list to choose from
        schema = {"type": schema["type"], "enum": [*parameter.literals, *([None] if nullable else [])]}
    return schema | {"type": [schema["type"], "null"]} if nullable else schema


def _is_template(value: Any) -> bool:
    return isinstance(value, str) and ("{{" in value or "{%" in value)


def _template_problems(name: str, template: str) -> Iterator[Problem]:
    from jinja2 import Environment, TemplateSyntaxError

    try:
        Environment().parse(template)
    except TemplateSyntaxError as error:
        yield Problem(f"params[{name!r}]", f"{template!r} is no Jinja template: {error.message}")
