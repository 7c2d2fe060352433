"""Whatever a file holds, it loads or gives one TradewindError: hundreds of damaged files, always the same."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind import ir, plan
from tradewind.errors import InvalidPipelineError

DATA = Path(__file__).parents[1] / "plan" / "data"
TEXTS = [(DATA / name).read_text() for name in ("wiring_sdk_2.17.0.yaml", "control_flow_sdk_2.17.0.yaml")]
SCALARS: list[Any] = [None, True, 0, -1, 5, 1.5, 10**30, 1e300]
SCALARS += ["", "x", "\0", "é☃😀", "{{$}}", "a" * 300, [], {}, [1], {"a": 1}]
SNIPPETS = [
    "\t",
    "{",
    "}",
    "[",
    "]",
    "*a",
    "&a ",
    "!!python/name:os.system ",
    "<<: *id",
    "%",
    "- ",
    ": ",
    "|",
]
SNIPPETS += ["'", '"', "#", "? ", "---\n", "...\n", "\0", "\x07", "\ufeff", "\u2028", "\ud800", "1e999", "0x"]
SNIPPETS += ["{{$.inputs.parameters['x']}}"]


def mutated_text(text: str, rng: random.Random) -> str:
    """Damage done to the letters: what an editor, a merge or a broken disk leaves behind."""
    lines = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                del lines[at : at + rng.randint(1, 5)]
                lines = lines or [""]
            case 1:
                lines.insert(at, lines[rng.randrange(len(lines))])
            case 2:
                column = rng.randint(0, len(lines[at]))
                lines[at] = lines[at][:column] + rng.choice(SNIPPETS) + lines[at][column:]
            case 3:
                lines[at] = " " * rng.randint(0, 12) + lines[at].strip()
            case 4:
                other = rng.randrange(len(lines))
                lines[at], lines[other] = lines[other], lines[at]
            case 5:
                lines = lines[: rng.randint(1, len(lines))]
    return "\n".join(lines)


def mutated_tree(document: Any, rng: random.Random) -> str:
    """Damage done to the meaning: well-formed files in which names, types and references are wrong."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 4)):
        places = list(_places(document))
        container, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                container[key] = rng.choice(SCALARS)
            case 1:
                del container[key]
            case 2:
                other, other_key = rng.choice(places)
                container[key] = copy.deepcopy(other[other_key])
            case 3 if isinstance(container, dict):
                container[rng.choice(["x", "name", "dag", "artifacts", "é", ""])] = container.pop(key)
            case 4 if isinstance(container[key], str):
                container[key] += rng.choice(["-2", "x", "\0", "{{$"])
            case _:
                container[key] = [copy.deepcopy(container[key])]
        if not isinstance(document, dict) or not document:
            break
    return json.dumps(document) if rng.random() < 0.5 else yaml.dump(document, Dumper=yaml.CSafeDumper)


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield node, key
        yield from _places(child)


def outcome(text: str) -> str:
    try:
        pipeline = ir.loads(text)
    except InvalidPipelineError as error:
        return checked("refused", error)
    try:
        plan.build(pipeline)
    except InvalidPipelineError as error:
        return checked("loaded", error)
    return "planned"


def checked(verdict: str, error: InvalidPipelineError) -> str:
    assert error.problems
    assert all(problem.place and problem.message for problem in error.problems)
    return verdict


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_file_loads_or_is_refused(seed: int) -> None:
    rng = random.Random(seed)
    documents = [yaml.safe_load(text) for text in TEXTS]
    outcomes = set()
    for _ in range(12):
        outcomes.add(outcome(mutated_text(rng.choice(TEXTS), rng)))
        outcomes.add(outcome(mutated_tree(rng.choice(documents), rng)))
    assert "refused" in outcomes
