"""Items of loops that the KFP SDK loses on their way into text. (A golden test compares the plans.)"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind import ir
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
