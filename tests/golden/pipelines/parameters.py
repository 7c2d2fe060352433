"""Parameters of every type, with and without defaults, and optional ones."""

from typing import Dict, List, Optional

from kfp import dsl


@dsl.component(base_image="python:3.11")
def consume(
    text: str,
    count: int,
    ratio: float,
    on: bool,
    names: List[str],
    table: Dict[str, int],
    label: str = "none",
    limit: int = 10,
    rate: float = 0.5,
    fast: bool = False,
    tags: list = ["a", "b"],
    options: dict = {"deep": {"list": [1, 2.5, True, "x"]}},
    hint: Optional[str] = None,
    bound: Optional[int] = 3,
):
    print(text, count, ratio, on, names, table)


@dsl.pipeline(name="parameters")
def parameters(
    text: str,
    count: int = 3,
    ratio: float = 0.25,
    on: bool = True,
    names: List[str] = ["x"],
    table: dict = {"k": 1},
    hint: Optional[str] = None,
):
    consume(text=text, count=count, ratio=ratio, on=on, names=names, table=table, hint=hint)
    consume(text="t", count=1, ratio=1.5, on=False, names=["n", "m"], table={"a": 1}, tags=[], options={})
