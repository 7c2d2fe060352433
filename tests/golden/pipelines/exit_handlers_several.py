"""Several exit handlers: side by side, one waiting for another, one whose exit task is a pipeline."""

from kfp import dsl


@dsl.component
def work(name: str, broken: str) -> str:
    assert name != broken, f"{name} is broken"
    return name


@dsl.component
def drop(table: str):
    print("dropping", table)


@dsl.component
def tell(status: dsl.PipelineTaskFinalStatus, whom: str):
    print(whom, status.pipeline_task_name, status.state)


@dsl.pipeline
def tidy(table: str, archive: bool = True):
    dropped = drop(table=table)
    with dsl.If(archive == True):
        drop(table="archive").after(dropped)


@dsl.pipeline
def exit_handlers_several(table: str = "staging", broken: str = ""):
    with dsl.ExitHandler(tidy(table=table), name="load") as load:
        loaded = work(name="load", broken=broken)
        work(name=loaded.output, broken="")
    with dsl.ExitHandler(tell(whom="team"), name="report"):
        work(name="report", broken=broken).after(load)
    with dsl.ExitHandler(tidy(table="other", archive=False), name="check"):
        work(name="check", broken=broken)
