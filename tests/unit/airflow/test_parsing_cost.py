"""What loading a DAG file costs: each task process pays it again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

from fixtures.airflow import AirflowHome
from tradewind import dsl, ir

_HEAVY = (
    "mlflow",
    "kubernetes",
    "kubernetes_asyncio",
    "optuna",
    "airflow.providers.cncf.kubernetes.operators",
)


@dsl.component
def work(rows: int) -> int:
    return rows


@dsl.pipeline(name="chain")
def chain(rows: int = 1):
    previous = work(rows=rows)
    work(rows=previous.output)


def _loaded_modules(home: AirflowHome, source: str, folder: Path) -> list[str]:
    """Modules of a fresh process that has loaded a DAG file through Airflow's importer."""
    (folder / "file.py").write_text(textwrap.dedent(source))
    code = f"""
import json, sys
from pathlib import Path
from airflow.dag_processing.dagbag import BundleDagBag
folder = Path({str(folder)!r})
bag = BundleDagBag(dag_folder=folder / "file.py", bundle_path=folder, bundle_name="b")
assert list(bag.dags) == ["chain"], bag.import_errors
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "AIRFLOW_HOME": str(home.path)},
    )
    modules: list[str] = json.loads(done.stdout.strip().splitlines()[-1])
    return modules


def test_a_dag_file_brings_in_nothing_heavy(airflow_home: AirflowHome, tmp_path: Path):
    modules = _loaded_modules(
        airflow_home,
        """
        from tradewind import dsl
        from tradewind.airflow import pipeline_dag

        @dsl.component
        def work(rows: int): ...

        @dsl.pipeline(name="chain")
        def chain(rows: int = 1):
            work(rows=rows)

        dag = pipeline_dag(chain)
        """,
        tmp_path,
    )
    assert "tradewind.airflow.factory" in modules
    assert [name for name in modules if name.startswith(tuple(f"{heavy}." for heavy in _HEAVY))] == []
    assert [name for name in modules if name in _HEAVY] == []
    assert "tradewind.operators.execution" not in modules


def test_a_compiled_file_does_not_even_bring_in_the_dsl(airflow_home: AirflowHome, tmp_path: Path):
    (tmp_path / "chain.yaml").write_text(ir.dump(dsl.compile(chain)))
    source = """
        from tradewind.airflow import pipeline_dag
        dag = pipeline_dag("chain.yaml")  # an airflow DAG
    """
    assert "tradewind.dsl" not in _loaded_modules(airflow_home, source, tmp_path)


def test_the_size_of_a_serialized_dag_is_linear_and_knows_nothing_of_containers():
    from airflow.serialization.serialized_objects import DagSerialization

    from tradewind.airflow import pipeline_dag

    def size(steps: int) -> int:
        @dsl.pipeline(name="long")
        def long(rows: int = 1):
            previous: Any = rows
            for _ in range(steps):
                task = work(rows=previous)
                for index in range(20):
                    task.set_env_variable(f"NAME_{index}", f"value-{index}")
                previous = task.output

        return len(json.dumps(DagSerialization.to_dict(pipeline_dag(long))))

    small, large = size(210), size(420)
    assert large < 2 * small
    assert (large - small) / 210 < 450  # bytes a step; KubernetesPodOperator with 20 variables takes 1490
    assert size(40) / 40 < 650
