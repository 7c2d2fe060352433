"""What a file may be, and what is said about one that is something else."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from tradewind import ir
from tradewind.errors import FatalError, InvalidPipelineError, Problem
from tradewind.ir import document

DATA = Path(__file__).parents[1] / "plan" / "data"
MINIMAL = """\
components:
  comp-echo:
    executorLabel: exec-echo
    inputDefinitions:
      parameters:
        text: {parameterType: STRING}
deploymentSpec:
  executors:
    exec-echo:
      container: {image: alpine, command: [echo, "{{$.inputs.parameters['text']}}"]}
pipelineInfo: {name: echo}
root:
  dag:
    tasks:
      echo:
        componentRef: {name: comp-echo}
        inputs: {parameters: {text: {runtimeValue: {constant: VALUE}}}}
        taskInfo: {name: echo}
schemaVersion: 2.1.0
sdkVersion: kfp-2.17.0
"""


def refusal(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidPipelineError) as error:
        ir.loads(text)
    return error.value.problems


def constant(written: str) -> object:
    pipeline = ir.loads(MINIMAL.replace("VALUE", written))
    value = pipeline.spec.root.dag.tasks["echo"].inputs.parameters["text"].runtime_value.constant
    return getattr(value, value.WhichOneof("kind"))


def test_a_path_a_text_and_a_name_for_messages(tmp_path: Path) -> None:
    file = tmp_path / "echo.yaml"
    file.write_text(MINIMAL)
    assert ir.load(file).source == str(file)
    assert ir.load(str(file)).spec == ir.load(MINIMAL).spec
    assert ir.load(MINIMAL, source="mine").source == "mine"
    assert ir.load(file).platform is None


def test_the_second_document_is_the_platform() -> None:
    platform = "platforms: {kubernetes: {deploymentSpec: {executors: {exec-echo: {nodeSelector: {}}}}}}\n"
    text = f"{MINIMAL}---\n{platform}"
    pipeline = ir.loads(text)
    assert pipeline.platform is not None
    assert list(pipeline.platform.platforms) == ["kubernetes"]
    assert ir.loads(MINIMAL + "---\n").platform is None


def test_json_is_read_as_json() -> None:
    (content,), _ = document.read(MINIMAL.replace("VALUE", "0.00001"))
    text = json.dumps(content, indent=1)
    assert "1e-05" in text  # which YAML 1.1 takes for text
    pipeline = ir.loads(text)
    value = pipeline.spec.root.dag.tasks["echo"].inputs.parameters["text"].runtime_value.constant
    assert value.number_value == 1e-05


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("No", "No"),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("0777", "0777"),
        ("1_000", "1_000"),
        ("1e5", "1e5"),
        ("0x1f", "0x1f"),
        ("=", "="),
        ("'5'", "5"),
        ("5", 5.0),
        ("-1.5e+3", -1500.0),
        ("True", True),
        ("!!str 5", "5"),
        ('"\\u00e9\\n"', "é\n"),
    ],
)
def test_unquoted_scalars_are_what_the_sdk_means_by_them(written: str, value: object) -> None:
    assert constant(written) == value
    assert type(constant(written)) is type(value)


def test_a_parameter_may_have_any_name() -> None:
    for name in ("on", "yes", "null", "1", "true", "1.5"):
        text = MINIMAL.replace("text:", f"{name}:").replace("['text']", f"['{name}']")
        assert list(ir.loads(text).spec.root.dag.tasks["echo"].inputs.parameters) == [name]


# --- something else ---


def test_no_such_file_and_unreadable_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidPipelineError, match="no such file") as error:
        ir.load(tmp_path / "gone.yaml")
    assert error.value.source == str(tmp_path / "gone.yaml")
    assert isinstance(error.value, FatalError)
    with pytest.raises(InvalidPipelineError, match="directory"):
        ir.load(tmp_path)
    with pytest.raises(InvalidPipelineError, match="null byte"):
        ir.load("a\0b")
    (tmp_path / "model.bin").write_bytes(b"\x80\x04\x95")
    with pytest.raises(InvalidPipelineError, match=r"not UTF-8 text \(byte 0\)"):
        ir.load(tmp_path / "model.bin")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("# nothing\n", "empty"),
        ("just text\nmore", "the text 'just text more', no pipeline"),
        ("- a\n", "a list, no pipeline"),
        ("apiVersion: argoproj.io/v1alpha1\nkind: Workflow\n", "an Argo Workflow, as version 1 of KFP's SDK"),
        (
            "apiVersion: pipelines.kubeflow.org/v2beta1\nkind: PipelineVersion\n",
            "without kubernetes_manifest_format",
        ),
        ("apiVersion: v1\nkind: ConfigMap\n", "a Kubernetes object of kind ConfigMap"),
        ("pipelineSpec: {}\nruntimeConfig: {}\n", "a PipelineJob"),
        ("name: Add\nimplementation: {container: {image: a}}\n", "a component of KFP's version 1"),
        ("a: 1\nb: 2\n", "it has 'a', 'b' at the top"),
        (MINIMAL + "---\n{}\n---\n{}\n", "holds 3 documents"),
    ],
)
def test_a_file_that_is_something_else_is_called_by_its_name(text: str, says: str) -> None:
    (problem,) = refusal(text)
    assert says in f"{problem.message} ({problem.remedy})"
    assert problem.remedy


def test_yaml_errors_have_a_line_and_a_column() -> None:
    (problem,) = refusal(MINIMAL.replace("root:", "root: ["))
    assert problem.place.startswith("line ")
    assert "this is not YAML" in problem.message
    (problem,) = refusal("root:\n\tdag: {}\n")
    assert problem.place == "line 2, column 1"


def test_a_key_given_twice_is_found_with_its_lines() -> None:
    text = MINIMAL.replace("  comp-echo:\n", "  comp-echo: {}\n  comp-echo:\n", 1)
    first = refusal(text)[0]
    assert first.place == "line 3, column 3"
    assert first.message == "the key 'comp-echo' is given twice in one mapping, first in line 2"
    problems = refusal('{"root": {}, "root": {}}')
    assert "the key 'root' is given twice in one object" in problems[0].message


def test_everything_unfit_is_reported_at_once() -> None:
    text = (
        MINIMAL.replace("taskInfo: {name: echo}", "taskInfo: {name: 5}\n        dependantTasks: [a]")
        .replace("parameterType: STRING", "parameterType: STR")
        .replace("image: alpine", "image: 3.11")
        .replace("pipelineInfo: {name: echo}", "pipelineInfo: [echo]")
    )
    found = {problem.place: str(problem) for problem in refusal(text)}
    assert found.keys() == {
        "$.components.comp-echo.inputDefinitions.parameters.text.parameterType",
        "$.deploymentSpec.executors.exec-echo.container.image",
        "$.pipelineInfo",
        "$.root.dag.tasks.echo.dependantTasks",
        "$.root.dag.tasks.echo.taskInfo.name",
    }
    assert "did you mean 'dependentTasks'?" in found["$.root.dag.tasks.echo.dependantTasks"]
    assert "put it in quotes" in found["$.root.dag.tasks.echo.taskInfo.name"]


# --- hostile files ---


def test_an_alias_bomb_is_refused_quickly() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    bomb += "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    start = time.process_time()
    (problem,) = refusal(bomb)
    assert "aliases included" in problem.message
    assert time.process_time() - start < 5


@pytest.mark.parametrize(
    "text", ["root: &a [*a]\n", "root: " + "[" * 5000 + "\n", '{"root": ' + "[" * 100_000, "? [a]\n: b\n"]
)
def test_knots_and_towers_are_refused(text: str) -> None:
    assert refusal(text)


def test_objects_are_never_made() -> None:
    (problem,) = refusal(
        "root: !!python/object/apply:os.system [echo]\ncomponents: !!python/name:os.system x\n"
    )
    assert "tag" in problem.message


def test_a_huge_file_is_refused_before_it_is_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MAX_BYTES", 1000)
    (tmp_path / "big.yaml").write_text(MINIMAL + "#" * 1000)
    with pytest.raises(InvalidPipelineError, match="larger than"):
        ir.load(tmp_path / "big.yaml")
    with pytest.raises(InvalidPipelineError, match="more than 1000"):
        ir.loads(MINIMAL + "#" * 1000)


def test_without_libyaml_the_result_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = (DATA / "shapes_sdk_2.17.0.yaml").read_text()
    fast = ir.loads(text)
    monkeypatch.delattr("yaml.cyaml")
    assert ir.loads(text).spec == fast.spec


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("9007199254740993", "would be rounded"),
        ("[{a: 9007199254740993}]", "would be rounded"),
        (r'"a\0b"', "holds a NUL character"),
    ],
)
def test_a_constant_that_would_change_is_refused(written: str, said: str) -> None:
    (problem,) = refusal(MINIMAL.replace("VALUE", written))
    assert said in problem.message
    assert problem.place.startswith("$.root.dag.tasks.echo.inputs.parameters.text.runtimeValue.constant")


def test_a_large_integer_that_doubles_hold_is_kept() -> None:
    assert constant(str(2**60)) == 2**60
