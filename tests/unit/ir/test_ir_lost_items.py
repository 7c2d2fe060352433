"""Items of loops that the KFP SDK loses on their way into text. (A golden test compares the plans.)"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind import dsl, ir, plan
from tradewind.cli.check_plan import plan_text
from tradewind.errors import InvalidPipelineError

FILE = Path(__file__).parents[2] / "golden" / "documents" / "sdk-2.17.0-items_in_text.yaml"


@pytest.fixture
def document() -> Any:
    return yaml.safe_load(FILE.read_text())


def test_a_file_of_the_sdk_is_taken_although_it_asks_for_what_is_not_there(document: Any) -> None:
    asked = document["root"]["dag"]["tasks"]["for-loop-1"]["inputs"]["parameters"]
    assert "files-loop-item-subvar-kind" in str(asked)
    assert "files-loop-item-subvar-kind" not in document["root"]["inputDefinitions"]["parameters"]
    spec = ir.loads(yaml.safe_dump(document)).spec
    given = spec.components["comp-for-loop-1"].dag.tasks["condition-branches-2"].inputs.parameters
    field = given["pipelinechannel--files-loop-item-subvar-kind"]
    assert field.component_input_parameter == "pipelinechannel--files-loop-item"
    assert field.parameter_expression_selector == 'parseJson(string_value)["kind"]'


def test_what_is_nowhere_is_refused(document: Any) -> None:
    loop = document["components"]["comp-for-loop-6"]["dag"]["tasks"]["note-2"]["inputs"]["parameters"]
    loop["pipelinechannel--gone"] = {"componentInputParameter": "pipelinechannel--gone"}
    with pytest.raises(InvalidPipelineError, match="has no input parameter 'pipelinechannel--gone'"):
        ir.loads(yaml.safe_dump(document))


def test_values_do_not_come_from_other_pipelines(document: Any) -> None:
    """`limit` is an input of the pipeline around, not of the sub-pipeline that the block stands in."""
    inner = document["components"]["comp-greet"]["dag"]["tasks"]["for-loop-1"]["componentRef"]["name"]
    task = document["components"][inner]["dag"]["tasks"]["note"]["inputs"]["parameters"]
    task["pipelinechannel--limit"] = {"componentInputParameter": "pipelinechannel--limit"}
    with pytest.raises(InvalidPipelineError, match="has no input parameter 'pipelinechannel--limit'"):
        ir.loads(yaml.safe_dump(document))


def test_a_block_inside_of_itself_is_refused(document: Any) -> None:
    block = document["components"]["comp-for-loop-6"]["dag"]["tasks"]
    document["components"]["comp-for-loop-5"]["dag"]["tasks"].pop("for-loop-6")
    block["again"] = {
        "componentRef": {"name": "comp-for-loop-6"},
        "inputs": {
            "parameters": {
                "pipelinechannel--lost": {"componentInputParameter": "pipelinechannel--lost-loop-item"}
            }
        },
    }
    with pytest.raises(InvalidPipelineError):
        ir.loads(yaml.safe_dump(document))


SETTINGS = """
from typing import Dict, List
from {sdk} import dsl, kubernetes

@dsl.component
def work(x: int = 1) -> str:
    return "done"

@dsl.pipeline
def settings(name: str, count: int, items: List[Dict[str, str]], words: List[str]):
    with dsl.ParallelFor(items) as item:
        task = work()
        kubernetes.use_secret_as_env(task, item.secret, {{"user": "USER_NAME"}})
        kubernetes.mount_pvc(task, item.claim, "/data")
    with dsl.ParallelFor(words) as word:
        with dsl.If(word == "a"):
            task = work()
            kubernetes.mount_pvc(task, name, "/data")
            kubernetes.use_secret_as_env(task, name, {{"user": "USER_NAME"}})
"""


def test_what_kubernetes_settings_refer_to_is_found(
    compile_with_kfp: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = tmp_path / "settings.py"
    source.write_text(SETTINGS.format(sdk="kfp"))
    theirs = ir.load(compile_with_kfp(source))
    module: dict[str, Any] = {}
    source.write_text(SETTINGS.format(sdk="tradewind"))
    exec(compile(source.read_text(), str(source), "exec"), module)
    ours = dsl.compile(module["settings"])
    assert list(plan_text(plan.build(theirs))) == list(plan_text(plan.build(ours)))


ONE_OF = """
from kfp import dsl

@dsl.component
def work(x: int = 1) -> int:
    return x

@dsl.pipeline
def one_of(n: int):
    with dsl.ParallelFor([1, 2]) as item:
        with dsl.If(n == 3):
            a = work(x=1)
        with dsl.Else():
            b = work(x=2)
        with dsl.If(dsl.OneOf(a.output, b.output) == 1):
            work(x=item)
"""


ONE_NUMBER = """
from kfp import dsl

@dsl.component
def work(x: int = 1) -> int:
    return x

@dsl.pipeline
def inner(x: str):
    with dsl.If(x == "a"):
        work(x=1)
    with dsl.Else():
        work(x=2)

@dsl.pipeline
def one_number(y: str = "a"):
    inner(x=y)
    with dsl.If(y == "b"):
        work(x=3)
    with dsl.Else():
        work(x=4)
"""

NOTHING = """
from kfp import dsl

@dsl.component
def work(x: int = 1) -> int:
    return x

@dsl.pipeline
def nothing(n: int):
    with dsl.If(n == 1):
        pass
    work()
"""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ONE_OF, r"SDK has lost the dsl\.OneOf .* `tradewind compile`"),
        (ONE_NUMBER, r"comp-condition-2-2: .* put its tasks into 'comp-condition-2', .* `tradewind compile`"),
        (NOTHING, r"comp-condition-1: the block has no tasks in it \(put one in, or leave the block out\)"),
    ],
    ids=["one_of", "one_number", "nothing"],
)
def test_what_is_lost_for_good_is_said(
    text: str, words: str, compile_with_kfp: Callable[[Path], Path], tmp_path: Path
) -> None:
    source = tmp_path / "lost.py"
    source.write_text(text)
    with pytest.raises(InvalidPipelineError, match=words):
        ir.load(compile_with_kfp(source))
