"""What Airflow shows beside a pipeline's DAG and its steps, as Markdown.

Texts of steps are kept short: they are part of the serialized DAG, which the scheduler and the API server
load over and over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tradewind.airflow.params import TYPE_WORDS, RunParams
from tradewind.plan.bindings import Precondition
from tradewind.plan.model import CreateVolume, DeleteVolume, Importer, Loop, PipelineParameter, Plan, Step

__all__ = ["loop_doc", "pipeline_doc", "step_doc", "summary"]

_LONGEST_DEFAULT = 80


def summary(plan: Plan) -> str:
    """Return the first line of the pipeline's description, for lists of DAGs."""
    return plan.description.strip().partition("\n")[0].strip()


def pipeline_doc(plan: Plan, run: RunParams) -> str:
    """Return what the DAG is, which inputs it takes and how to start it."""
    parameters = {name: run.declared[name] for name in run.params}
    parts = [plan.description.strip()] if plan.description.strip() else []
    if parameters:
        parts.append("\n".join(_inputs(parameters, run.templates)))
        example = json.dumps(_example(parameters), ensure_ascii=False)
        parts.append(
            "**Trigger** asks for these inputs. In the REST API and on the command line they are the run's"
            f" `conf`: {_code(example)}"
        )
    pods = sum(step.container is not None for step in plan.steps.values())
    parts.append(f"Pipeline {_code(plan.name)}: steps {len(plan.steps)}, Kubernetes pods {pods} at most.")
    return "\n\n".join(parts) + "\n"


def step_doc(step: Step) -> str:
    """Return what a step runs, takes and gives."""
    if isinstance(step.action, Importer):
        where = " into the run's workspace" if step.action.to_workspace else ""
        lines = [f"Imports a {_kind(step.action.schema_title)}{where}."]
    elif isinstance(step.action, CreateVolume | DeleteVolume):
        verb = "Makes" if isinstance(step.action, CreateVolume) else "Deletes"
        lines = [f"{verb} a persistent volume claim; no pod."]
    else:
        image = f" in {_code(step.container.image)}" if step.container is not None else ""
        lines = [f"Component {_code(step.component)}{image}."]
    lines += _conditions(step.precondition)
    takes = [f"{_code(name)} {TYPE_WORDS[item.type]}" for name, item in step.parameters.items()]
    takes += [f"{_code(name)} {_kind(item.schema_title)}" for name, item in step.artifacts.items()]
    gives = [f"{_code(name)} {TYPE_WORDS[item.type]}" for name, item in step.output_parameters.items()]
    gives += [f"{_code(name)} {_kind(item.schema_title)}" for name, item in step.output_artifacts.items()]
    if takes:
        lines.append(f"**Takes** {', '.join(takes)}")
    if gives:
        lines.append(f"**Gives** {', '.join(gives)}")
    return "\n\n".join(lines) + "\n"


def loop_doc(loop: Loop) -> str:
    """Return what a loop goes over."""
    lines = ["Works out the items of the loop, one iteration for each; no pod."]
    if loop.parallelism:
        lines.append(f"At most {loop.parallelism} at once.")
    return "\n\n".join([*lines, *_conditions(loop.precondition)]) + "\n"


def _conditions(precondition: Precondition) -> Iterator[str]:
    """Say under which conditions something runs."""
    guards = [f"{guard.scope}: {_code(_shortened(guard.expression))}" for guard in precondition.guards]
    if guards:
        yield "**If** " + ", and ".join(guards)


def _inputs(parameters: Mapping[str, PipelineParameter], templates: Mapping[str, str]) -> Iterator[str]:
    yield "| input | type | default | meaning |"
    yield "|---|---|---|---|"
    for name, parameter in parameters.items():
        if name in templates:
            default = f"{_code(templates[name])}, for each run"
        elif parameter.default is not None:
            default = _code(_shortened(json.dumps(parameter.default, ensure_ascii=False)))
        else:
            default = "" if parameter.optional or parameter.has_default else "required"
        cells = (_code(name), TYPE_WORDS[parameter.type], default, " ".join(parameter.description.split()))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _example(parameters: Mapping[str, PipelineParameter]) -> dict[str, Any]:
    """One parameter with a short value is enough to show the form."""
    values = {name: parameter.default for name, parameter in parameters.items()}
    telling = [name for name, value in values.items() if value and len(str(value)) <= _LONGEST_DEFAULT]
    name = (telling or list(values))[0]
    return {name: values[name]}


def _kind(schema_title: str) -> str:
    return schema_title.removeprefix("system.")


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST_DEFAULT else text[: _LONGEST_DEFAULT - 1] + "…"


def _code(text: str) -> str:
    """Return text as inline code, whatever backticks it holds."""
    fence = "`"
    while fence in text:
        fence += "`"
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"
