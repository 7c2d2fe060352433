"""Pipelines in pipelines whose names are longer together than an id of Airflow's may be."""

from kfp import dsl


@dsl.component
def read(number: int) -> int:
    return 2 * number


@dsl.component
def start(number: int) -> int:
    return number + 1


@dsl.component
def prepare(number: int) -> int:
    return 10 * number


@dsl.component
def use(number: int) -> int:
    return -number


@dsl.pipeline(name="prepare-the-measurements-of-one-single-sensor")
def sensor(number: int) -> int:
    return read(number=number).output


@dsl.pipeline(name="prepare-the-measurements-of-all-sensors-of-one-machine")
def machine(number: int) -> int:
    started = start(number=number)
    with dsl.ParallelFor([1, 2]) as each:
        sensor(number=each)
    return started.output


@dsl.pipeline(name="prepare-the-measurements-of-all-machines-of-one-hall")
def hall(number: int) -> int:
    prepared = prepare(number=number)
    with dsl.If(number > 1):
        machine(number=prepared.output)
    return prepared.output


@dsl.pipeline(name="prepare-the-measurements-of-all-halls-of-one-site")
def site(number: int) -> int:
    return hall(number=number).output


@dsl.pipeline(name="prepare-the-measurements-of-all-sites-of-one-country")
def country(number: int) -> int:
    return site(number=number).output


@dsl.pipeline
def long_ids():
    with dsl.ParallelFor([1, 2]) as each:
        use(number=country(number=each).output)
