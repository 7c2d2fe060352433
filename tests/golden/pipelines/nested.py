"""A pipeline as a component, used twice, beside a component that it uses as well."""

from kfp import dsl


@dsl.component
def double(x: int) -> int:
    return 2 * x


@dsl.pipeline(name="four-times", description="Doubles twice.")
def four_times(x: int, unused: str = "default") -> int:
    once = double(x=x).set_env_variable("LEVEL", "inner")
    return double(x=once.output).output


@dsl.pipeline(name="nested")
def nested(x: int = 1) -> int:
    first = four_times(x=x)
    second = four_times(x=first.output, unused="given").set_display_name("Again").set_caching_options(False)
    last = double(x=second.output).after(first)
    return last.output
