"""Values within text, lists and dictionaries."""

from kfp import dsl


@dsl.component
def name(first: str) -> str:
    return first


@dsl.component
def show(text: str, parts: list = [], table: dict = {}):
    print(text)


@dsl.pipeline
def text_with_values(who: str = "you", count: int = 2):
    named = name(first=f"Dr. {who}")
    show(
        text=f"{named.output} greets {who} {count} times, {who}!",
        parts=[named.output, "and", who, [count]],
        table={"who": who, "deep": {"list": [named.output]}},
    )
