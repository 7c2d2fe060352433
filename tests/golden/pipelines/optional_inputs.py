"""Inputs that may be missing: parameters of each type, artifacts, lists of artifacts."""

from typing import Dict, List, Optional

from kfp import dsl


@dsl.component
def take(
    text: Optional[str] = None,
    count: Optional[int] = None,
    ratio: Optional[float] = None,
    on: Optional[bool] = None,
    names: Optional[List[str]] = None,
    table: Optional[Dict[str, str]] = None,
    data: Optional[dsl.Input[dsl.Dataset]] = None,
    model: dsl.Input[dsl.Model] = None,
):
    print(text, count, ratio, on, names, table, data, model)


@dsl.component
def make() -> dsl.Dataset:
    return dsl.Dataset()


@dsl.pipeline
def optional_inputs(
    text: Optional[str] = None,
    count: Optional[int] = None,
    names: Optional[List[str]] = None,
    on: bool = None,
):
    take()
    take(text=text, count=count, names=names, on=on)
    take(text="", count=0, ratio=0.0, on=False, names=[], table={}, data=make().output)
