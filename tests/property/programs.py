"""Random programs of the DSL: nested blocks, sub-pipelines, exit handlers, and values that cross all of them.

A program is a pipeline function that decides by dice what it does, so there is no source text to write.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

from tradewind import dsl

__all__ = ["random_pipeline"]

DEEPEST, DEEPEST_IN_PARTS = 3, 1
"""Blocks in blocks, and in sub-pipelines: some are deeper than the ids that Airflow takes."""
MOST_TASKS = 40


@dsl.component
def number(x: int = 0, y: int = 1) -> int:
    return x + y


@dsl.component
def text(x: str = "a") -> str:
    return x


@dsl.component
def numbers(n: int = 1) -> list[int]:
    return [n]


@dsl.component
def tables(n: int = 1) -> list[dict[str, int]]:
    return [{"a": n}]


@dsl.component
def write(x: int, data: dsl.Output[dsl.Dataset]): ...


@dsl.component
def read(data: dsl.Input[dsl.Dataset]) -> str:
    return data.uri


@dsl.component
def read_all(data: dsl.Input[list[dsl.Dataset]]) -> int:
    return len(data)


@dsl.component
def total(numbers: list[int]) -> int:
    return sum(numbers)


@dsl.component
def report(status: dsl.PipelineTaskFinalStatus, x: int = 0): ...


@dataclass(frozen=True)
class _Known:
    """What can be used in a block."""

    ints: list[Any]
    texts: list[Any]
    lists: list[Any]
    artifacts: list[Any] = field(default_factory=list)
    tasks: list[Any] = field(default_factory=list)

    def inside(self) -> _Known:
        """The same for a block in it: what is made there stays there."""
        return _Known(*(list(values) for values in vars(self).values()))


@dataclass(frozen=True)
class _Made:
    """What the tasks of one block itself put out."""

    ints: list[Any] = field(default_factory=list)
    artifacts: list[Any] = field(default_factory=list)


def random_pipeline(seed: int) -> Any:
    """A pipeline, always the same one for a seed."""
    program = _Program(random.Random(seed))
    parts: list[Any] = []
    for name in program.rng.sample(("inner", "middle"), program.rng.randint(0, 2)):
        parts.append(program.pipeline(name, list(parts)))
    return program.pipeline("outer", parts)


class _Program:
    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.left = self.deepest = 0
        self.parts: list[Any] = []

    def pipeline(self, name: str, parts: list[Any]) -> Any:
        def body(n: int = 3, s: str = "q", xs: list[int] = [1, 2]) -> int:  # noqa: B006 - the pipeline's default
            self.left, self.parts = MOST_TASKS, parts
            self.deepest = DEEPEST if name == "outer" else DEEPEST_IN_PARTS
            known = _Known([n], [s], [xs])
            made = self.block(known, 0)
            return self.rng.choice([*made.ints, number(x=n).output])

        return dsl.pipeline(body, name=name)  # type: ignore[call-overload]

    # --- blocks ---

    def block(self, known: _Known, depth: int) -> _Made:
        made = _Made()
        for _ in range(self.rng.randint(1, 6 if depth == 0 else 4)):
            ways = [self.task] * 5
            if depth < self.deepest and self.left > 0:
                ways += [self.branch, self.branches, self.loop, self.loop, self.exit_handler]
            self.rng.choice(ways)(known, made, depth)
        if depth:
            self.task(known, made, depth)
        return made

    def task(self, known: _Known, made: _Made, depth: int) -> None:
        self.left -= 1
        before = known.inside()
        match self.rng.randrange(8):
            case 0 | 1:
                task = number(x=self.rng.choice(known.ints), y=self.rng.choice([*known.ints, 7]))
            case 2:
                task = text(x=self.text(known))
                known.texts.append(task.output)
            case 3:
                task = numbers(n=self.rng.choice(known.ints))
                known.lists.append(task.output)
            case 4:
                task = write(x=self.rng.choice(known.ints))
                known.artifacts.append(task.outputs["data"])
                made.artifacts.append(task.outputs["data"])
            case 5 if known.artifacts:
                task = read(data=self.rng.choice(known.artifacts))
                known.texts.append(task.output)
            case 6 if self.parts:
                part = self.rng.choice(self.parts)
                task = part(
                    n=self.rng.choice(known.ints), s=self.text(known), xs=self.rng.choice(known.lists)
                )
            case _:
                task = total(numbers=self.rng.choice(known.lists))
        if len(task.outputs) == 1 and "int" in str(task.output.kind).split("[")[0]:
            known.ints.append(task.output)
            made.ints.append(task.output)
        if task.component.is_container:
            self.settings(task, before)
        known.tasks.append(task)

    def settings(self, task: Any, known: _Known) -> None:
        match self.rng.randrange(12):
            case 0:
                task.set_memory_limit(self.rng.choice(known.texts))
            case 1:
                task.set_container_image(f"image:{self.rng.choice(known.texts)}")
            case 2:
                task.set_retry(2).set_caching_options(False)
            case 3 if known.tasks:
                task.after(self.rng.choice(known.tasks))

    def text(self, known: _Known) -> Any:
        parts = self.rng.choices([*known.ints, *known.texts], k=self.rng.randint(1, 3))
        return "-".join(map(str, parts)) if self.rng.random() < 0.4 else self.rng.choice(known.texts)

    def condition(self, known: _Known) -> Any:
        if self.rng.random() < 0.3:
            return self.rng.choice(known.texts) == self.rng.choice([*known.texts, "x"])
        left, right = self.rng.choice(known.ints), self.rng.choice([*known.ints, 3])
        return self.rng.choice([left == right, left != right, left > right, (left < 2) | ~(left == right)])

    def branch(self, known: _Known, made: _Made, depth: int) -> None:
        with dsl.If(self.condition(known)):
            self.block(known.inside(), depth + 1)

    def branches(self, known: _Known, made: _Made, depth: int) -> None:
        ends = []
        with dsl.If(self.condition(known)):
            ends.append(self.block(known.inside(), depth + 1))
        for _ in range(self.rng.randint(0, 2)):
            with dsl.Elif(self.condition(known)):
                ends.append(self.block(known.inside(), depth + 1))
        with dsl.Else():
            ends.append(self.block(known.inside(), depth + 1))
        if all(end.ints for end in ends):
            known.ints.append(dsl.OneOf(*(end.ints[-1] for end in ends)))
        if all(end.artifacts for end in ends):
            known.artifacts.append(dsl.OneOf(*(end.artifacts[-1] for end in ends)))

    def loop(self, known: _Known, made: _Made, depth: int) -> None:
        inside = known.inside()
        way = self.rng.randrange(4)
        if way == 0:
            items: Any = [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
        elif way == 1:
            items = tables(n=self.rng.choice(known.ints)).output
        else:
            items = self.rng.choice([*known.lists, [1, 2]])
        with dsl.ParallelFor(items, parallelism=self.rng.choice((0, 2))) as item:
            inside.ints.append(item.a if way < 2 else item)
            end = self.block(inside, depth + 1)
        if end.ints:
            known.ints.append(total(numbers=dsl.Collected(end.ints[-1])).output)
            made.ints.append(known.ints[-1])
        if end.artifacts:
            known.ints.append(read_all(data=dsl.Collected(end.artifacts[-1])).output)
            made.ints.append(known.ints[-1])

    def exit_handler(self, known: _Known, made: _Made, depth: int) -> None:
        if depth:
            return self.branch(known, made, depth)
        with dsl.ExitHandler(report(x=self.rng.choice([known.ints[0], 4]))):
            self.block(known.inside(), depth + 1)
        return None
