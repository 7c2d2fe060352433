"""Conditions compare with what the author wrote, whichever compiler wrote the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.kfp_sdk import KfpSdk
from golden.compiled import compile_file
from tradewind import ir
from tradewind.ir import Pipeline
from tradewind.plan.conditions import holds

TEXTS = [
    "heads",
    "",
    "C:\\new\\table",
    "C:\\",
    "a\\\\b",
    "it's",
    "it\\'s",
    'said "yes"',
    "said 'yes', then \"no\"",
    "two\nlines\tand a tab",
    "\\u00e9 é 😀",
    "a && b || (c)",
]

HEAD = """\
from kfp import dsl

@dsl.component
def step():
    pass

@dsl.pipeline
def texts(text: str):
"""


def conditions(pipeline: Pipeline) -> Iterator[str]:
    tasks = pipeline.spec.root.dag.tasks
    return (tasks[f"condition-{number}"].trigger_policy.condition for number in range(1, len(TEXTS) + 1))


@pytest.mark.parametrize("compiler", ["KFP's", "ours"])
def test_the_text_is_what_was_written(compiler: str, kfp_sdk: KfpSdk, tmp_path: Path) -> None:
    source = tmp_path / "texts.py"
    code = HEAD + "".join(f"    with dsl.If(text == {text!r}):\n        step()\n" for text in TEXTS)
    source.write_text(code)
    if compiler == "ours":
        source.write_text(code.replace("from kfp import", "from tradewind import"))
        pipeline = compile_file(source)
    else:
        (file,) = kfp_sdk.compile([source]).values()
        pipeline = ir.load(file)
    for text, condition in zip(TEXTS, conditions(pipeline), strict=True):
        for value in (*TEXTS, text + "x"):
            assert holds(condition, {"pipelinechannel--text": value}) is (value == text)
