"""Conditions on items, on their fields and on what an iteration has made."""

from typing import Dict, List

from kfp import dsl


@dsl.component
def size(path: str) -> int:
    return len(path)


@dsl.component
def convert(path: str, kind: str = "csv") -> str:
    return f"{path}.{kind}"


@dsl.component
def skip(path: str, why: str):
    print(path, why)


@dsl.pipeline
def condition_in_loop(
    files: List[Dict[str, str]] = [{"path": "a", "kind": "csv"}, {"path": "b", "kind": "zip"}],
    least: int = 1,
    names: List[str] = ["x", "y"],
):
    with dsl.ParallelFor(files) as file:
        with dsl.If(file.kind == "csv"):
            measured = size(path=file.path)
            with dsl.If(measured.output >= least):
                convert(path=file.path)
            with dsl.Else():
                skip(path=file.path, why="empty")
        with dsl.Elif(file.kind == "zip"):
            convert(path=file.path, kind=file.kind)
        with dsl.Else():
            skip(path=file.path, why=file.kind)
    with dsl.ParallelFor(names) as name:
        with dsl.If(name != "x"):
            convert(path=name)
    with dsl.ParallelFor([1, 2, 3]) as number:
        with dsl.If(number > 1):
            convert(path=f"{number}")
