"""`tradewind run` on a stack where the same names are in use already."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.stack import REPOSITORY, LocalStack

pytestmark = pytest.mark.e2e

VERSION = """
from tradewind import dsl

@dsl.component
def wait() -> str:
    import time

    time.sleep(SECONDS)
    return "VERSION"

@dsl.component
def tell(text: str) -> str:
    return text + "VERSION"

@dsl.pipeline(name="versions")
def versions():
    tell(text=wait().output)
"""


def start(stack: LocalStack, *arguments: str) -> tuple[str, str]:
    """Start a run; returns the ids of its DAG and of itself."""
    code, output = stack.run("run", *arguments, "--no-watch")
    assert code == 0, output
    words = next(line.split() for line in output.splitlines() if line.startswith("Run run_"))
    return words[3].rstrip(":"), words[1]


def test_a_run_that_goes_on_ends_with_the_code_that_it_began_with(stack: LocalStack, tmp_path: Path) -> None:
    runs = []
    for version, seconds in (("A", "20"), ("B", "1")):
        file = tmp_path / f"{version}.py"
        file.write_text(VERSION.replace("VERSION", version).replace("SECONDS", seconds))
        runs.append(start(stack, str(file)))
    told = []
    for dag_id, run_id in runs:
        assert stack.wait(dag_id, run_id) == "success"
        told.append(stack.airflow.xcom(dag_id, run_id, "tell")["parameters"]["Output"])
    assert told == ["AA", "BB"]
    assert start(stack, str(tmp_path / "B.py"))[0] == "versions"


def test_an_experiment_is_one_of_the_run_not_of_the_dag(stack: LocalStack) -> None:
    dag_id, run_id = start(stack, "dags/hello.py", "--experiment", "trials-of-hello")
    assert dag_id == "hello"
    assert stack.wait(dag_id, run_id) == "success"
    (run,) = stack.runs("trials-of-hello")
    assert run["info"]["run_name"] == run_id
    dag = stack.airflow.dag("hello")
    assert dag is not None
    assert dag["fileloc"] == str(REPOSITORY / "dags" / "hello.py")
