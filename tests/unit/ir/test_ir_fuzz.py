"""Whatever a file holds, it becomes a pipeline, or one error that says why not.

Damaged files, always the same ones: made from the golden documents by mutations that a broken disk, an
editor, a bad merge, another program or somebody hostile could have made. `FUZZ=10000` makes that many.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tradewind import ir, plan
from tradewind.errors import InvalidPipelineError

TESTS = Path(__file__).parents[2]
FILES = [*(TESTS / "golden" / "documents").glob("*.yaml"), *(TESTS / "unit" / "plan" / "data").glob("*.yaml")]
TEXTS = [path.read_text() for path in sorted(FILES)]
COUNT = int(os.environ.get("FUZZ", "1500"))
CHUNK = 100
SECONDS = 30
"""More than any file may take. The slowest takes a tenth of a second on an idle machine."""

Mutation = Callable[[str, random.Random], str | bytes]

SCALARS: list[Any] = [None, True, 0, -1, 5, 1.5, 10**30, -(2**63) - 1, 1e300, 2**31, 1e-320]
SCALARS += [
    "",
    "x",
    "\0",
    "é☃😀",
    "\u202e",
    "{{$}}",
    "{{$.inputs.parameters['x']}}",
    "a" * 300,
    "9" * 50,
    "root",
]
SCALARS += [[], {}, [1], {"a": 1}, [[]], {"": ""}, 'parseJson(string_value)["a"]', "[1, 2", "['"]
SNIPPETS = [
    "\t",
    "{",
    "}",
    "[",
    "]",
    "*a",
    "&a ",
    "!!python/name:os.system ",
    "!!binary ",
    "<<: *id",
    "%",
    "- ",
]
SNIPPETS += [
    ": ",
    "|",
    "'",
    '"',
    "#",
    "? ",
    "---\n",
    "...\n",
    "\0",
    "\x07",
    "\ufeff",
    "\u2028",
    "\ud800",
    "1e999",
]
SNIPPETS += ["0x", "{{$.inputs.parameters['x']}}", "&a [*a]", "!!int ", "\x85", "9" * 5000]


# --- damage done to the letters ---


def lines(text: str, rng: random.Random) -> str:
    """What an editor or a merge leaves behind."""
    rows = text.split("\n")
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(rows))
        match rng.randrange(6):
            case 0:
                del rows[at : at + rng.randint(1, 5)]
                rows = rows or [""]
            case 1:
                rows.insert(at, rows[rng.randrange(len(rows))])
            case 2:
                column = rng.randint(0, len(rows[at]))
                rows[at] = rows[at][:column] + rng.choice(SNIPPETS) + rows[at][column:]
            case 3:
                rows[at] = " " * rng.randint(0, 12) + rows[at].strip()
            case 4:
                other = rng.randrange(len(rows))
                rows[at], rows[other] = rows[other], rows[at]
            case 5:
                rows = rows[: rng.randint(1, len(rows))]
    return "\n".join(rows)


def flipped(text: str, rng: random.Random) -> bytes:
    """What a broken disk leaves behind."""
    raw = bytearray(text.encode())
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(raw))
        raw[at] ^= 1 << rng.randrange(8)
    return bytes(raw)


def joined(text: str, rng: random.Random) -> str:
    """Two files, or pieces of them, in one."""
    other = rng.choice(TEXTS)
    separator = rng.choice(["", "\n", "\n---\n", "\n...\n---\n"])
    return text[: rng.randint(0, len(text))] + separator + other[rng.randint(0, len(other)) :]


# --- damage done to the meaning ---


def nodes(text: str, rng: random.Random) -> str:
    """Well-formed files with things missing, twice, elsewhere or of another type."""
    documents = _documents(text)
    for _ in range(rng.randint(1, 4)):
        places = list(_places(documents))
        container, key = rng.choice(places)
        match rng.randrange(6):
            case 0:
                container[key] = copy.deepcopy(rng.choice(SCALARS))
            case 1:
                del container[key]
            case 2:
                other, other_key = rng.choice(places)
                container[key] = copy.deepcopy(other[other_key])
            case 3 if isinstance(container, dict):
                container[rng.choice(["x", "name", "dag", "artifacts", "é", "", "a.b", "run_end"])] = (
                    container.pop(key)
                )
            case 4 if isinstance(container[key], str):
                container[key] += rng.choice(["-2", "x", "\0", "{{$", "']}}", " && true", "\\'"])
            case _:
                container[key] = [copy.deepcopy(container[key])]
        if not any(True for _ in _places(documents)):
            break
    return _dump(documents, rng)


def swapped(text: str, rng: random.Random) -> str:
    """Names in each other's place: references that exist, to the wrong thing."""
    documents = _documents(text)
    strings = [place for place in _places(documents) if isinstance(place[0][place[1]], str)]
    for _ in range(rng.randint(1, 3)):
        (one, key), (other, other_key) = rng.choice(strings), rng.choice(strings)
        one[key], other[other_key] = other[other_key], one[key]
    mappings = [parent[key] for parent, key in _places(documents) if isinstance(parent[key], dict)]
    both = [mapping for mapping in mappings if len(mapping) > 1]
    if both and rng.random() < 0.6:
        mapping = rng.choice(both)
        left, right = rng.sample(sorted(mapping), 2)
        mapping[left], mapping[right] = mapping[right], mapping[left]
    return _dump(documents, rng)


def circular(text: str, rng: random.Random) -> str:
    """Tasks that wait for one another, components that contain themselves."""
    documents = _documents(text)
    components = documents[0]["components"]
    dags = [each["dag"]["tasks"] for each in (documents[0]["root"], *components.values()) if "dag" in each]
    tasks = rng.choice(dags)
    task = tasks[rng.choice(sorted(tasks))]
    if rng.random() < 0.5:
        task["componentRef"] = {"name": rng.choice(sorted(components))}
    else:
        task.setdefault("dependentTasks", []).append(rng.choice(sorted(tasks)))
    if rng.random() < 0.3:
        for each in tasks.values():
            each["dependentTasks"] = [rng.choice(sorted(tasks))]
    return _dump(documents, rng)


def conditions(text: str, rng: random.Random) -> str:
    """Expressions, iterators and selectors with something wrong in them, or just other ones."""
    documents = _documents(text)
    dags = [
        each["dag"]["tasks"]
        for each in (documents[0]["root"], *documents[0]["components"].values())
        if "dag" in each
    ]
    task = rng.choice([each for tasks in dags for each in tasks.values()])
    names = sorted(task.get("inputs", {}).get("parameters", {})) or ["x"]
    operands = [f"inputs.parameter_values['{name}']" for name in names]
    operands += ["1", "'a'", "true", "-1.5", "''", "null", "int(", ")", "'", "(1)", "double('x')", "9" * 400]
    glue = [" == ", " && ", " || ", " < ", "!", "(", ")", " ", " >= ", "!(", " != ", "&&&"]
    words = [rng.choice(operands if number % 2 == 0 else glue) for number in range(rng.randint(1, 9))]
    match rng.randrange(4):
        case 0:
            task["triggerPolicy"] = {"condition": "".join(words)}
        case 1:
            task["triggerPolicy"] = {"condition": "(" * rng.choice([5, 500, 50_000]) + "true"}
        case 2:
            items = rng.choice(
                [
                    {"raw": rng.choice(["[1]", "[", "{}", "1", "", "null", "[[]]"])},
                    {"inputParameter": names[0]},
                ]
            )
            task["parameterIterator"] = {"itemInput": rng.choice([*names, "item"]), "items": items}
        case _:
            given = task.setdefault("inputs", {}).setdefault("parameters", {}).setdefault(names[0], {})
            given["parameterExpressionSelector"] = rng.choice(
                [
                    'parseJson(string_value)["a"]',
                    'parseJson(string_value)["a"]["b"][0]',
                    "parseJson(",
                    "x",
                    'string_value["a"]',
                ]
            )
    return _dump(documents, rng)


# --- bombs ---


def nested(text: str, rng: random.Random) -> str:
    depth = rng.choice([20, 33, 200, 20_000])
    value = rng.choice(["[" * depth + "]" * depth, '{"a": ' * depth + "1" + "}" * depth, "- " * depth + "x"])
    field = rng.choice(["root", "components", "deploymentSpec", "pipelineInfo", "description"])
    return f"{field}:\n  {value}\n{text}" if rng.random() < 0.5 else f"{text}\nx: {value}\n"


def aliases(text: str, rng: random.Random) -> str:
    """A billion laughs, and anchors where nobody expects them."""
    levels = rng.choice([2, 6, 12, 60])
    laughs = ["l0: &l0 [x, x, x, x, x, x, x, x, x]"]
    laughs += [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 9)}]" for level in range(1, levels)]
    where = rng.choice(
        ["root: *l{0}", "components: {{c: *l{0}}}", "x: *l{0}", "pipelineInfo: {{name: *l{0}}}"]
    )
    return "\n".join([*laughs, where.format(levels - 1), text])


def wide(text: str, rng: random.Random) -> str:
    """Sub-pipelines that are twice in one another: few bytes, a great many steps."""
    documents = _documents(text)
    components, tasks = documents[0]["components"], documents[0]["root"]["dag"]["tasks"]
    leaf = {"componentRef": {"name": rng.choice(sorted(components))}}
    below = {"a": leaf, "b": leaf}
    for level in range(rng.choice([2, 8, 60])):
        components[f"comp-wide-{level}"] = {"dag": {"tasks": copy.deepcopy(below)}}
        below = {name: {"componentRef": {"name": f"comp-wide-{level}"}} for name in ("a", "b")}
    tasks |= copy.deepcopy(below)
    return _dump(documents, rng)


MUTATIONS: list[Mutation] = [
    lines,
    lines,
    flipped,
    flipped,
    joined,
    nodes,
    nodes,
    nodes,
    nodes,
    swapped,
    swapped,
    swapped,
]
MUTATIONS += [circular, circular, conditions, conditions, nested, aliases, wide]


def _documents(text: str) -> list[Any]:
    documents: list[Any] = json.loads(_as_json(text))
    return documents


@functools.cache
def _as_json(text: str) -> str:
    return json.dumps(list(yaml.load_all(text, Loader=yaml.CSafeLoader)))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, child in children:
        yield node, key
        yield from _places(child)


def _dump(documents: list[Any], rng: random.Random) -> str:
    if len(documents) == 1 and rng.random() < 0.5:
        return json.dumps(documents[0])
    return yaml.dump_all(documents, Dumper=yaml.CSafeDumper)


def outcome(content: str | bytes, file: Path) -> str:
    """What became of one file: "planned", "loaded" (but not planned) or "refused"."""
    began = time.monotonic()
    try:
        return _outcome(content, file)
    finally:
        assert time.monotonic() - began < SECONDS


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
        rng = random.Random(number)
        mutation = rng.choice(MUTATIONS)
        content = mutation(rng.choice(TEXTS), rng)
        try:
            outcomes[outcome(content, tmp_path / "damaged.yaml")] += 1
        except BaseException as error:
            error.add_note(f"file {number} of the fuzz ({mutation.__name__})")
            raise
    assert outcomes["refused"] > CHUNK / 10
    assert outcomes["planned"] + outcomes["loaded"] > CHUNK / 10
