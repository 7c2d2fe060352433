"""Image and resources that only a run knows: they reach the pod, or are refused before there is one."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from fixtures.steps import StepRun, command_step
from tradewind.operators.configuration import configuration
from tradewind.operators.inputs import StepInputs
from tradewind.operators.storage import Places
from tradewind.operators.task import PodTask
from tradewind.plan.bindings import PipelineInput
from tradewind.plan.model import Container, ParameterInput, Resources, Step

NAMES = ("image", "cpu", "memory", "gpu", "gpus")


def placeholder(name: str) -> str:
    return f"{{{{$.inputs.parameters['{name}']}}}}"


def step() -> Step:
    return command_step(
        "true",
        parameters={name: ParameterInput("STRING", PipelineInput(name), optional=True) for name in NAMES},
        container=Container(
            f"registry.example.com/{placeholder('image')}",
            resources=Resources(
                cpu_request=placeholder("cpu"),
                memory_limit=placeholder("memory"),
                accelerator_type=placeholder("gpu"),
                accelerator_count=placeholder("gpus"),
            ),
        ),
    )


VALUES: dict[str, Any] = {
    "image": "team/job:1.2", "cpu": "500m", "memory": "1.5Gi", "gpu": "nvidia.com/gpu", "gpus": "2",
}  # fmt: skip


def test_what_the_run_says_reaches_the_pod(airflow_home: Any) -> None:
    task = PodTask.of(step(), StepInputs(VALUES, {}), Places({}, "x:/"), {}, configuration())
    assert task.image == "registry.example.com/team/job:1.2"
    assert task.resources == Resources(
        cpu_request="500m", memory_limit="1.5Gi", accelerator_type="nvidia.com/gpu", accelerator_count="2"
    )


def test_null_leaves_a_setting_out(airflow_home: Any) -> None:
    nothing = {**dict.fromkeys(NAMES), "image": "job"}
    task = PodTask.of(step(), StepInputs(nothing, {}), Places({}, "x:/"), {}, configuration())
    assert task.resources == Resources()


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("memory", "lots", "memory limit 'lots' is no quantity, such as 512Mi or 4G"),
        ("cpu", "-1", "cpu request '-1' is no quantity, such as 500m or 2"),
        ("gpu", "NVIDIA_TESLA_K80", "accelerator type 'NVIDIA_TESLA_K80' is no name of a resource"),
        ("gpus", "two", "accelerator count 'two' is no whole number"),
        ("image", "My Job", "'registry.example.com/My Job' is no name of an image"),
    ],
)
def test_what_kubernetes_would_not_take_is_said_before_there_is_a_pod(
    on_cluster: str, core_api: Any, name: str, value: str, says: str
) -> None:
    run = StepRun(step())
    run.start = {**run.start, "parameters": {**VALUES, name: value}}
    with pytest.raises(AirflowFailException) as error:
        run.execute()
    assert f"step 'work': {says}" in str(error.value)
    assert core_api.list_namespaced_pod(on_cluster).items == []
