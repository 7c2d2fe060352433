"""A pipeline written is read back equal, by us and by whoever reads YAML as KFP's SDK does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format
from hypothesis import given, settings
from hypothesis import strategies as st

from tradewind import ir

DATA = Path(__file__).parents[1] / "plan" / "data"

TEXTS = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30
) | st.sampled_from(
    [
        "yes",
        "null",
        "~",
        "1e5",
        "1.0e+5",
        "0x1f",
        "1:30",
        "2026-01-01",
        "=",
        "<<",
        "- a",
        "a: b",
        "#",
        "\x85",
        "\ufeff",
        "é😀",
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def document(value: Any, text: str, env: list[str]) -> dict[str, Any]:
    return {
        "pipelineInfo": {"name": "any", "description": text},
        "schemaVersion": "2.1.0",
        "components": {
            "comp-a": {
                "executorLabel": "exec-a",
                "inputDefinitions": {"parameters": {"v": {"parameterType": "STRING", "defaultValue": value}}},
            }
        },
        "deploymentSpec": {
            "executors": {
                "exec-a": {
                    "container": {
                        "image": "alpine",
                        "command": ["echo", text],
                        "env": [{"name": f"V{i}", "value": v} for i, v in enumerate(env)],
                    }
                }
            }
        },
        "root": {"dag": {"tasks": {"a": {"componentRef": {"name": "comp-a"}}}}},
    }


@settings(max_examples=100, deadline=None, database=None)
@given(value=VALUES, text=TEXTS, env=st.lists(TEXTS, max_size=3))
def test_any_value_survives(value: Any, text: str, env: list[str]) -> None:
    spec = json_format.ParseDict(document(value, text, env), ir.PipelineSpec())
    written = ir.dump(ir.Pipeline(spec, None, "test"))
    assert ir.loads(written).spec == spec
    # PyYAML's own loader is what the SDK reads with.
    assert json_format.ParseDict(yaml.safe_load(written), ir.PipelineSpec()) == spec


@pytest.mark.parametrize("file", sorted(DATA.glob("*.yaml")), ids=lambda path: path.stem)
def test_files_of_the_sdk_survive(file: Path) -> None:
    pipeline = ir.load(file)
    written = ir.dump(pipeline)
    assert ir.loads(written).spec == pipeline.spec
    assert ir.dump(ir.loads(written)) == written
    assert yaml.safe_load(written) == yaml.safe_load(file.read_text())


def test_the_platform_is_the_second_document() -> None:
    pipeline = ir.load(DATA / "wiring_sdk_2.17.0.yaml")
    platform = json_format.ParseDict(
        {
            "platforms": {
                "kubernetes": {"deploymentSpec": {"executors": {"exec-cc": {"imagePullPolicy": "Always"}}}}
            }
        },
        ir.PlatformSpec(),
    )
    written = ir.dump(ir.Pipeline(pipeline.spec, platform, "test"))
    assert len(list(yaml.safe_load_all(written))) == 2
    assert ir.loads(written).platform == platform
