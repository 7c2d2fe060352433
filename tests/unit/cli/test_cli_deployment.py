"""Under which name a pipeline runs: its own, unless a run that goes on or a DAG file has it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.http_doubles import Answer, Request, scripted
from tradewind.cli.airflow_api import AirflowApi
from tradewind.cli.deployment import deployed
from tradewind.local.stack import Home
from tradewind.local.stack.environment import RUN_BUNDLE, bundle_name
from tradewind.local.stack.pipelines import RunPipeline

FIRST = RunPipeline("mix", "a: 1")
SECOND = replace(FIRST, compiled="a: 2")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    FIRST.install(home)
    return home


@contextmanager
def airflow(bundle: str, *, runs: tuple[str, ...] = (), stale: bool = False) -> Iterator[AirflowApi]:
    """An Airflow that has the DAG `mix` from a bundle, with runs that go on."""
    dag = {"dag_id": "mix", "bundle_name": bundle, "is_stale": stale, "fileloc": "/dags/mix.py"}

    def answer(request: Request) -> Answer:
        path, _, query = request.path.partition("?")
        found: dict[str, Any] = {"access_token": "x"}
        if path.endswith("/dagRuns"):
            assert query == "state=running&state=queued&limit=1"
            found = {"dag_runs": [{"dag_run_id": run} for run in runs]}
        elif path.endswith("/dags/mix"):
            found = dag
        return Answer(200, json.dumps(found).encode())

    with scripted(answer) as uri:
        yield AirflowApi(uri, "admin", "x")


def test_a_pipeline_takes_the_place_of_one_that_does_not_run(home: Home) -> None:
    said: list[str] = []
    with airflow(RUN_BUNDLE) as api, deployed(home, api, SECOND, (), said.append) as deployment:
        assert (deployment.dag_id, said) == ("mix", [])
    assert SECOND.is_installed(home)


def test_a_run_that_goes_on_keeps_what_it_began_with(home: Home) -> None:
    said: list[str] = []
    with airflow(RUN_BUNDLE, runs=("run_1",)) as api:
        with deployed(home, api, FIRST, (), said.append) as same:
            assert (same.dag_id, said) == ("mix", [])
        with deployed(home, api, SECOND, (), said.append) as other:
            assert other.dag_id.startswith("mix-")
            assert other.file.stem == other.dag_id
    assert FIRST.is_installed(home)
    assert said == [f"Another version of mix goes on in run_1: this one runs as {other.dag_id}"]


def test_settings_of_a_run_that_goes_on_stay_as_well(home: Home) -> None:
    elsewhere = replace(FIRST, settings={"cluster": "tradewind_prod"})
    with airflow(RUN_BUNDLE, runs=("run_1",)) as api, deployed(home, api, elsewhere, (), print) as deployment:
        assert deployment.dag_id != "mix"


def test_the_dag_of_a_file_that_the_stack_loads_stays_that_files(home: Home, tmp_path: Path) -> None:
    bundle = bundle_name(tmp_path)
    with airflow(bundle) as api, deployed(home, api, FIRST, [tmp_path], print) as deployment:
        assert deployment.dag_id.startswith("mix-")
    with airflow(bundle, stale=True) as api, deployed(home, api, FIRST, [tmp_path], print) as deployment:
        assert deployment.dag_id == "mix"
    with airflow(bundle) as api, deployed(home, api, FIRST, [], print) as deployment:
        assert deployment.dag_id == "mix"
