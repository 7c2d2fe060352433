"""The task that is sent to a step's pod, and the result that comes back. See docs/protocol.md."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from tradewind.errors import FatalError, RetryableError
from tradewind.operators.configuration import Configuration
from tradewind.operators.helper import helper_image, moves_artifacts
from tradewind.operators.inputs import StepInputs
from tradewind.operators.request import PodOutcome
from tradewind.operators.storage import Places
from tradewind.operators.task_config import TaskSettings
from tradewind.plan import executor_input, resolve
from tradewind.plan.executor_input import unread_inputs
from tradewind.plan.model import Command, PythonFunction, Resources, Step
from tradewind.plan.resources import image_problem, resource_problems

__all__ = ["PodTask", "read_message", "step_result"]

PROTOCOL = 1


@dataclass(frozen=True, slots=True)
class PodTask:
    """A step try, ready for a container.

    Attributes:
        command: argv of the container.
        environment: the component's variables, placeholders resolved.
        image, resources: the same.
        helper: image of the init container that brings Python along; None: there is none.
        plain: the container runs the component's command as it is.
        platform, workspace: of what was given, what holds for this pod and is not only passed on.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    image: str
    resources: Resources
    plain: bool
    helper: str | None
    platform: Mapping[str, Any]
    workspace: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        step: Step,
        inputs: StepInputs,
        places: Places,
        context: Mapping[str, str],
        settings: Configuration,
        platform: Mapping[str, Any] | None = None,
        workspace: Mapping[str, Any] | None = None,
    ) -> PodTask:
        """Describe a step for its pod.

        Args:
            context: values of KFP's constant placeholders.
            platform: kfp-kubernetes' settings, see `tradewind.operators.platform`.
            workspace: pod arguments that mount the run's workspace.

        Raises:
            FatalError: an input is missing or does not fit, a placeholder has no value, or the task is too
                large.
        """
        if step.container is None:
            raise FatalError(f"step {step.id!r} has no container")
        described = executor_input(step, inputs.parameters, inputs.artifacts, places.outputs.__getitem__)
        for name in places.models:
            for artifact in described["outputs"]["artifacts"][name]["artifacts"]:
                artifact["tree"] = True
        defaults = {
            name: declared.default for name, declared in step.parameters.items() if declared.has_default
        }

        def filled(text: str) -> str:
            return resolve(text, described, context, defaults=defaults)

        of_task = TaskSettings(
            environment=_environment(step, filled),
            resources=_resources(step, filled),
            platform=platform or {},
            workspace=workspace or {},
        )
        if step.task_config is not None:
            value = of_task.passed(step.task_config)
            described["inputs"]["parameterValues"] |= dict.fromkeys(step.task_config.inputs, value)
        of_task = of_task.applied(step.task_config)
        task: dict[str, Any] = {
            "protocol": PROTOCOL,
            "executor_input": described,
            "output_types": {name: output.type for name, output in step.output_parameters.items()},
            "result_uri": places.result,
            "store_timeout_seconds": settings.store_timeout_seconds,
        }
        image = _image(step, filled(step.container.image))
        helper = helper_image(step, image, settings)
        if isinstance(step.action, PythonFunction):
            command, plain = _python(step.action, task), False
        elif isinstance(step.action, Command):
            text = [*step.action.command, *step.action.args]
            argv = resolve(text, described, context, defaults=defaults)
            for name in unread_inputs(step) & described["inputs"]["artifacts"].keys():
                for artifact in described["inputs"]["artifacts"][name]["artifacts"]:
                    artifact["unread"] = True
            command, plain = _command(step, argv, task, helper is not None)
        else:
            raise FatalError(f"step {step.id!r} needs no pod")
        return cls(
            command=tuple(command),
            environment=of_task.environment,
            image=image,
            resources=of_task.resources,
            plain=plain,
            helper=helper,
            platform=of_task.platform,
            workspace=of_task.workspace,
        )


def _image(step: Step, image: str) -> str:
    """Check an image that the run has chosen."""
    assert step.container is not None
    problem = image_problem(image) if image != step.container.image else ""
    if problem:
        raise FatalError(f"step {step.id!r}: {problem}", remedy="See where the pipeline takes it from.")
    return image


def _resources(step: Step, filled: Callable[[str], str]) -> Resources:
    """Return requests and limits; a setting whose value is null is not set."""
    assert step.container is not None
    found = {}
    for item in fields(Resources):
        template = getattr(step.container.resources, item.name)
        value = filled(template).strip()
        found[item.name] = "" if value == "null" and template != value else value
    resources = Resources(**found)
    problems = [f"step {step.id!r}: {problem}" for problem in resource_problems(resources)]
    if problems:
        raise FatalError("\n".join(problems), remedy="See where the pipeline takes it from.")
    return resources


def _python(action: PythonFunction, task: dict[str, Any]) -> list[str]:
    from tradewind.runtime.shipping import container_command

    task |= {
        "kind": "python",
        "function": action.function,
        "source": action.source,
        "module": action.module,
        "packages": list(action.packages),
        "pip": {
            "index_urls": list(action.pip_index_urls),
            "trusted_hosts": list(action.pip_trusted_hosts),
        },
        "command": [],
    }
    return _shipped(container_command, task)


def _command(step: Step, argv: list[str], task: dict[str, Any], helped: bool) -> tuple[list[str], bool]:
    from tradewind.runtime.shipping import helper_command, plain_command, sh_command

    plain = not (step.output_parameters or moves_artifacts(step))
    pack = plain_command if plain else helper_command if helped else sh_command
    return _shipped(pack, task | {"kind": "command", "command": argv}), plain


def _shipped(pack: Callable[[dict[str, Any]], list[str]], task: dict[str, Any]) -> list[str]:
    try:
        return pack(task)
    except (RuntimeError, ValueError) as error:
        raise FatalError(str(error)) from None


def _environment(step: Step, filled: Callable[[str], str]) -> dict[str, str]:
    from tradewind.runtime.shipping import check_argument

    assert step.container is not None
    found = {}
    for name, template in step.container.env:
        value = filled(template)
        try:
            check_argument(f"step {step.id!r}: variable {name!r}", f"{name}={value}")
        except ValueError as error:
            raise FatalError(str(error)) from None
        found[name] = _literal(template, value)
    return found


def _literal(template: str, value: str) -> str:
    """Keep Kubernetes from expanding $(VAR) in a variable that holds values of the run."""
    return value if value == template else _dollars(value)


def _dollars(text: str) -> str:
    return text.replace("$", "$$")  # what Kubernetes takes for one, and leaves the rest alone


def read_message(message: str) -> dict[str, Any] | None:
    """Return the runtime's report in a termination message as it is, None when it holds none."""
    try:
        report = json.loads(message)
    except ValueError:
        return None
    return report if isinstance(report, dict) and isinstance(report.get("ok"), bool) else None


def step_result(step: Step, outcome: PodOutcome, fetch: Callable[[str], bytes]) -> dict[str, Any]:
    """Return a step's outputs as `parameters` and `artifacts` (docs/architecture.md).

    Args:
        outcome: of a pod that succeeded; the message of a plain command is empty.
        fetch: reads an object of the artifact store.

    Raises:
        FatalError: this is no result, or an output is missing in it or is of the wrong type.
        RetryableError: a result that was kept in the store cannot be read.
    """
    from tradewind.cluster.ends import unusable
    from tradewind.runtime.failures import OutputError
    from tradewind.runtime.shipping import ResultError, parse_result

    if not outcome.message.strip():
        return {"parameters": {}, "artifacts": {}}
    types = {name: output.type for name, output in step.output_parameters.items()}
    try:
        report = parse_result(outcome.message, fetch, dict(types))
        missing = sorted(set(types) - set(report["parameters"]))
        if missing:
            raise OutputError(f"There is no value for {', '.join(missing)}")
    except OutputError as error:
        raise unusable(outcome.end, "output", error).error(outcome.pod) from None
    except ResultError as error:
        raise unusable(outcome.end, "protocol", error).error(outcome.pod) from None
    except FileNotFoundError as error:
        raise RetryableError(
            f"the result of step {step.id!r} is not where the pod put it: {error}"
        ) from error
    return {"parameters": report["parameters"], "artifacts": report["artifacts"]}
