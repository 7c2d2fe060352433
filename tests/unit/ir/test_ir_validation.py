"""What is found when the parts of a pipeline do not fit together: everything at once, each with its place."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from tradewind import ir
from tradewind.errors import InvalidPipelineError, Problem

Change = Callable[[dict[str, Any]], None]


def step(inputs: dict[str, str], outputs: dict[str, str], label: str = "exec-any") -> dict[str, Any]:
    """A component: types by name; a type with a dot in it is an artifact's."""
    return {"executorLabel": label, "inputDefinitions": types(inputs), "outputDefinitions": types(outputs)}


def types(declared: dict[str, str]) -> dict[str, Any]:
    parameters = {name: {"parameterType": kind} for name, kind in declared.items() if "." not in kind}
    titles = {name: {"artifactType": {"schemaTitle": kind}} for name, kind in declared.items() if "." in kind}
    return {"parameters": parameters, "artifacts": titles}


def task(component: str, **inputs: Any) -> dict[str, Any]:
    """A task. `("load", "rows")` is an output of another task, `"$rows"` an input of the pipeline."""
    parameters: dict[str, Any] = {}
    artifacts: dict[str, Any] = {}
    for name, value in inputs.items():
        if isinstance(value, tuple) and value[-1] == "artifact":
            artifacts[name] = {
                "taskOutputArtifact": {"producerTask": value[0], "outputArtifactKey": value[1]}
            }
        elif isinstance(value, tuple):
            parameters[name] = {
                "taskOutputParameter": {"producerTask": value[0], "outputParameterKey": value[1]}
            }
        elif isinstance(value, str) and value.startswith("$"):
            parameters[name] = {"componentInputParameter": value[1:]}
        else:
            parameters[name] = {"runtimeValue": {"constant": value}}
    return {"componentRef": {"name": component}, "inputs": {"parameters": parameters, "artifacts": artifacts}}


BASE: dict[str, Any] = {
    "pipelineInfo": {"name": "churn"},
    "schemaVersion": "2.1.0",
    "components": {
        "comp-load": step({"rows": "NUMBER_INTEGER"}, {"count": "NUMBER_INTEGER", "data": "system.Dataset"}),
        "comp-train": step(
            {"epochs": "NUMBER_INTEGER", "rate": "NUMBER_DOUBLE", "tags": "LIST", "data": "system.Dataset"},
            {"model": "system.Model", "score": "NUMBER_DOUBLE"},
        ),
        "comp-sub": {
            "inputDefinitions": types({"n": "NUMBER_INTEGER"}),
            "outputDefinitions": types({"out": "NUMBER_INTEGER"}),
            "dag": {
                "tasks": {"load": task("comp-load", rows="$n")},
                "outputs": {
                    "parameters": {
                        "out": {
                            "valueFromParameter": {"producerSubtask": "load", "outputParameterKey": "count"}
                        }
                    }
                },
            },
        },
    },
    "deploymentSpec": {"executors": {"exec-any": {"container": {"image": "alpine", "command": ["true"]}}}},
    "root": {
        "inputDefinitions": types({"rows": "NUMBER_INTEGER", "name": "STRING"}),
        "dag": {
            "tasks": {
                "load": task("comp-load", rows="$rows"),
                "sub": task("comp-sub", n=("load", "count")),
                "train": task(
                    "comp-train",
                    epochs=("sub", "out"),
                    rate=0.1,
                    tags=["a"],
                    data=("load", "data", "artifact"),
                ),
            }
        },
    },
}
TRAIN = "$.root.dag.tasks.train.inputs"


def problems(*changes: Change) -> list[Problem]:
    document = copy.deepcopy(BASE)
    for change in changes:
        change(document)
    with pytest.raises(InvalidPipelineError) as error:
        ir.loads(yaml.safe_dump(document))
    return list(error.value.problems)


def tasks(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["root"]["dag"]["tasks"]
    return found


def at(path: str, value: Any) -> Change:
    """Set what is at a path of keys parted by slashes; `GONE` removes it."""

    def change(document: dict[str, Any]) -> None:
        *way, last = path.split("/")
        node = document
        for key in way:
            node = node[key]
        if value is GONE:
            del node[last]
        else:
            node[last] = value

    return change


GONE = object()
TASKS = "root/dag/tasks"
GIVEN = f"{TASKS}/train/inputs/parameters"
ARTIFACTS = f"{TASKS}/train/inputs/artifacts"
LOADED = "components/comp-load/outputDefinitions/artifacts/data"
SUB_OUTPUTS = "components/comp-sub/dag/outputs/parameters"
CONTAINER = "deploymentSpec/executors/exec-any/container"
EXECUTOR = "$.deploymentSpec.executors.exec-any"


def constant(value: Any) -> dict[str, Any]:
    return {"runtimeValue": {"constant": value}}


def output(producer: str, key: str) -> dict[str, Any]:
    return {"taskOutputParameter": {"producerTask": producer, "outputParameterKey": key}}


def test_the_sound_pipeline_is_taken() -> None:
    assert ir.loads(yaml.safe_dump(BASE)).spec.pipeline_info.name == "churn"


CASES: dict[str, tuple[Change, str, str]] = {
    "no name": (at("pipelineInfo", {}), "$.pipelineInfo.name", "has no name"),
    "old schema": (at("schemaVersion", "1.0"), "$.schemaVersion", "'1.0'"),
    "unknown component": (
        at(f"{TASKS}/train/componentRef/name", "comp-trian"),
        "$.root.dag.tasks.train.componentRef.name",
        "did you mean 'comp-train'?",
    ),
    "unknown executor": (
        at("components/comp-load/executorLabel", "exec-x"),
        "$.components.comp-load.executorLabel",
        "there is no executor 'exec-x'",
    ),
    "component without content": (
        at("components/comp-load/executorLabel", GONE),
        "$.components.comp-load",
        "neither an executor nor tasks",
    ),
    "missing input": (at(f"{GIVEN}/rate", GONE), f"{TRAIN}.parameters.rate", "needs it"),
    "missing artifact": (at(f"{ARTIFACTS}/data", GONE), f"{TRAIN}.artifacts.data", "needs it"),
    "unknown input": (
        at(f"{GIVEN}/epoch", constant(1)),
        f"{TRAIN}.parameters.epoch",
        "did you mean 'epochs'?",
    ),
    "wrong type": (
        at(f"{GIVEN}/tags", {"componentInputParameter": "name"}),
        f"{TRAIN}.parameters.tags",
        "wants LIST, but is given STRING",
    ),
    "wrong constant": (
        at(f"{GIVEN}/epochs", constant("many")),
        f"{TRAIN}.parameters.epochs.runtimeValue.constant",
        "must be NUMBER_INTEGER, but is the text 'many'",
    ),
    "half a constant": (
        at(f"{GIVEN}/epochs", constant(1.5)),
        f"{TRAIN}.parameters.epochs.runtimeValue.constant",
        "must be NUMBER_INTEGER, but is the number 1.5",
    ),
    "null": (at(f"{GIVEN}/rate", constant(None)), f"{TRAIN}.parameters.rate", "is null, and not optional"),
    "no value": (at(f"{GIVEN}/rate", {}), f"{TRAIN}.parameters.rate", "has no value"),
    "unknown output": (
        at(f"{GIVEN}/epochs", output("load", "conut")),
        f"{TRAIN}.parameters.epochs",
        "did you mean 'count'?",
    ),
    "unknown producer": (
        at(f"{GIVEN}/epochs", output("laod", "count")),
        f"{TRAIN}.parameters.epochs",
        "did you mean 'load'?",
    ),
    "own output": (at(f"{GIVEN}/rate", output("train", "score")), f"{TRAIN}.parameters.rate", "own output"),
    "unknown pipeline input": (
        at(f"{TASKS}/load/inputs/parameters/rows", {"componentInputParameter": "row"}),
        "$.root.dag.tasks.load.inputs.parameters.rows",
        "did you mean 'rows'?",
    ),
    "artifact for parameter": (
        at(f"{GIVEN}/epochs", output("load", "data")),
        f"{TRAIN}.parameters.epochs",
        "output 'data' of task 'load' is no parameter",
    ),
    "parameter for artifact": (
        at(
            f"{ARTIFACTS}/rate", {"taskOutputArtifact": {"producerTask": "load", "outputArtifactKey": "data"}}
        ),
        f"{TRAIN}.artifacts.rate",
        "is a parameter of component 'comp-train', but is given an artifact",
    ),
    "wrong artifact": (
        at(f"{LOADED}/artifactType", {"schemaTitle": "system.Model"}),
        f"{TRAIN}.artifacts.data",
        "wants an artifact of type system.Dataset, but is given system.Model",
    ),
    "list of artifacts": (
        at(f"{LOADED}/isArtifactList", True),
        f"{TRAIN}.artifacts.data",
        "wants one artifact, but is given a list",
    ),
    "wrong default": (
        at("root/inputDefinitions/parameters/rows/defaultValue", "ten"),
        "$.root.inputDefinitions.parameters.rows.defaultValue",
        "must be NUMBER_INTEGER",
    ),
    "no type": (
        at("root/inputDefinitions/parameters/rows", {}),
        "$.root.inputDefinitions.parameters.rows",
        "has no parameterType",
    ),
    "unknown dependency": (
        at(f"{TASKS}/train/dependentTasks", ["sub", "lod"]),
        "$.root.dag.tasks.train.dependentTasks[1]",
        "there is no task 'lod'",
    ),
    "waits for itself": (
        at(f"{TASKS}/train/dependentTasks", ["train"]),
        "$.root.dag.tasks.train.dependentTasks[0]",
        "depends on itself",
    ),
    "no tasks": (at(TASKS, {}), "$.root.dag.tasks", "is empty"),
    "root without tasks": (at("root/dag", GONE), "$.root", "has no tasks"),
    "output of nobody": (
        at(f"{SUB_OUTPUTS}/out", GONE),
        "$.components.comp-sub.dag.outputs.parameters.out",
        "no task gives it",
    ),
    "output not declared": (
        at(
            f"{SUB_OUTPUTS}/ou",
            {"valueFromParameter": {"producerSubtask": "load", "outputParameterKey": "count"}},
        ),
        "$.components.comp-sub.dag.outputs.parameters.ou",
        "did you mean 'out'?",
    ),
    "output of an unknown task": (
        at(f"{SUB_OUTPUTS}/out/valueFromParameter/producerSubtask", "gone"),
        "$.components.comp-sub.dag.outputs.parameters.out",
        "there is no task 'gone'",
    ),
    "no image": (at(f"{CONTAINER}/image", " "), f"{EXECUTOR}.container.image", "is empty"),
    "nothing to run": (at(f"{CONTAINER}/command", []), f"{EXECUTOR}.container", "both empty"),
    "nothing to execute": (at(CONTAINER, GONE), EXECUTOR, "nothing to execute"),
    "NUL": (at(f"{CONTAINER}/command", ["a\0"]), f"{EXECUTOR}.container.command[0]", "NUL"),
    "bad variable": (
        at(f"{CONTAINER}/env", [{"name": "A=B", "value": ""}]),
        f"{EXECUTOR}.container.env[0].name",
        "'A=B' cannot name",
    ),
    "variable twice": (
        at(f"{CONTAINER}/env", [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]),
        f"{EXECUTOR}.container.env[1].name",
        "'A' is set twice",
    ),
    "bad task name": (
        at(f"{TASKS}/a.b", task("comp-sub", n=1)),
        "$.root.dag.tasks['a.b']",
        "cannot be part of an Airflow task id",
    ),
}


@pytest.mark.parametrize(("change", "place", "says"), CASES.values(), ids=CASES.keys())
def test_a_fault_is_found_with_its_place(change: Change, place: str, says: str) -> None:
    found = problems(change)
    assert [problem for problem in found if problem.place == place and says in str(problem)], found


def test_all_faults_are_found_together() -> None:
    names = ("no name", "wrong constant", "no image", "unknown executor", "no type")
    faults = [CASES[name] for name in names]
    found = problems(*[change for change, _, _ in faults])
    assert {problem.place for problem in found} >= {place for _, place, _ in faults}


def test_a_cycle_names_its_tasks() -> None:
    def turn(document: dict[str, Any]) -> None:
        tasks(document)["load"]["dependentTasks"] = ["train"]

    (problem,) = problems(turn)
    assert problem.place == "$.root.dag.tasks"
    # `sub` is on another way round; one cycle is told.
    assert "load → train → load" in problem.message or "load → sub → train → load" in problem.message


def test_a_pipeline_that_contains_itself_is_refused() -> None:
    def recurse(document: dict[str, Any]) -> None:
        inner = document["components"]["comp-sub"]["dag"]["tasks"]
        inner["again"] = task("comp-other", n="$n")
        other = copy.deepcopy(document["components"]["comp-sub"])
        other["dag"]["tasks"]["again"] = task("comp-sub", n="$n")
        document["components"]["comp-other"] = other

    (problem,) = problems(recurse)
    assert "comp-other → comp-sub → comp-other" in problem.message
    assert problem.place == "$.components.comp-other"


def test_a_small_file_with_billions_of_steps_is_refused_quickly() -> None:
    def explode(document: dict[str, Any]) -> None:
        for level in range(40):
            inner = f"comp-{level - 1}" if level else "comp-sub"
            document["components"][f"comp-{level}"] = {
                "inputDefinitions": types({"n": "NUMBER_INTEGER"}),
                "dag": {"tasks": {"left": task(inner, n="$n"), "right": task(inner, n="$n")}},
            }
        tasks(document)["all"] = task("comp-39", n=1)

    start = time.process_time()
    (problem,) = problems(explode)
    assert "at least a billion steps" in problem.message
    assert time.process_time() - start < 5


def test_an_unknown_field_hides_nothing_else() -> None:
    def spoil(document: dict[str, Any]) -> None:
        document["root"]["dag"]["taskz"] = {}
        document["deploymentSpec"]["executors"]["exec-any"]["container"]["imagePullPolicy"] = "Always"
        tasks(document)["more"] = task("comp-load", rows="many") | {"retryPolicy": {"backoffFactor": -1}}

    assert {problem.place: problem.message for problem in problems(spoil)} == {
        "$.root.dag.taskz": "unknown field of DagSpec",
        "$.deploymentSpec.executors.exec-any.container.imagePullPolicy": (
            "unknown field of PipelineContainerSpec"
        ),
        "$.root.dag.tasks.more.retryPolicy.backoffFactor": "is no number from 0 up",
        "$.root.dag.tasks.more.inputs.parameters.rows.runtimeValue.constant": (
            "must be NUMBER_INTEGER, but is the text 'many'"
        ),
    }


def test_thousands_of_faults_are_cut_short() -> None:
    def spoil(document: dict[str, Any]) -> None:
        for index in range(2000):
            tasks(document)[f"task-{index}"] = task(f"comp-{index}", x=("nobody", "nothing"))

    start = time.process_time()
    found = problems(spoil)
    assert len(found) == 201
    assert "more than these 200 problems" in found[-1].message
    assert time.process_time() - start < 10


def test_what_the_compiler_adds_to_a_task_is_no_unknown_input() -> None:
    document = copy.deepcopy(BASE)
    at(f"{GIVEN}/pipelinechannel--load-count", output("load", "count"))(document)
    at(f"{GIVEN}/cpu_limit", constant("1"))(document)
    at(f"{GIVEN}/rate", constant("{{$.inputs.parameters['pipelinechannel--load-count']}}"))(document)
    assert ir.loads(yaml.safe_dump(document))
