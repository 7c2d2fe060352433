"""Whatever a file holds, it becomes a pipeline, or one error that says why not.

The files are those of `fixtures.damaged_files`; `FUZZ=10000` looks at that many of them.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from fixtures.damaged_files import damaged
from tradewind import ir, plan
from tradewind.errors import InvalidPipelineError

COUNT = int(os.environ.get("FUZZ", "1000"))
CHUNK = 100
SECONDS = 30
"""More than any file may take. The slowest takes a third of a second on an idle machine."""


def outcome(content: str | bytes, file: Path) -> str:
    """What became of one file: "planned", "loaded" (but not planned) or "refused"."""
    began = time.process_time()
    try:
        return _outcome(content, file)
    finally:
        assert time.process_time() - began < SECONDS


def _outcome(content: str | bytes, file: Path) -> str:
    verdict, problems = "refused", None
    try:
        if isinstance(content, bytes):
            file.write_bytes(content)
            pipeline = ir.load(file)
        else:
            pipeline = ir.loads(content)
        verdict = "loaded"
        built = plan.build(pipeline)
    except InvalidPipelineError as error:
        problems = error.problems
    if problems is None:
        assert built.steps
        return "planned"
    assert problems
    assert all(problem.place and problem.message for problem in problems)
    return verdict


@pytest.mark.parametrize("chunk", range(max(1, COUNT // CHUNK)))
def test_a_damaged_file_loads_or_is_refused(chunk: int, tmp_path: Path) -> None:
    outcomes: Counter[str] = Counter()
    for number in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        mutation, content = damaged(number)
        try:
            outcomes[outcome(content, tmp_path / "damaged.yaml")] += 1
        except BaseException as error:
            error.add_note(f"file {number} of the fuzz ({mutation})")
            raise
    assert outcomes["refused"] > CHUNK / 50
    assert outcomes["planned"] + outcomes["loaded"] > CHUNK / 50
