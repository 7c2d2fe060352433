"""KFP's placeholders: every one of them, alone and inside longer texts, and never twice."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind.errors import FatalError
from tradewind.plan import render, resolve, resolve_value
from tradewind.plan.placeholders import has_placeholders, input_names, reads_artifact

INPUT: dict[str, Any] = {
    "inputs": {
        "parameterValues": {
            "text": "a 'b' \"c\"\n{{ jinja }} $(x)",
            "whole": 5,
            "half": 0.5,
            "five": 5.0,
            "tiny": 1e-07,
            "big": 1e22,
            "yes": True,
            "list": [1, "é", None],
            "struct": {"k": 1.5},
            "null": None,
            "sly": "{{$.inputs.parameters['text']}}",
        },
        "artifacts": {
            "model": {
                "artifacts": [
                    {
                        "name": "model",
                        "uri": "s3://b/model",
                        "metadata": {"k": 3, "m": "v"},
                        "customPath": "/tmp/tradewind/inputs/model",
                    }
                ]
            },
            "none": {"artifacts": []},
        },
    },
    "outputs": {
        "parameters": {"out": {"outputFile": "/tmp/tradewind/outputs/out"}},
        "artifacts": {
            "data": {
                "artifacts": [{"name": "data", "uri": "mlflow:/d", "metadata": {}, "customPath": "/o/data"}]
            }
        },
        "outputFile": "/tmp/tradewind/outputs/output_metadata.json",
    },
}
CONTEXT = {
    "pipeline_job_name": "churn-1",
    "pipeline_job_resource_name": "runs/churn-1",
    "pipeline_job_uuid": "u-1",
    "pipeline_task_name": "train",
    "pipeline_task_uuid": "t-1",
    "pipeline_root": "s3://root",
    "pipeline_job_create_time_utc": "2026-01-01T00:00:00Z",
    "pipeline_job_schedule_time_utc": "2026-01-01T00:00:01Z",
    "workspace_path": "/workspace",
}

TEXTS: dict[str, str] = {
    "{{$.inputs.parameters['text']}}": INPUT["inputs"]["parameterValues"]["text"],
    '{{$.inputs.parameters["whole"]}}': "5",
    "{{$.inputs.parameters['half']}}": "0.5",
    "{{$.inputs.parameters['five']}}": "5",
    "{{$.inputs.parameters['tiny']}}": "0.0000001",
    "{{$.inputs.parameters['big']}}": "10000000000000000000000",
    "{{$.inputs.parameters['yes']}}": "true",
    "{{$.inputs.parameters['list']}}": '[1,"é",null]',
    "{{$.inputs.parameters['struct']}}": '{"k":1.5}',
    "{{$.inputs.parameters['null']}}": "null",
    "{{$.inputs.artifacts['model'].uri}}": "s3://b/model",
    "{{$.inputs.artifacts['model'].path}}": "/tmp/tradewind/inputs/model",
    "{{$.inputs.artifacts['model'].name}}": "model",
    "{{$.inputs.artifacts['model'].metadata}}": '{"k":3,"m":"v"}',
    "{{$.inputs.artifacts['model'].metadata['k']}}": "3",
    "{{$.inputs.artifacts['none']}}": "[]",
    "{{$.outputs.parameters['out'].output_file}}": "/tmp/tradewind/outputs/out",
    "{{$.outputs.artifacts['data'].uri}}": "mlflow:/d",
    "{{$.outputs.artifacts['data'].path}}": "/o/data",
    "{{$.outputs.output_file}}": "/tmp/tradewind/outputs/output_metadata.json",
    **{f"{{{{$.{name}}}}}": value for name, value in CONTEXT.items()},
    "{{$.pipeline_job_id}}": "u-1",
}


@pytest.mark.parametrize(("placeholder", "value"), TEXTS.items(), ids=TEXTS.keys())
def test_alone_and_inside_a_longer_text(placeholder: str, value: str) -> None:
    assert resolve(placeholder, INPUT, CONTEXT) == value
    assert resolve(f"<{placeholder}|{placeholder}>", INPUT, CONTEXT) == f"<{value}|{value}>"
    assert resolve([placeholder, "x"], INPUT, CONTEXT) == [value, "x"]
    assert has_placeholders({"a": [placeholder]})


def test_the_whole_executor_input() -> None:
    assert json.loads(resolve("{{$}}", INPUT, CONTEXT)) == INPUT
    (artifact,) = json.loads(resolve("{{$.inputs.artifacts['model']}}", INPUT, CONTEXT))
    assert artifact["uri"] == "s3://b/model"


def test_a_value_that_looks_like_a_placeholder_is_data() -> None:
    sly = "{{$.inputs.parameters['text']}}"
    assert resolve("{{$.inputs.parameters['sly']}}", INPUT, CONTEXT) == sly
    assert resolve('{"Concat": ["{{$.inputs.parameters[\'sly\']}}", "!"]}', INPUT, CONTEXT) == sly + "!"
    assert resolve_value({"a": "{{$.inputs.parameters['sly']}}"}, INPUT, CONTEXT) == {"a": sly}


@settings(max_examples=60, deadline=None, database=None)
@given(st.text())
def test_any_text_passes_unchanged(text: str) -> None:
    executor_input = {"inputs": {"parameterValues": {"t": text}}}
    assert resolve(["{{$.inputs.parameters['t']}}"], executor_input, {}) == [text]


@pytest.mark.parametrize(
    "text", ["{{ ds }}", "{{$x}}", "{{$.Values.image}}", "{{", "$(x)", "{$}", '{"a": 1}', '{"Concat": broken']
)
def test_other_text_is_left_alone(text: str) -> None:
    assert resolve(text, INPUT, CONTEXT) == text
    assert not has_placeholders(text)


# --- Concat and IfPresent ---


def present(name: str, then: Any, otherwise: Any = None) -> dict[str, Any]:
    content = {"InputName": name, "Then": then}
    return {"IfPresent": content if otherwise is None else {**content, "Else": otherwise}}


WHOLE = "{{$.inputs.parameters['whole']}}"
STRUCTS: list[tuple[dict[str, Any], list[str]]] = [
    ({"Concat": ["a-", WHOLE]}, ["a-5"]),
    ({"Concat": ["a", {"Concat": ["b", WHOLE]}, present("whole", "c", "d")]}, ["ab5c"]),
    ({"Concat": ["a", present("gone", "b")]}, ["a"]),
    (present("whole", ["--n", WHOLE]), ["--n", "5"]),
    (present("whole", "x"), ["x"]),
    (present("gone", ["--n", WHOLE]), []),
    (present("gone", "x", "y"), ["y"]),
    (present("gone", ["x"], ["y", {"Concat": ["z", WHOLE]}]), ["y", "z5"]),
    (present("null", "x", "y"), ["y"]),
    (present("model", "has", "has not"), ["has"]),
    (present("none", "has", "has not"), ["has not"]),
    (present("whole", present("gone", "x", present("half", ["p", "q"]))), ["p", "q"]),
]


@pytest.mark.parametrize(("struct", "elements"), STRUCTS)
def test_json_placeholders(struct: dict[str, Any], elements: list[str]) -> None:
    raw = json.dumps(struct)
    assert resolve(["cmd", raw, "end"], INPUT, CONTEXT) == ["cmd", *elements, "end"]
    if len(elements) > 1:
        with pytest.raises(FatalError, match="2 elements where one text is wanted"):
            resolve(raw, INPUT, CONTEXT)
    else:
        assert resolve(raw, INPUT, CONTEXT) == "".join(elements)


@pytest.mark.parametrize(
    "raw", ['{"IfPresent": {"Then": "x"}}', '{"Concat": "ab"}', '{"Concat": [1]}', '{"Concat": [{"Or": []}]}']
)
def test_malformed_json_placeholders(raw: str) -> None:
    with pytest.raises(FatalError, match="not a placeholder that KFP knows"):
        resolve([raw], INPUT, CONTEXT)


# --- defaults and what is not there ---


def test_a_default_fills_a_command_but_does_not_make_its_input_present() -> None:
    line = ["{{$.inputs.parameters['opt']}}", json.dumps(present("opt", "yes", "no")), "{{$}}"]
    filled = resolve(line, {"inputs": {"parameterValues": {}}}, {}, defaults={"opt": 7})
    assert filled == ["7", "no", '{"inputs":{"parameterValues":{}}}']


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{{$.inputs.parameters['gone']}}", "input 'gone' was not given"),
        ("{{$.inputs.artifacts['gone'].uri}}", "'gone' was not given"),
        ("{{$.inputs.artifacts['none'].uri}}", "asks for something that input 'none' does not have"),
        ("{{$.inputs.artifacts['model'].size}}", "asks for something"),
        ("{{$.inputs.artifacts['model'].metadata['x']}}", "asks for something"),
        ("{{$.outputs.parameters['gone'].output_file}}", "'gone' was not given"),
        ("{{$.outputs.parameters['out']}}", "asks for something"),
        ("{{$.inputs.parameters.text}}", "has no value here"),
        ("{{$.pipeline_google_cloud_location}}", "has no value here"),
    ],
)
def test_what_is_not_there_is_an_error(text: str, says: str) -> None:
    with pytest.raises(FatalError) as error:
        resolve(f"x {text}", INPUT, CONTEXT)
    assert text in error.value.message
    assert says in error.value.message.replace("parameter ", "").replace("artifact ", "")
    assert error.value.remedy


def test_values_keep_their_type_where_they_stand_alone() -> None:
    value = {"n": WHOLE, "t": f"n={WHOLE}", "l": [WHOLE, 2.5, None], WHOLE: True}
    assert resolve_value(value, INPUT, CONTEXT) == {"n": 5, "t": "n=5", "l": [5, 2.5, None], "5": True}


def test_names_of_inputs() -> None:
    texts = [WHOLE, "{{$.inputs.artifacts['model'].uri}}", {"a": "x{{$.inputs.parameters['half']}}"}]
    assert input_names(texts) == {"whole", "half"}


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("--at={{$.inputs.artifacts['model'].path}}", True),
        ("{{$.inputs.artifacts['model']}}", True),
        ("{{$}}", True),
        ('{"IfPresent":{"InputName":"m","Then":["{{$.inputs.artifacts[\'model\'].path}}"]}}', True),
        ('{"Concat":["{{$.inputs.artifacts[\\"model\\"].path}}"]}', True),
        ("{{$.inputs.artifacts['model'].uri}} {{$.inputs.artifacts['model'].metadata['k']}}", False),
        ("{{$.inputs.artifacts['other'].path}} {{$.outputs.artifacts['model'].path}}", False),
        ("{{$.inputs.parameters['model']}} {{$.outputs.output_file}} plain", False),
    ],
)
def test_who_asks_for_the_content_of_an_artifact(text: str, read: bool) -> None:
    assert reads_artifact(["echo", text], "model") is read


@pytest.mark.parametrize(
    ("value", "text"), [(-0.0, "-0"), (1.10, "1.1"), (100.0, "100"), (-5, "-5"), (False, "false"), ("", "")]
)
def test_render(value: Any, text: str) -> None:
    assert render(value) == text
