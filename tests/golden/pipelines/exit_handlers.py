"""Tasks that run when others have ended: a component, a pipeline, two of them in a row."""

from kfp import dsl


@dsl.component
def step(x: int = 1, s: str = "") -> int:
    if s == "bad":
        raise ValueError("bad")
    return x


@dsl.component
def report(status: dsl.PipelineTaskFinalStatus, note: str = ""):
    print(note, status.state, status.error_message)


@dsl.pipeline
def clean(note: str = "x"):
    step(s=note)


@dsl.pipeline
def exit_handlers(note: str = "n"):
    with dsl.ExitHandler(report(note=note), name="guard") as guard:
        first = step(s=note)
        step(x=first.output)
    with dsl.ExitHandler(clean(note=note)):
        step()
    step(x=5).after(guard)
