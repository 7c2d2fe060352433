"""Tasks that run whatever happened before, and know what it was."""

from kfp import dsl


@dsl.component
def work(x: int = 1) -> int:
    return x


@dsl.component
def clean(reason: str = "none", x: int = 0):
    print(reason)


@dsl.component
def report(status: dsl.PipelineTaskFinalStatus, note: str = ""):
    print(status.state)


@dsl.pipeline
def ignore_failure():
    first = work()
    clean(x=first.output, reason="end").ignore_upstream_failure()
    report(note="done").after(first).ignore_upstream_failure()
    clean(reason="alone", x=1).ignore_upstream_failure()
