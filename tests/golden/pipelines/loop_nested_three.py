"""Three loops, one in another, the items of each known only inside the one around it."""

from typing import List

from kfp import dsl


@dsl.component
def regions() -> List[str]:
    return ["north", "south"]


@dsl.component
def shops(region: str) -> List[str]:
    return [f"{region}-{number}" for number in range(len(region) - 3)]


@dsl.component
def days(shop: str) -> List[int]:
    return [1, 2]


@dsl.component
def sales(region: str, shop: str, day: int) -> int:
    return len(shop) * day


@dsl.component
def best(shop: str, sold: List[int]) -> int:
    return max(sold)


@dsl.component
def total(sold: List[int]) -> int:
    return sum(sold)


@dsl.pipeline
def loop_nested_three() -> int:
    with dsl.ParallelFor(regions().output) as region:
        in_region = shops(region=region)
        with dsl.ParallelFor(in_region.output) as shop:
            open_on = days(shop=shop)
            with dsl.ParallelFor(open_on.output) as day:
                sold = sales(region=region, shop=shop, day=day)
            best(shop=shop, sold=dsl.Collected(sold.output))
        total(sold=dsl.Collected(sold.output))
    return total(sold=dsl.Collected(sold.output)).output
