"""What a sub-pipeline passes on when it is given nothing: its default, null, or no artifact at all."""

from typing import Dict, List, Optional

from kfp import dsl


@dsl.component
def tell(
    text: str = "component's own",
    count: Optional[int] = None,
    tags: List[str] = ["own"],
    options: Dict[str, int] = {},
    data: Optional[dsl.Input[dsl.Dataset]] = None,
):
    print(text, count, tags, options, data)


@dsl.component
def make() -> dsl.Dataset:
    return dsl.Dataset()


@dsl.pipeline
def inner(
    text: str = "inner's",
    count: Optional[int] = None,
    tags: List[str] = ["inner"],
    options: Dict[str, int] = {"a": 1},
    data: Optional[dsl.Input[dsl.Dataset]] = None,
):
    tell(text=text, count=count, tags=tags, options=options, data=data)
    tell()


@dsl.pipeline
def middle(text: str = "middle's", count: Optional[int] = None):
    inner(text=text, count=count)
    inner(count=3)


@dsl.pipeline
def subpipeline_defaults(text: str = "outermost's", count: Optional[int] = None):
    middle()
    middle(text=text, count=count)
    inner(data=make().output, tags=[], options={"b": 2})
