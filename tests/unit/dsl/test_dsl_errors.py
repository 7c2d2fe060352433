"""What is wrong with a pipeline is said at compile time, all at once, with pipeline, task and argument."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from tradewind import dsl
from tradewind.errors import FatalError, InvalidPipelineError, TradewindError
from tradewind.plan import build
from tradewind.plan.bindings import Constant


@dsl.component
def train(rows: int, rate: float = 0.1, name: str | None = None) -> float:
    return rate


@dsl.component
def make() -> dsl.Dataset:
    return dsl.Dataset()


@dsl.component
def look(data: dsl.Input[dsl.Dataset], tags: list[str] = []) -> str:  # noqa: B006
    return data.uri


@dsl.component
def fit(data: dsl.Input[dsl.Model], note: dsl.Output[dsl.Markdown]) -> float:
    return 1.0


@dsl.container_component
def say(text: str) -> dsl.ContainerSpec:
    return dsl.ContainerSpec("alpine", ["echo", text])


@dsl.pipeline
def other() -> float:
    return train(rows=1).output


def problems(function: Any) -> dict[str, str]:
    """Place and message of everything that is wrong with a pipeline called churn."""
    with pytest.raises(InvalidPipelineError) as raised:
        dsl.pipeline(function, name="churn")  # type: ignore[call-overload]
    return {problem.place: problem.message for problem in raised.value.problems}


def test_all_problems_at_once_with_their_places() -> None:
    def churn(rows: int, text: str = "x"):
        train(rows=text)
        train()
        train(rows=1, speed=2)
        look(data=make().output, tags="a")
        train(rows=rows).set_cpu_limit("many").set_retry(-1)

    assert problems(churn) == {
        "pipeline 'churn', task 'train', argument 'rows'": "expects int, got str 'text'",
        "pipeline 'churn', task 'train-2', argument 'rows'": "missing argument",
        "pipeline 'churn', task 'train-3', argument 'speed'": "unknown argument",
        "pipeline 'churn', task 'look', argument 'tags'": "expects list, got str 'a'",
        "pipeline 'churn', task 'train-4', set_cpu_limit()": (
            "'many' is not a number of CPUs; write for example '2', '0.5' or '500m'"
        ),
        "pipeline 'churn', task 'train-4', set_retry()": "num_retries is a number from 0 up, not -1",
    }


def test_the_remedy_lists_the_inputs() -> None:
    def churn():
        train(row=1)

    with pytest.raises(InvalidPipelineError, match=r"it takes rows: int, rate: float, name: str"):
        dsl.pipeline(churn)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("5", "expects int, got str '5'"),
        (True, "expects int, got bool True"),
        (1.5, "expects int, got float 1.5"),
        (None, "expects int, got a NoneType"),
        ((1, 2), "expects int, got a tuple"),
        (object, "expects int, got a type"),
    ],
)
def test_constants_have_the_input_s_type(value: object, message: str) -> None:
    def churn():
        train(rows=value)

    assert problems(churn) == {"pipeline 'churn', task 'train', argument 'rows'": message}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "nan has no JSON form"),
        (float("inf"), "inf has no JSON form"),
    ],
)
def test_numbers_without_json_form(value: float, message: str) -> None:
    def churn():
        train(rows=1, rate=value)

    assert problems(churn) == {"pipeline 'churn', task 'train', argument 'rate'": message}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([{1, 2}], "a set at [0] is not a JSON value"),
        ([{"a": [b"x"]}], "a bytes at [0]['a'][0] is not a JSON value"),
        ([{1: 2}], "the key 1 at [0] is not a string"),
        (["a\0b"], "the text at [0] holds a NUL character"),
        ([{"a\0": 1}], "the text at [0]['a\\x00'] holds a NUL character"),
        (["\ud800"], "the text at [0] is not valid Unicode (half of a surrogate pair)"),
        (
            [{"id": 2**53 + 1}],
            "the integer 9007199254740993 at [0]['id'] would be rounded: the IR keeps numbers as doubles; "
            "pass it as text",
        ),
        ([2**70], "the integer at [0] needs more than 64 bits; pass it as text"),
    ],
)
def test_constants_that_are_not_json(value: list[Any], message: str) -> None:
    def churn():
        look(data=make().output, tags=value)

    assert problems(churn) == {"pipeline 'churn', task 'look', argument 'tags'": message}


@pytest.mark.parametrize("value", [2**53 + 1, -(2**63) + 1, 10**400])
def test_integers_that_would_be_rounded(value: int) -> None:
    def churn(limit: int = value): ...

    assert "the integer" in problems(churn)["pipeline 'churn', argument 'limit'"]

    def calls():
        train(rows=value)

    with pytest.raises(InvalidPipelineError, match="task 'train', argument 'rows': the integer"):
        dsl.pipeline(calls)


def test_integers_that_arrive_as_they_are() -> None:
    @dsl.pipeline
    def churn():
        train(rows=2**62)
        with dsl.ParallelFor([2**53 + 1]) as rows:
            train(rows=rows)

    plan = build(dsl.compile(churn))
    (loop,) = plan.loops.values()
    assert plan.steps["train"].parameters["rows"].binding == Constant(2**62)
    assert loop.items == Constant([2**53 + 1])


def test_text_that_cannot_be_written_is_refused_with_its_place() -> None:
    def churn():
        train(rows=1).set_display_name("a\0b").set_env_variable("A", "\ud800")

    assert problems(churn) == {
        "pipeline 'churn', task 'train', set_display_name()": "the text holds a NUL character",
        "pipeline 'churn', task 'train', environment variable 'A'": (
            "the text is not valid Unicode (half of a surrogate pair)"
        ),
    }

    def display():
        train(rows=1)

    with pytest.raises(InvalidPipelineError, match="pipeline 'display', display_name: the text is not valid"):
        dsl.pipeline(display_name="\udcff")(display)

    def image():
        train(rows=1).set_container_image("\udcff")

    with pytest.raises(InvalidPipelineError, match="pipeline 'image': a text is not valid Unicode"):
        dsl.pipeline(image)


def test_docstrings_and_images_that_cannot_be_written_are_refused_with_their_place() -> None:
    def wrong(rows: int): ...

    def fine(rows: int): ...

    wrong.__doc__ = "Args:\n    rows: how many \ud800"
    for decorator, kind in ((dsl.component, "component"), (dsl.container_component, "container component")):
        with pytest.raises(
            InvalidPipelineError, match=f"{kind} 'wrong', docstring: the text is not valid Unicode"
        ):
            decorator(wrong)
    with pytest.raises(
        InvalidPipelineError, match="component 'fine': in its image or its packages, the text"
    ):
        dsl.component(fine, base_image="\ud800")  # type: ignore[call-overload]
    with pytest.raises(
        InvalidPipelineError, match="component 'fine': in its image or its packages, the text"
    ):
        dsl.component(fine, packages_to_install=["a\0b"])  # type: ignore[call-overload]

    def contained():
        return dsl.ContainerSpec("\ud800", ["echo"])

    with pytest.raises(InvalidPipelineError, match="container component 'contained', image: the text is not"):
        dsl.container_component(contained)


def test_an_int_is_a_float_and_none_leaves_an_optional_input_out() -> None:
    @dsl.pipeline
    def churn():
        train(rows=1, rate=2, name=None)

    inputs = dsl.compile(churn).spec.root.dag.tasks["train"].inputs.parameters
    assert sorted(inputs) == ["rate", "rows"]
    assert inputs["rate"].runtime_value.constant.number_value == 2


def test_none_does_not_silently_become_a_default() -> None:
    def churn():
        train(rows=1, rate=None)

    assert problems(churn) == {
        "pipeline 'churn', task 'train', argument 'rate'": "expects float, got a NoneType"
    }


def test_outputs_of_the_wrong_type() -> None:
    def churn(text: str):
        data = make()
        fit(data=data.output)
        train(rows=data.output)
        look(data=text)
        look(data="s3://bucket/data")

    assert problems(churn) == {
        "pipeline 'churn', task 'fit', argument 'data'": (
            "expects system.Model, got system.Dataset 'make-Output'"
        ),
        "pipeline 'churn', task 'train', argument 'rows'": "expects int, got system.Dataset 'make-Output'",
        "pipeline 'churn', task 'look', argument 'data'": "expects system.Dataset, got str 'text'",
        "pipeline 'churn', task 'look-2', argument 'data'": (
            "expects system.Dataset, got a str; for artifacts that exist see dsl.importer"
        ),
    }


def test_a_task_is_not_its_output() -> None:
    def churn() -> float:
        look(data=make())
        return train(rows=1), train(rows=1)

    assert problems(churn) == {
        "pipeline 'churn', task 'look', argument 'data'": (
            "got the task 'make' itself; pass its .output or one of its .outputs[...]"
        ),
        "pipeline 'churn', return value": "is a tuple; only outputs of tasks can be returned",
    }


def test_missing_outputs_name_those_that_exist() -> None:
    def several():
        fit(data=dsl.importer("s3://m", dsl.Model).output).output  # noqa: B018

    def unknown():
        fit(data=dsl.importer("s3://m", dsl.Model).output).outputs["modle"]

    assert problems(several) == {"pipeline 'churn', task 'fit'": "has 2 outputs, so .output is not defined"}
    assert problems(unknown) == {
        "pipeline 'churn', task 'fit'": "has no output 'modle'; its outputs: note, Output"
    }


def test_positional_arguments() -> None:
    def churn():
        train(5)

    assert problems(churn) == {
        "pipeline 'churn', task 'train'": "arguments are given by keyword; 1 came without"
    }


def test_a_cycle_is_named() -> None:
    def churn():
        first, second, third = train(rows=1), train(rows=2), train(rows=3)
        second.after(first)
        third.after(second)
        first.after(third)

    ((place, message),) = problems(churn).items()
    assert place.startswith("pipeline 'churn', task 'train")
    assert message.startswith("waits for itself: ")
    assert set(message.removeprefix("waits for itself: ").split(" → ")) == {"train", "train-2", "train-3"}


def test_outputs_stay_in_their_pipeline() -> None:
    kept: list[Any] = []

    @dsl.pipeline
    def first():
        kept.append(train(rows=1))

    def churn():
        train(rows=1, rate=kept[0].output)
        train(rows=1, name=f"{kept[0].output}")
        train(rows=1).after(kept[0])

    assert problems(churn) == {
        "pipeline 'churn', task 'train', argument 'rate'": (
            "'train-Output' belongs to pipeline 'first' and stays in it"
        ),
        "pipeline 'churn', task 'train-2', argument 'name'": "holds a value of another pipeline",
        "pipeline 'churn', task 'train-3', after()": "task 'train' belongs to pipeline 'first'",
    }


def test_artifacts_cannot_be_put_into_text() -> None:
    def churn():
        train(rows=1, name=f"see {make().output}")

    assert problems(churn) == {
        "pipeline 'churn', task 'train', argument 'name'": (
            "'make-Output' is an artifact and cannot be put into text"
        )
    }


def test_return_values_need_their_annotation() -> None:
    def forgotten():
        return train(rows=1).output

    def wrong() -> int:
        return train(rows=1).output

    def nothing() -> float:
        train(rows=1)

    def own_input(rate: float) -> float:
        train(rows=1)
        return rate

    def constant() -> float:
        train(rows=1)
        return 1.0

    class Pair(NamedTuple):
        a: float
        b: dsl.Dataset

    def named() -> Pair:
        return Pair(a=train(rows=1).output, b=train(rows=1).output)

    place = "pipeline 'churn', return value"
    assert problems(forgotten) == {place: "is returned but not declared"}
    assert problems(wrong) == {place: "is declared as int, but 'train-Output' is float"}
    assert problems(nothing) == {place: "is declared but not returned"}
    assert problems(own_input) == {
        place: "'rate' is an input of the pipeline; only outputs of tasks can be returned"
    }
    assert problems(constant) == {place: "is a float; only outputs of tasks can be returned"}
    assert problems(named) == {
        "pipeline 'churn', output 'b'": "is declared as system.Dataset, but 'train-2-Output' is float"
    }


def test_settings_that_need_a_container() -> None:
    def churn():
        other().set_cpu_limit("1").set_env_variable("A", "b")
        dsl.importer("s3://m", dsl.Model).set_container_image("alpine")

    message = "is for components that run a container, not for pipelines and importers"
    assert problems(churn) == {
        "pipeline 'churn', task 'other', set_cpu_limit()": message,
        "pipeline 'churn', task 'other', set_env_variable()": message,
        "pipeline 'churn', task 'importer', set_container_image()": message,
    }


def test_environment_variables_are_constant_text() -> None:
    def churn(text: str):
        say(text="x").set_env_variable("A", text).set_env_variable("B", f"{text}").set_env_variable("C", 5)
        say(text="x").set_env_variable("A=B", "1").set_env_variable("D", "a\0b")

    with pytest.raises(InvalidPipelineError) as raised:
        dsl.pipeline(churn)
    places = [problem.place.removeprefix("pipeline 'churn', ") for problem in raised.value.problems]
    assert places == [
        "task 'say', environment variable 'A'",
        "task 'say', environment variable 'B'",
        "task 'say', environment variable 'C'",
        "task 'say-2', set_env_variable()",
        "task 'say-2', environment variable 'D'",
    ]


@pytest.mark.parametrize(
    ("method", "argument"),
    [
        ("set_memory_limit", "4 GB"),
        ("set_memory_request", "-1"),
        ("set_cpu_request", ""),
        ("set_accelerator_limit", "one"),
        ("set_accelerator_limit", -1),
    ],
)
def test_resources_are_quantities(method: str, argument: object) -> None:
    def churn():
        getattr(train(rows=1), method)(argument)

    assert list(problems(churn)) == [f"pipeline 'churn', task 'train', {method}()"]


def test_a_request_is_not_above_its_limit() -> None:
    def churn(memory: str = "1G"):
        train(rows=1).set_memory_request("4G").set_memory_limit("2G")
        train(rows=1).set_cpu_limit("500m").set_cpu_request("1")
        train(rows=1).set_memory_request("4G").set_memory_limit(memory)

    assert problems(churn) == {
        "pipeline 'churn', task 'train', resources": "the memory request '4G' is above the limit '2G'",
        "pipeline 'churn', task 'train-2', resources": "the cpu request '1' is above the limit '500m'",
    }


@pytest.mark.parametrize("factor", [-1, float("nan"), float("inf"), "2"])
def test_waits_between_tries_grow(factor: Any) -> None:
    def churn():
        train(rows=1).set_retry(2, backoff_factor=factor)

    said = f"backoff_factor is a number from 0 up, not {factor!r}"
    assert problems(churn) == {"pipeline 'churn', task 'train', set_retry()": said}


def test_python_s_own_control_flow_is_refused_with_its_line() -> None:
    def branching():
        if train(rows=1).output == 1:
            train(rows=2)

    def asking(rows: int):
        assert rows

    def looping():
        for _ in train(rows=1).output:
            pass

    for function, offset, said in (
        (branching, 1, "a comparison with 'train-Output' has no truth value"),
        (asking, 1, "'rows' has no truth value"),
        (looping, 1, "'train-Output' cannot be looped over"),
    ):
        line = function.__code__.co_firstlineno + offset
        (place,) = problems(function)
        assert place == f"pipeline 'churn', test_dsl_errors.py, line {line}"
        assert said in problems(function)[place]


def test_names_and_keys_are_constant() -> None:
    def churn(text: str):
        train(rows=1).set_display_name(text).set_caching_options(True, cache_key=f"{text}")

    assert problems(churn) == {
        "pipeline 'churn', task 'train', set_display_name()": "expects constant text",
        "pipeline 'churn', task 'train', set_caching_options()": "expects constant text",
    }


def test_ignoring_failures_needs_defaults() -> None:
    def churn():
        look(data=make().output).ignore_upstream_failure()

    assert problems(churn) == {
        "pipeline 'churn', task 'look', argument 'data'": (
            "has no default, but task 'make' may fail before it makes a value"
        )
    }


def test_final_status_is_for_tasks_that_ignore_failures() -> None:
    @dsl.component
    def report(status: dsl.PipelineTaskFinalStatus):
        print(status.state)

    def churn():
        first = train(rows=1)
        report().after(first)
        report(status="x").after(first).ignore_upstream_failure()
        report().ignore_upstream_failure()

    assert problems(churn) == {
        "pipeline 'churn', task 'report', argument 'status'": (
            "is a PipelineTaskFinalStatus, which only exit tasks get"
        ),
        "pipeline 'churn', task 'report-2', argument 'status'": (
            "is filled in by the backend and cannot be given"
        ),
        "pipeline 'churn', task 'report-3', argument 'status'": (
            "needs exactly one task to wait for; there are: none"
        ),
    }


def test_python_control_flow_on_values_of_a_run() -> None:
    def condition(rows: int):
        if rows > 5:
            train(rows=rows)

    def truth(rows: int):
        train(rows=rows or 5)

    def loop(names: list):
        for name in names:
            train(rows=1, name=name)

    for function in (condition, truth):
        with pytest.raises(FatalError, match=r"dsl\.If"):
            dsl.pipeline(function)
    with pytest.raises(FatalError, match=r"dsl\.ParallelFor"):
        dsl.pipeline(loop)


def test_the_workspace_has_to_be_configured() -> None:
    def churn():
        train(rows=1, name=dsl.WORKSPACE_PATH_PLACEHOLDER)
        train(rows=1, name="/kfp-workspace/x")

    message = "uses the workspace, but the pipeline has none"
    assert problems(churn) == {f"pipeline 'churn', task '{name}'": message for name in ("train", "train-2")}


def test_a_component_that_passes_settings_on_names_all_that_are_set() -> None:
    @dsl.component(task_config_passthroughs=[dsl.TaskConfigField.ENV])
    def launch(settings: dsl.TaskConfig):
        print(settings)

    def churn():
        launch().set_env_variable("A", "b").set_cpu_limit("1")
        train(rows=1).set_cpu_limit("1")

    assert problems(churn) == {
        "pipeline 'churn', task 'launch'": (
            "has settings of the group RESOURCES, which its component does not pass on"
        )
    }


def test_a_pipeline_has_tasks_and_a_usable_name() -> None:
    def churn():
        pass

    assert problems(churn) == {"pipeline 'churn'": "has no tasks"}
    with pytest.raises(InvalidPipelineError, match="this name is not allowed"):
        dsl.pipeline(churn, name="é" * 200 + "ü")  # type: ignore[call-overload]
    with pytest.raises(InvalidPipelineError, match="up to 128"):
        dsl.pipeline(churn, name="a" * 129)  # type: ignore[call-overload]


def test_errors_of_the_function_itself_pass_unless_they_follow_from_problems() -> None:
    def broken():
        train(rows=1)
        raise KeyError("mine")

    def broken_after_problem():
        train(rows="x")
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        dsl.pipeline(broken)
    assert problems(broken_after_problem) == {
        "pipeline 'churn', task 'train', argument 'rows'": "expects int, got str 'x'"
    }


def test_after_a_failure_the_next_pipeline_is_not_affected() -> None:
    def churn():
        train(rows="x")

    problems(churn)
    with pytest.raises(FatalError, match="outside of a pipeline"):
        train(rows=1)


def test_components_are_called_in_pipelines() -> None:
    with pytest.raises(FatalError, match="python_func"):
        train(rows=1)
    with pytest.raises(FatalError, match="outside of a pipeline"):
        dsl.importer("s3://x", dsl.Model)
    assert train.python_func(rows=1, rate=0.5) == 0.5


def test_importers() -> None:
    def churn():
        dsl.importer(artifact_uri=5, artifact_class=dsl.Model)
        dsl.importer("s3://x", dsl.Model, metadata={"a": {1, 2}})

    assert problems(churn) == {
        "pipeline 'churn', task 'importer', argument 'uri'": "expects str, got int 5",
        "pipeline 'churn', task 'importer-2', argument 'metadata'": "a set at ['a'] is not a JSON value",
    }

    def no_class():
        dsl.importer("s3://x", str)

    assert list(problems(no_class)) == ["pipeline 'churn', task 'importer', argument 'artifact_class'"]


def test_only_components_compile() -> None:
    with pytest.raises(TradewindError, match="cannot be compiled"):
        dsl.compile(lambda: None)  # type: ignore[arg-type]
    with pytest.raises(TradewindError, match="cannot be compiled"):
        dsl.compile(train.python_func)
