"""dsl.Condition, as conditions were called before dsl.If."""

from kfp import dsl


@dsl.component
def flip() -> str:
    return "heads"


@dsl.component
def say(text: str):
    print(text)


@dsl.pipeline
def condition_old_name(least: float = 0.5):
    side = flip()
    with dsl.Condition(side.output == "heads", name="heads"):
        say(text=side.output)
        with dsl.Condition(least < 1.0):
            say(text="below one")
