"""Where a DAG is parsed a step weighs next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import Any

from fixtures.steps import python_step

SOURCE = "def work(text: str) -> str:\n    return text  # find me in the serialized DAG\n"
FORBIDDEN = ("kubernetes", "mlflow", "optuna", "airflow.providers.cncf.kubernetes.operators.pod")


def imports_of(code: str) -> set[str]:
    """Modules of FORBIDDEN that a fresh interpreter has after running some code."""
    code += f"\nimport sys\nprint([name for name in {FORBIDDEN!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return set(eval(done.stdout.splitlines()[-1]))


def test_the_modules_of_a_dag_file_import_nothing_heavy(airflow_home: Any) -> None:
    code = "import tradewind.operators.step, tradewind.operators.run, tradewind.operators.pod_arguments"
    assert imports_of(code) == set()


def test_what_a_cached_step_imports_is_not_heavy(airflow_home: Any) -> None:
    code = "import tradewind.operators.execution, tradewind.tracking, tradewind.artifacts"
    assert imports_of(code) == set()


def test_a_serialized_dag_holds_no_step_data(airflow_home: Any) -> None:
    from airflow.sdk import DAG
    from airflow.serialization.serialized_objects import DagSerialization

    from tradewind.operators.settings import RunSettings
    from tradewind.operators.step import StepOperator

    with DAG("d", schedule=None) as dag:
        StepOperator(
            task_id="work",
            step=python_step(SOURCE, {"text": "secret"}),
            pipeline=RunSettings("demo"),
            pod={"image": "x"},
        )
    text = json.dumps(DagSerialization.to_dict(dag))
    assert "find me" not in text
    assert "secret" not in text
    assert '"MLflow run"' in text  # the links are there


def test_a_step_costs_about_what_any_operator_costs(airflow_home: Any) -> None:
    from airflow.sdk import DAG, BaseOperator

    from tradewind.operators.settings import RunSettings
    from tradewind.operators.step import StepOperator

    class Plain(BaseOperator):
        def __init__(self, **kwargs: Any) -> None:
            super().__init__(**kwargs)

    step, settings = python_step(SOURCE), RunSettings("demo")

    def seconds(make: Any) -> float:
        best = 1e9
        for _ in range(3):
            started = time.process_time()
            with DAG("d", schedule=None):
                for index in range(300):
                    make(index)
            best = min(best, time.process_time() - started)
        return best

    plain = seconds(lambda index: Plain(task_id=f"t{index}"))
    ours = seconds(lambda index: StepOperator(task_id=f"t{index}", step=step, pipeline=settings))
    assert ours < 2 * plain
