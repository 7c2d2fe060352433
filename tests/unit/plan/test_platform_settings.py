"""The second document: what of it becomes a step's settings, and what of it is refused, by place."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml

from tradewind import ir, plan
from tradewind.errors import InvalidPipelineError
from tradewind.plan.bindings import Constant, PipelineInput, StepParameter
from tradewind.plan.model import CreateVolume
from tradewind.plan.pod_settings import Claim, KeyVariables, Mount, PodSettings, Scratch, StoredFiles

TASKS = """
pipelineInfo: {name: settings}
schemaVersion: 2.1.0
root:
  inputDefinitions:
    parameters:
      secret: {parameterType: STRING, defaultValue: s}
  dag:
    tasks:
      first: {taskInfo: {name: first}, componentRef: {name: comp-first}}
      scope:
        taskInfo: {name: scope}
        componentRef: {name: comp-scope}
        dependentTasks: [first]
        inputs:
          parameters:
            pipelinechannel--secret: {componentInputParameter: secret}
            pipelinechannel--first-Output:
              taskOutputParameter: {producerTask: first, outputParameterKey: Output}
components:
  comp-first:
    executorLabel: exec-first
    outputDefinitions: {parameters: {Output: {parameterType: STRING}}}
  comp-inner: {executorLabel: exec-inner}
  comp-scope:
    inputDefinitions:
      parameters:
        pipelinechannel--secret: {parameterType: STRING}
        pipelinechannel--first-Output: {parameterType: STRING}
    dag:
      tasks:
        inner: {taskInfo: {name: inner}, componentRef: {name: comp-inner}}
deploymentSpec:
  executors:
    exec-first: {container: {image: busybox, command: ["true"]}}
    exec-inner: {container: {image: busybox, command: ["true"]}}
"""


def loaded(executors: dict[str, Any], text: str = TASKS) -> ir.Pipeline:
    platform = {"platforms": {"kubernetes": {"deploymentSpec": {"executors": executors}}}}
    return ir.load(f"{text}\n---\n{yaml.safe_dump(platform)}")


def settings_of(content: dict[str, Any], label: str = "exec-inner", step: str = "scope.inner") -> PodSettings:
    found = plan.build(loaded({label: content})).steps[step].platform
    assert found is not None
    return found


def problems_of(content: dict[str, Any], label: str = "exec-first") -> list[str]:
    with pytest.raises(InvalidPipelineError) as caught:
        plan.build(loaded({label: content}))
    prefix = "$platform.platforms.kubernetes.deploymentSpec.executors."
    assert all(problem.place.startswith(prefix) for problem in caught.value.problems)
    return [str(problem).removeprefix(prefix) for problem in caught.value.problems]


def test_names_from_outside_as_older_sdks_wrote_them() -> None:
    found = settings_of(
        {
            "secretAsEnv": [
                {
                    "secretNameParameter": {"componentInputParameter": "secret"},
                    "keyToEnv": [{"secretKey": "user", "envVar": "WHO"}],
                }
            ],
            "pvcMount": [
                {
                    "mountPath": "/data",
                    "taskOutputParameter": {"producerTask": "first", "outputParameterKey": "Output"},
                }
            ],
        }
    )
    assert found.variables == (KeyVariables("secret", PipelineInput("secret"), (("WHO", "user"),)),)
    assert found.mounts == (Mount("/data", Claim(StepParameter("first", "Output"))),)


def test_constants_as_older_sdks_wrote_them() -> None:
    found = settings_of(
        {
            "secretAsVolume": [{"secretName": "a", "mountPath": "/a", "optional": True}],
            "configMapAsVolume": [{"configMapName": "b", "mountPath": "/b"}],
            "imagePullSecret": [{"secretName": "c"}],
            "pvcMount": [{"mountPath": "/d", "constant": "d"}],
        }
    )
    assert [mount.volume for mount in found.mounts] == [
        StoredFiles("secret", Constant("a"), optional=True),
        StoredFiles("config_map", Constant("b")),
        Claim(Constant("d")),
    ]
    assert found.image_pull_secrets == (Constant("c"),)


def test_what_the_sdk_has_no_function_for() -> None:
    term = {
        "matchPodLabels": {"app": "x"},
        "matchPodExpressions": [{"key": "tier", "operator": "Exists"}],
        "topologyKey": "zone",
    }
    found = settings_of(
        {
            "enabledSharedMemory": {"size": "1Gi"},
            "podAffinity": [
                {**term, "namespaces": ["n"]},
                {**term, "anti": True, "weight": 5, "matchNamespaceLabels": {"a": "b"}},
            ],
        }
    )
    assert found.mounts == (Mount("/dev/shm", Scratch("shm", "Memory", "1Gi")),)
    pods = {
        "labelSelector": {
            "matchLabels": {"app": "x"},
            "matchExpressions": [{"key": "tier", "operator": "Exists"}],
        },
        "topologyKey": "zone",
    }
    anti = {**pods, "namespaceSelector": {"matchLabels": {"a": "b"}}}
    assert found.pod_affinity == {
        "podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{**pods, "namespaces": ["n"]}]},
        "podAntiAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 5, "podAffinityTerm": anti}]
        },
    }


def test_a_value_of_another_step_is_waited_for() -> None:
    task = "first: {taskInfo: {name: first}, componentRef: {name: comp-first}}"
    beside = "second: {taskInfo: {name: second}, componentRef: {name: comp-second}}"
    component = "  comp-second: {executorLabel: exec-second}\n  comp-inner:"
    executor = '    exec-second: {container: {image: busybox, command: ["true"]}}\n    exec-inner:'
    text = TASKS.replace(task, f"{task}\n      {beside}")
    text = text.replace("  comp-inner:", component, 1).replace("    exec-inner:", executor, 1)
    reference = {"taskOutputParameter": {"producerTask": "first", "outputParameterKey": "Output"}}
    content = {"secretAsVolume": [{"secretNameParameter": reference, "mountPath": "/s"}]}
    step = plan.build(loaded({"exec-second": content}, text)).steps["second"]
    assert step.upstream == ("first",)
    assert step.parameters == {}


def test_unknown_and_wrong_fields_are_refused_by_place() -> None:
    found = problems_of(
        {
            "secretAsEnv": [{"secretName": "a", "keyToEnv": [{"secretKey": "a", "envvar": "B"}]}],
            "priority": 5,
            "podMetadata": {"labels": {"a": 5}},
        }
    )
    assert sorted(re.sub(r" \((did|known).*", "", problem) for problem in found) == [
        "exec-first.podMetadata.labels.a: must be text, but is the number 5 (put it in quotes)",
        "exec-first.priority: unknown field of KubernetesExecutorConfig",
        "exec-first.secretAsEnv[0].keyToEnv[0].envvar: unknown field of SecretKeyToEnvMap",
    ]


def test_settings_that_make_no_sense_are_refused_by_place() -> None:
    assert problems_of(
        {
            "secretAsVolume": [{"mountPath": "data"}],
            "configMapAsEnv": [{"configMapName": "a", "keyToEnv": [{"configMapKey": "a"}]}],
            "podAffinity": [{"matchPodLabels": {"a": "b"}}],
            "imagePullPolicy": "Sometimes",
            "activeDeadlineSeconds": "-5",
        }
    ) == [
        "exec-first.secretAsVolume[0].mountPath: 'data' is not an absolute path",
        "exec-first.configMapAsEnv[0].keyToEnv: a variable has no name",
        "exec-first.podAffinity[0].topologyKey: is missing",
        "exec-first.imagePullPolicy: there is no policy 'Sometimes' (use Always, IfNotPresent or Never)",
        "exec-first.activeDeadlineSeconds: is not from 0 to 2147483647 seconds",
        "exec-first.secretAsVolume[0].secretName: says no name"
        " (give a constant, an input or a task's output)",
    ]


def test_references_to_what_there_is_not() -> None:
    def reference(producer: str, key: str) -> dict[str, Any]:
        return {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}

    assert problems_of(
        {
            "imagePullSecret": [
                {"secretNameParameter": {"componentInputParameter": "nothing"}},
                {"secretNameParameter": reference("nobody", "Output")},
                {"secretNameParameter": reference("first", "Other")},
            ]
        }
    ) == [
        "exec-first.imagePullSecret[0].secretNameParameter: the pipeline around task 'first' has no input"
        " parameter 'nothing'",
        "exec-first.imagePullSecret[1].secretNameParameter: beside task 'first' is no task 'nobody'",
        "exec-first.imagePullSecret[2].secretNameParameter: task 'first' has no output parameter 'Other'",
    ]


def test_settings_of_an_executor_that_there_is_not() -> None:
    assert problems_of({}, "exec-none") == [
        "exec-none: there is no executor 'exec-none' (see $.deploymentSpec.executors)"
    ]


def test_claims_need_no_command_and_no_container() -> None:
    text = TASKS.replace(
        '{container: {image: busybox, command: ["true"]}}', "{container: {image: argostub/createpvc}}", 1
    )
    step = plan.build(loaded({}, text)).steps["first"]
    assert (step.action, step.container) == (CreateVolume(), None)


def test_settings_for_a_pod_that_there_is_not() -> None:
    for executor in ("container: {image: argostub/deletepvc}", "importer: {artifactUri: {constant: 'a:/b'}}"):
        before = 'exec-first: {container: {image: busybox, command: ["true"]}}'
        text = TASKS.replace(before, f"exec-first: {{{executor}}}")
        with pytest.raises(InvalidPipelineError, match="settings for a pod, but this executor starts none"):
            plan.build(loaded({"exec-first": {"activeDeadlineSeconds": "5"}}, text))
