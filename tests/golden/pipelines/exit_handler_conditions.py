"""An exit task after conditions and sub-pipelines, told how they ended."""

from kfp import dsl


@dsl.component
def prepare(rows: int) -> int:
    return rows


@dsl.component
def train(rows: int) -> float:
    return 10 / rows


@dsl.component
def alarm(status: dsl.PipelineTaskFinalStatus, room: str = "ml"):
    print(room, status.state, status.error_message)


@dsl.pipeline
def training(rows: int) -> float:
    return train(rows=rows).output


@dsl.pipeline
def exit_handler_conditions(rows: int = 10, room: str = "ml"):
    with dsl.ExitHandler(alarm(room=room)):
        ready = prepare(rows=rows)
        with dsl.If(ready.output > 5):
            training(rows=ready.output)
        with dsl.Else():
            train(rows=5)
        train(rows=rows).after(ready)
