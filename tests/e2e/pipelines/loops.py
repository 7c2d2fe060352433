"""Loops: nested, over items that only the outer iteration knows, one after another, over nothing at all."""

from typing import List

from tradewind import dsl


@dsl.component
def shops_of(region: str) -> List[str]:
    return {"north": ["n1", "n2"], "south": [], "west": ["w1"]}[region]


@dsl.component
def sales(region: str, shop: str, factor: int) -> int:
    return (ord(region[0]) + int(shop[1])) * factor


@dsl.component
def total(numbers: List[int], region: str) -> str:
    return f"{region}={sum(numbers)}"


@dsl.component
def report(totals: List[str], sold: List[int]) -> str:
    return ",".join(totals) + ";" + ",".join(str(number) for number in sold)


@dsl.component
def double(number: int) -> int:
    return number * 2


@dsl.component
def name(number: int, prefix: str = "item") -> str:
    return f"{prefix}-{number}"


@dsl.pipeline
def double_and_name(number: int, prefix: str = "sub") -> str:
    return name(number=double(number=number).output, prefix=prefix).output


@dsl.component
def join(names: List[str]) -> str:
    return "+".join(names)


@dsl.component
def never(number: int) -> int:
    return number


@dsl.component
def after_nothing(numbers: List[int]) -> int:
    return len(numbers)


@dsl.pipeline(name="loops")
def pipeline(
    regions: List[str] = ["north", "south", "west"], nothing: List[int] = [], factor: int = 10
) -> str:
    with dsl.ParallelFor(regions, name="regions") as region:
        shops = shops_of(region=region)
        with dsl.ParallelFor(shops.output, name="shops", parallelism=2) as shop:
            sold = sales(region=region, shop=shop, factor=factor)
        totals = total(numbers=dsl.Collected(sold.output), region=region)
    told = report(totals=dsl.Collected(totals.output), sold=dsl.Collected(sold.output))
    with dsl.ParallelFor([{"n": 1, "p": "a"}, {"n": 2, "p": "b"}]) as item:
        named = double_and_name(number=item.n, prefix=item.p)
        named.after(told)
    join(names=dsl.Collected(named.output))
    with dsl.ParallelFor(nothing) as number:
        none = never(number=number)
    after_nothing(numbers=dsl.Collected(none.output))
    return told.output
