"""Tasks that run whatever happened before, and know what it was."""

from kfp import dsl


@dsl.component
def work(x: int) -> int:
    return 10 // x


@dsl.component
def clean(reason: str = "none", x: int = 0):
    print(reason, x)


@dsl.component
def report(status: dsl.PipelineTaskFinalStatus, note: str = ""):
    print(note, status.state, status.error_message)


@dsl.pipeline
def ignore_failure(x: int = 5):
    first = work(x=x)
    clean(x=first.output, reason="end").ignore_upstream_failure()
    report(note="done").after(first).ignore_upstream_failure()
    clean(reason="alone", x=1).ignore_upstream_failure()
