"""dsl.TaskConfig: what is set on a task is a value for its component, and for its pod where asked for."""

from __future__ import annotations

from fixtures.steps import StepRun, python_step
from tradewind.operators.task_config import TaskSettings
from tradewind.plan.bindings import Constant, PipelineInput
from tradewind.plan.model import Container, ParameterInput, Resources
from tradewind.plan.pod_settings import PodSettings
from tradewind.plan.task_config import GROUPS, TaskConfig

SETTINGS = TaskSettings(
    environment={"A": "b"},
    resources=Resources(cpu_limit="1", accelerator_type="nvidia.com/gpu", accelerator_count="2"),
    platform={
        "env_vars": [{"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
        "node_selector": {"disk": "ssd"},
        "tolerations": [{"key": "gpu"}],
        "affinity": {"nodeAffinity": {}},
        "volumes": [{"name": "v", "emptyDir": {}}],
        "volume_mounts": [{"name": "v", "mountPath": "/v"}],
        "labels": {"team": "x"},
    },
    workspace={
        "volumes": [{"name": "w", "persistentVolumeClaim": {"claimName": "c"}}],
        "volume_mounts": [{"name": "w", "mountPath": "/kfp-workspace"}],
    },
)
ALL = frozenset(GROUPS.values())


def test_everything_can_be_passed_on_in_the_words_of_a_pod() -> None:
    assert SETTINGS.passed(TaskConfig(("c",), ALL)) == {
        "affinity": {"nodeAffinity": {}},
        "tolerations": [{"key": "gpu"}],
        "nodeSelector": {"disk": "ssd"},
        "volumes": [
            {"name": "v", "emptyDir": {}},
            {"name": "w", "persistentVolumeClaim": {"claimName": "c"}},
        ],
        "volumeMounts": [
            {"name": "v", "mountPath": "/v"},
            {"name": "w", "mountPath": "/kfp-workspace"},
        ],
        "env": [
            {"name": "A", "value": "b"},
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        ],
        "resources": {"limits": {"cpu": "1", "nvidia.com/gpu": "2"}},
    }
    nothing = SETTINGS.passed(TaskConfig(("c",)))
    assert set(nothing.values()) == {None}
    assert len(nothing) == 7


def test_what_is_withheld_does_not_hold_for_the_pod() -> None:
    assert SETTINGS.applied(None) == SETTINGS.applied(TaskConfig(("c",), ALL)) == SETTINGS
    own = SETTINGS.applied(TaskConfig(("c",), ALL, ALL))
    assert own == TaskSettings({}, Resources(), {"labels": {"team": "x"}}, {})
    some = SETTINGS.applied(TaskConfig(("c",), ALL, frozenset({"env"})))
    assert (some.environment, some.workspace) == ({}, SETTINGS.workspace)
    assert "env_vars" not in some.platform
    assert some.platform["tolerations"] == [{"key": "gpu"}]


def test_a_component_gets_its_tasks_settings(on_cluster: str) -> None:
    source = (
        "def work(config: dsl.TaskConfig, gpus: str) -> str:\n"
        "    import os\n"
        "    return repr([config.resources, config.env, config.tolerations, config.volumes,\n"
        "                 os.environ.get('HERE'), os.environ.get('KFP_POD')])\n"
    )
    step = python_step(
        source,
        parameters={
            "config": ParameterInput("STRUCT", optional=True),
            "gpus": ParameterInput("STRING", PipelineInput("gpus")),
        },
        container=Container(
            "python:3.11",
            env=(("HERE", "x"),),
            resources=Resources(
                accelerator_type="example.com/gpu", accelerator_count="{{$.inputs.parameters['gpus']}}"
            ),
        ),
        platform=PodSettings(
            tolerations=(Constant({"key": "gpu"}),), field_variables=(("KFP_POD", "metadata.name"),)
        ),
        task_config=TaskConfig(
            ("config",), frozenset({"resources", "env", "tolerations"}), frozenset({"resources", "env"})
        ),
    )
    # The embedded cluster has no such resource: the pod would not be scheduled if it asked for it.
    run = StepRun(step)
    run.start = {**run.start, "parameters": {"gpus": 8}}
    given = run.execute()["parameters"]["Output"]
    env = [
        {"name": "HERE", "value": "x"},
        {"name": "KFP_POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    limits = {"limits": {"example.com/gpu": "8"}}
    assert given == repr([limits, env, [{"key": "gpu"}], None, None, None])
