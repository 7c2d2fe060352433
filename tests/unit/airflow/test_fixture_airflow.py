"""The fixtures that other tests stand on."""

from __future__ import annotations

from fixtures.airflow import DagResult

_DAG = """
    from airflow.sdk import dag, task

    @dag(params={"rows": 1})
    def small():
        @task
        def double(params):
            return params["rows"] * 2

        @task
        def fail(value):
            if value > 10:
                raise ValueError("too many")
            return value

        fail(double())

    small()
"""


def test_run_dag_tells_states_values_and_errors(run_dag):
    good: DagResult = run_dag(_DAG, conf={"rows": 4})
    assert good.state == "success"
    assert good.tasks == {"double": "success", "fail": "success"}
    assert good.xcom("double") == 8
    assert good.xcom("double", key="nothing") is None

    bad: DagResult = run_dag(_DAG, conf={"rows": 20})
    assert bad.state == "failed"
    assert bad.tasks["fail"] == "failed"
    assert [str(error) for error in bad.errors["fail"]] == ["too many"]
