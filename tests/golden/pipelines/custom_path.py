"""An artifact that a step writes to a place of its own choice."""

from kfp import dsl


@dsl.component
def make(count: int, rows: dsl.Output[dsl.Dataset]):
    import tempfile

    rows.custom_path = tempfile.mkdtemp() + "/rows.csv"
    rows.metadata["count"] = count
    with open(rows.path, "w") as file:
        file.write("row\n" * count)


@dsl.component
def count(rows: dsl.Input[dsl.Dataset]) -> int:
    with open(rows.path) as file:
        return len(file.readlines())


@dsl.pipeline
def custom_path(rows: int = 3) -> int:
    return count(rows=make(count=rows).outputs["rows"]).output
