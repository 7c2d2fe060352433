"""Loops that take only a few of their items at a time, nested and side by side."""

from typing import List

from kfp import dsl


@dsl.component
def fetch(page: int, part: str = "") -> int:
    return page


@dsl.component
def store(page: int):
    print(page)


@dsl.pipeline
def loop_parallelism(pages: List[int] = [1, 2, 3, 4, 5]):
    with dsl.ParallelFor(pages, name="one-by-one", parallelism=1) as page:
        fetched = fetch(page=page)
        store(page=fetched.output)
    with dsl.ParallelFor(pages, parallelism=3) as page:
        with dsl.ParallelFor(["head", "body"], parallelism=2) as part:
            fetch(page=page, part=part)
    with dsl.ParallelFor([1, 2], name="all-at-once", parallelism=0) as page:
        store(page=page)
