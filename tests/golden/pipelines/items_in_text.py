"""Items of loops, and fields of items, in text and in settings. KFP cannot run what its SDK compiles this to."""

from typing import Dict, List

from kfp import dsl


@dsl.component
def read(path: str, kind: str = "csv") -> str:
    return path


@dsl.component
def note(text: str, words: List[str] = []):
    print(text, words)


@dsl.pipeline
def greet(people: List[Dict[str, str]], greeting: str = "Hello"):
    with dsl.ParallelFor(people) as person:
        note(text=f"{greeting}, {person.first} {person.last}!")


@dsl.pipeline
def items_in_text(
    files: List[Dict[str, str]] = [{"path": "a", "kind": "csv", "memory": "1Gi"}],
    teams: list = [{"label": "red", "members": [{"person": "Ann", "role": "lead"}]}],
    sources: List[str] = ["s", "t"],
    limit: int = 1,
):
    with dsl.ParallelFor(files) as file:
        with dsl.If(file.kind == "csv"):
            read(path=f"{file.path}.csv").set_memory_limit(file.memory)
        with dsl.Else():
            note(text=f"no reader for {file.kind}", words=[file.path, f"{limit}"])
    with dsl.ParallelFor(teams) as team:
        with dsl.ParallelFor(team.members) as member:
            note(text=f"{member.person} of {team.label} is {member.role}")
    with dsl.ParallelFor(["x", "y"]) as outer:
        with dsl.ParallelFor(sources) as inner:
            with dsl.If(limit > 0):
                read(path=f"{outer}/{inner}/{limit}")
    greet(people=[{"first": "Ada", "last": "Byron"}])
