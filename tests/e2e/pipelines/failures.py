"""Failures: exit tasks that are told about them, steps that go on regardless, iterations that go on."""

from typing import List

from tradewind import dsl


@dsl.component
def work(number: int) -> int:
    if number == 13:
        raise ValueError(f"{number} is unlucky")
    return number


@dsl.component
def status_of(status: dsl.PipelineTaskFinalStatus) -> str:
    return f"{status.pipeline_task_name} {status.state}: {status.error_message}"


@dsl.component
def clean(note: str) -> str:
    return note


@dsl.pipeline
def clean_up(note: str = "tidy"):
    clean(note=clean(note=note).output)


@dsl.component
def regardless(number: int = -1) -> int:
    return number


@dsl.component
def count(numbers: List[int]) -> int:
    return len(numbers)


@dsl.pipeline(name="failures")
def pipeline(numbers: List[int] = [1, 13, 3]):
    told = status_of()
    with dsl.ExitHandler(told, name="fails"):
        with dsl.ParallelFor(numbers) as number:
            first = work(number=number)
            second = work(number=first.output)
            second.after(first)
        count(numbers=dsl.Collected(second.output))
    tidied = clean_up()
    with dsl.ExitHandler(tidied, name="goes well"):
        work(number=5)
    unlucky = work(number=13)
    regardless(number=unlucky.output).ignore_upstream_failure()
    work(number=1).after(unlucky)
