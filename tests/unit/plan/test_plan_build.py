"""From a pipeline to what will run: order, dependencies, and where each value comes from."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.plan_runs import OUTSIDE, PlanRun
from tradewind import ir, plan
from tradewind.errors import InvalidPipelineError
from tradewind.plan import (
    Cache,
    Constant,
    Importer,
    PipelineInput,
    Plan,
    Resources,
    Retry,
    StepArtifact,
    StepParameter,
    Template,
)

DATA = Path(__file__).parent / "data"


@pytest.fixture(scope="module")
def wiring() -> Plan:
    """Compiled by KFP's SDK: values go through a sub-pipeline, into longer strings, image and resources."""
    return plan.build(ir.load(DATA / "wiring_sdk_2.17.0.yaml"))


# --- what the SDK compiles ---


def test_steps_are_in_topological_order_and_named_by_their_path(wiring: Plan) -> None:
    assert list(wiring.steps) == ["add", "sub-pipe.add", "cc", "ident", "importer", "importer-2"]
    seen: set[str] = set()
    for step in wiring.steps.values():
        assert set(step.upstream) <= seen
        seen.add(step.id)
    assert wiring.steps["sub-pipe.add"].scope == "sub-pipe"
    assert list(wiring.scopes) == ["sub-pipe"]


def test_who_waits_for_a_sub_pipeline_waits_for_its_last_step(wiring: Plan) -> None:
    assert wiring.steps["cc"].upstream == ("add", "sub-pipe.add")


def test_values_are_traced_through_scopes(wiring: Plan) -> None:
    inner = wiring.steps["sub-pipe.add"].parameters
    assert inner["x"].binding == Constant(3)  # the sub-pipeline's default, a whole number again
    assert inner["y"].binding == Template(
        "hello {{$.inputs.parameters['pipelinechannel--t']}} {{$.pipeline_job_name}}",
        {
            "pipelinechannel--t": Template(
                "pre {{$.inputs.parameters['pipelinechannel--name']}} post",
                {"pipelinechannel--name": PipelineInput("name")},
            )
        },
    )
    assert wiring.outputs == {"Output": StepParameter("sub-pipe.add", "Output")}
    assert wiring.steps["cc"].artifacts["m"].binding == StepArtifact("add", "model")


def test_a_template_is_filled_in_by_evaluate(wiring: Plan) -> None:
    binding = wiring.steps["sub-pipe.add"].parameters["y"].binding
    assert binding is not None
    name = "{{$.inputs.parameters['pipelinechannel--name']}} {{$.pipeline_job_name}}"  # data, never resolved
    run = PlanRun(wiring, {"name": name}, {"pipeline_job_name": "j"})
    filled = plan.evaluate(binding, run, {})
    assert filled == f"hello pre {name} post j"
    binding = wiring.steps["ident"].parameters["d"].binding
    assert binding is not None
    assert plan.steps_of(binding) == {"cc"}
    run = PlanRun(wiring, {"name": "n"})
    run.outputs["cc", OUTSIDE] = {"out": [1, 2]}
    assert plan.evaluate(binding, run, {}) == {"a": "n", "b": [[1, 2], 3]}


def test_defaults_of_a_component_stay_its_own(wiring: Plan) -> None:
    optional = wiring.steps["ident"].parameters["l"]
    assert (optional.binding, optional.default, optional.has_default) == (None, [1], True)
    assert wiring.steps["cc"].parameters["opt"].binding is None
    assert not wiring.steps["cc"].parameters["opt"].has_default


def test_only_inputs_that_the_container_needs_are_added_to_a_step(wiring: Plan) -> None:
    step = wiring.steps["add"]
    assert list(step.parameters) == ["x", "y", "pipelinechannel--cpu", "pipelinechannel--img"]
    assert step.container is not None
    assert step.container.image == "{{$.inputs.parameters['pipelinechannel--img']}}"
    assert step.container.env == (("B", "yes"),)
    assert step.container.resources == Resources(
        cpu_limit="{{$.inputs.parameters['pipelinechannel--cpu']}}",
        memory_request="1G",
        accelerator_type="nvidia.com/gpu",
        accelerator_count="1",
    )


def test_options_of_a_task(wiring: Plan) -> None:
    step = wiring.steps["cc"]
    assert step.display_name == "Fancy"
    assert step.retry == Retry(
        max_count=3, backoff_seconds=30.0, backoff_factor=2.0, backoff_max_seconds=3600.0
    )
    assert step.cache == Cache(enabled=True, key="kk")
    assert wiring.steps["add"].retry is None


def test_importers(wiring: Plan) -> None:
    first, second = wiring.steps["importer"], wiring.steps["importer-2"]
    assert first.container is None
    assert first.action == Importer(
        uri=Constant("gs://x/y"),
        schema_title="system.Dataset",
        metadata={
            "k": "{{$.inputs.parameters['metadata']}}",
            "z": {"q": "{{$.inputs.parameters['metadata-2']}}"},
        },
        reimport=True,
    )
    assert isinstance(second.action, Importer)
    assert second.action.uri == StepParameter("cc", "out")
    assert second.upstream == ("cc",)


def test_pipeline_parameters(wiring: Plan) -> None:
    assert list(wiring.parameters) == ["cpu", "img", "n", "name"]
    assert wiring.parameters["n"].type == "NUMBER_INTEGER"
    assert wiring.parameters["n"].description == "number of rows"
    assert not wiring.parameters["n"].has_default
    assert wiring.parameters["name"].default == "world"


def test_a_plan_is_the_same_every_time() -> None:
    text = (DATA / "wiring_sdk_2.17.0.yaml").read_text()
    first, second = (plan.build(ir.loads(text)) for _ in range(2))
    assert first == second
    assert repr(first) == repr(second)


# --- small hand-written ones ---


def component(inputs: dict[str, Any] | None = None, outputs: dict[str, str] | None = None) -> dict[str, Any]:
    return {
        "executorLabel": "exec-any",
        "inputDefinitions": {"parameters": inputs or {}},
        "outputDefinitions": {
            "parameters": {name: {"parameterType": kind} for name, kind in (outputs or {}).items()}
        },
    }


def task(name: str, *after: str, **parameters: Any) -> dict[str, Any]:
    return {
        "componentRef": {"name": name},
        "dependentTasks": list(after),
        "inputs": {"parameters": parameters},
        "cachingOptions": {"enableCache": True},
    }


def dag(outputs: dict[str, tuple[str, str]] | None = None, **tasks: Any) -> dict[str, Any]:
    selected = {
        name: {"valueFromParameter": {"producerSubtask": producer, "outputParameterKey": key}}
        for name, (producer, key) in (outputs or {}).items()
    }
    return {"tasks": tasks, "outputs": {"parameters": selected}}


def build(root: dict[str, Any], components: dict[str, Any], container: dict[str, Any] | None = None) -> Plan:
    executor = {"container": {"image": "alpine", "command": ["true"], **(container or {})}}
    content = {
        "pipelineInfo": {"name": "small"},
        "schemaVersion": "2.1.0",
        "components": components,
        "deploymentSpec": {"executors": {"exec-any": executor}},
        "root": {"dag": root},
    }
    return plan.build(ir.loads(json.dumps(content)))


INTEGER = {"parameterType": "NUMBER_INTEGER"}


def test_a_sub_pipeline_waits_as_one_and_is_waited_for_as_one() -> None:
    two = {"dag": dag(a=task("step"), b=task("step", "a"), c=task("step"))}
    outer = {"dag": dag(in1=task("two"), z=task("step", "in1"))}
    made = build(
        dag(first=task("step"), sub=task("outer", "first"), last=task("step", "sub")),
        {"step": component(), "two": two, "outer": outer},
    )
    waits = {step.id: step.upstream for step in made.steps.values()}
    assert waits == {
        "first": (),
        "sub.in1.a": ("first",),
        "sub.in1.b": ("sub.in1.a",),
        "sub.in1.c": ("first",),
        "sub.z": ("sub.in1.b", "sub.in1.c"),
        "last": ("sub.z",),
    }
    assert {scope.id: scope.parent for scope in made.scopes.values()} == {"sub": "", "sub.in1": "sub"}


def test_data_alone_makes_a_sub_pipeline_wait() -> None:
    sub = {
        "dag": dag(a=task("step"), b=task("take", n={"componentInputParameter": "n"})),
        "inputDefinitions": {"parameters": {"n": INTEGER}},
    }
    produced = {"taskOutputParameter": {"producerTask": "give", "outputParameterKey": "out"}}
    made = build(
        dag(give=task("give"), sub=task("sub", n=produced)),
        {
            "step": component(),
            "take": component({"n": INTEGER}),
            "give": component(outputs={"out": "NUMBER_INTEGER"}),
            "sub": sub,
        },
    )
    assert made.steps["sub.a"].upstream == ("give",)  # though it takes nothing from it
    assert made.steps["sub.b"].parameters["n"].binding == StepParameter("give", "out")


def test_an_output_climbs_through_nested_pipelines() -> None:
    give = component(outputs={"out": "NUMBER_INTEGER"})
    inner = {
        "dag": dag({"o1": ("give", "out")}, give=task("give"), other=task("give")),
        "outputDefinitions": {"parameters": {"o1": INTEGER}},
    }
    outer = {
        "dag": dag({"o2": ("inner", "o1")}, inner=task("inner")),
        "outputDefinitions": {"parameters": {"o2": INTEGER}},
    }
    produced = {"taskOutputParameter": {"producerTask": "outer", "outputParameterKey": "o2"}}
    made = build(
        dag(outer=task("outer"), take=task("take", n=produced)),
        {"give": give, "inner": inner, "outer": outer, "take": component({"n": INTEGER})},
    )
    assert made.steps["take"].parameters["n"].binding == StepParameter("outer.inner.give", "out")
    # As in KFP, a value is there when the whole sub-pipeline has succeeded.
    assert made.steps["take"].upstream == ("outer.inner.give", "outer.inner.other")


def test_a_nested_pipeline_passes_on_its_default_or_null() -> None:
    inputs = {
        "given": INTEGER,
        "default": {**INTEGER, "defaultValue": 7},
        "none": {**INTEGER, "isOptional": True},
    }
    passed = {name: {"componentInputParameter": name} for name in inputs}
    take = component({name: {**INTEGER, "isOptional": True} for name in inputs})
    sub = {"dag": dag(take=task("take", **passed)), "inputDefinitions": {"parameters": inputs}}
    made = build(dag(sub=task("sub", given={"runtimeValue": {"constant": 5}})), {"take": take, "sub": sub})
    bindings = {name: declared.binding for name, declared in made.steps["sub.take"].parameters.items()}
    assert bindings == {"given": Constant(5), "default": Constant(7), "none": Constant(None)}


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        ("NUMBER_INTEGER", 5, 5),
        ("NUMBER_DOUBLE", 5, 5.0),
        ("LIST", [1, 1.5, {"a": 2}], [1, 1.5, {"a": 2}]),
        ("STRUCT", {"a": [3]}, {"a": [3]}),
        ("BOOLEAN", True, True),
        ("STRING", "5", "5"),
    ],
)
def test_numbers_are_what_they_were(kind: str, written: Any, value: Any) -> None:
    declared = {"parameterType": kind, "defaultValue": written}
    made = build(
        dag(a=task("step", v={"runtimeValue": {"constant": written}})), {"step": component({"v": declared})}
    )
    parameter = made.steps["a"].parameters["v"]
    assert parameter.binding == Constant(value)
    assert repr(parameter.binding) == repr(Constant(value))
    assert repr(parameter.default) == repr(value)


def test_resources_of_older_sdks() -> None:
    resources = {
        "cpuLimit": 2,
        "cpuRequest": 0.5,
        "memoryLimit": 1.5,
        "memoryRequest": 1,
        "accelerator": {"type": "nvidia.com/gpu", "count": "2"},
    }
    made = build(dag(a=task("step")), {"step": component()}, {"resources": resources})
    assert made.steps["a"].container is not None
    assert made.steps["a"].container.resources == Resources("0.5", "2", "1G", "1.5G", "nvidia.com/gpu", "2")


def test_the_same_component_twice_and_natural_order() -> None:
    tasks = {f"step-{index}": task("step") for index in (10, 9, 2, 1)}
    made = build(dag(**tasks), {"step": component()})
    assert list(made.steps) == ["step-1", "step-2", "step-9", "step-10"]


# --- what cannot be run ---


def test_unknown_platform_settings_are_refused_by_name() -> None:
    text = (DATA / "wiring_sdk_2.17.0.yaml").read_text()
    platform = {
        "platforms": {
            "kubernetes": {
                "deploymentSpec": {"executors": {"exec-cc": {"imagePullPolicies": "Always"}, "exec-add": {}}},
            }
        }
    }
    with pytest.raises(InvalidPipelineError) as error:
        plan.build(ir.loads(f"{text}---\n{yaml.safe_dump(platform)}"))
    assert [problem.place for problem in error.value.problems] == [
        "$platform.platforms.kubernetes.deploymentSpec.executors.exec-cc.imagePullPolicies",
    ]
    platform["platforms"]["kubernetes"] = {"deploymentSpec": {"executors": {"exec-cc": {}}}}
    assert plan.build(ir.loads(f"{text}---\n{yaml.safe_dump(platform)}"))


def test_names_of_our_own_tasks_are_taken() -> None:
    with pytest.raises(InvalidPipelineError, match=r"\$\.root\.dag\.tasks\.run_start: Tradewind has a task"):
        build(dag(run_start=task("step")), {"step": component()})


def test_a_pipeline_that_nobody_validated_is_validated() -> None:
    with pytest.raises(InvalidPipelineError, match="has no name"):
        plan.build(ir.Pipeline(ir.PipelineSpec(), None, "mine"))


# --- cost ---


def test_cost_is_linear_in_the_number_of_steps() -> None:
    def seconds(steps: int) -> float:
        tasks = {"step-0": task("step", v={"runtimeValue": {"constant": 1}})}
        for index in range(1, steps):
            produced = {
                "taskOutputParameter": {"producerTask": f"step-{index - 1}", "outputParameterKey": "out"}
            }
            tasks[f"step-{index}"] = task("step", f"step-{index - 1}", v=produced)
        times = []
        for _ in range(3):
            start = time.process_time()
            made = build(dag(**tasks), {"step": component({"v": INTEGER}, {"out": "NUMBER_INTEGER"})})
            times.append(time.process_time() - start)
            assert len(made.steps) == steps
        return min(times)

    assert seconds(800) < 8 * seconds(200)
