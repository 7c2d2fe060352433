"""Resources that other steps work out: a step waits for those by its inputs, and nothing else says so."""

from kfp import dsl


@dsl.component
def cores(rows: int) -> str:
    return f"{rows}m"


@dsl.component
def memory() -> str:
    return "64Mi"


@dsl.component
def train(text: str = "") -> str:
    return text or "trained"


@dsl.pipeline
def resources_of_steps(rows: int = 100):
    cpu, size = cores(rows=rows), memory()
    train().set_cpu_limit(cpu.output)
    train().set_cpu_request(cpu.output).set_memory_limit(size.output)
    train(text=size.output).set_memory_request(size.output)
    train().set_cpu_limit(cpu.output).after(cpu)
    train(text=cpu.output).set_memory_limit(size.output).after(train())
    with dsl.ParallelFor([10, 20]) as part:
        own = cores(rows=part)
        train().set_cpu_limit(own.output)
