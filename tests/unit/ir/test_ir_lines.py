"""Where a problem's place is in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind.ir.lines import Lines
from tradewind.ir.schema import step_into

DOCUMENTS = Path(__file__).parents[2] / "golden" / "documents"

TEXT = """\
root:
  dag:
    tasks:
      train:
        dependent_tasks:
        - load
        -
          odd: [1,
                2]
      'a.b "c"': {x: 1}
      "it's": 2
      "tab\\t☃": 3
---
platforms:
  kubernetes:
    pipelineConfig: {}
"""


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("$", 1),
        ("$.root.dag", 2),
        ("$.root.dag.tasks.train", 4),
        ("$.root.dag.tasks.train.dependentTasks", 5),
        ("$.root.dag.tasks.train.dependentTasks[0]", 6),
        ("$.root.dag.tasks.train.dependentTasks[1].odd[1]", 9),
        ("$.root.dag.tasks.train.inputs.parameters.rows", 4),  # missing: what should hold it
        ("$.root.dag.tasks.train.dependentTasks[7]", 5),
        (step_into("$.root.dag.tasks", 'a.b "c"') + ".x", 10),
        (step_into("$.root.dag.tasks", "it's"), 11),
        (step_into("$.root.dag.tasks", "tab\t☃"), 12),
        ("$platform.platforms.kubernetes.pipelineConfig", 16),
        ("line 7, column 3", 7),
        ("pipeline 'churn', task 'train'", None),
        ("steps['train']", None),
    ],
)
def test_a_place_has_a_line(place: str, line: int | None) -> None:
    assert Lines(TEXT).find(place) == line


def test_a_file_of_one_document_has_no_lines_of_the_platform() -> None:
    assert Lines("root: 1\n").find("$platform.platforms") is None


@pytest.mark.parametrize("text", ["", "a: [", "a: *b", "\0"])
def test_what_cannot_be_read_has_no_lines(text: str) -> None:
    assert Lines(text).find("$.root") is None


def test_json_has_lines_too() -> None:
    text = json.dumps({"root": {"dag": {"tasks": {"train": 1}}}}, indent=1)
    assert Lines(text).find("$.root.dag.tasks.train") == 5


@pytest.mark.parametrize("name", ["literals", "sdk-2.13.0-conditions"])
def test_every_place_of_a_document_is_found(name: str) -> None:
    text = (DOCUMENTS / f"{name}.yaml").read_text()
    found, rows = Lines(text), text.split("\n")
    places = list(_places(yaml.safe_load(text), "$"))
    assert len(places) > 30
    for place, key in places:
        line = found.find(place)
        assert line is not None, place
        assert key in rows[line - 1], place


def _places(node: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            yield step_into(place, key), key
            yield from _places(value, step_into(place, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _places(value, f"{place}[{index}]")
