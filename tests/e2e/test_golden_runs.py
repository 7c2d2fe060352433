"""Every golden pipeline that can run here, compiled by the KFP SDK, as a real DAG run on a real cluster.

What each run came to is kept in `tests/golden/runs`: states, what every step was given, printed and gave.
`make golden-runs` writes it anew: look at the diff, and work out from the pipeline what has to come out. A
slice of them is run by default, all with `RUNS=all`, those compiled by older SDKs included.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.airflow import DagResult
from fixtures.cluster import core_api_of
from fixtures.kfp_sdk import KfpSdk
from fixtures.s3 import S3Server
from golden.compiled import DOCUMENTS, PIPELINES
from golden.running import (
    CONFIGURATIONS,
    NOT_RUN,
    RUNS,
    WITH_S3,
    GoldenRuns,
    pipeline_of,
    variables_of,
)
from tradewind.local.cluster import Cluster, start

MODE = os.environ.get("RUNS", "slice")  # or "all", or "write"

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(900)]

SLICE = (
    "artifact_chain",
    "conditions_and_or_not",
    "exit_handler_around_loop",
    "exit_handlers_several",
    "ignore_failure_chain",
    "images_without_python",
    "kubernetes_secrets",
    "loop_artifacts",
    "notebook",
    "one_of_in_loop",
    "parameters",
    "placeholders_anywhere",
    "subpipeline_outputs",
)


@pytest.fixture(scope="module")
def golden_cluster(tmp_path_factory: pytest.TempPathFactory, _python_template: Path) -> Iterator[Cluster]:
    """A cluster with the accelerators that the pipelines ask for."""
    home = tmp_path_factory.mktemp("golden-cluster")
    (home / "template").symlink_to(_python_template)
    started = start(home, max_pods=8, resources=("nvidia.com/gpu=8", "cloud-tpus.google.com/v3=4"))
    yield started
    started.stop(wipe=True)


@pytest.fixture
def golden_run(
    airflow_home: Any,
    golden_cluster: Cluster,
    run_dag: Callable[..., DagResult],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Callable[..., str]:
    """Runs a compiled file as often as there are configurations; gives the text of all runs."""
    store = tmp_path / "store"
    store.mkdir()
    runs = GoldenRuns(lambda _: golden_cluster.kubeconfig, core_api_of(golden_cluster), run_dag, store)

    def run(path: Path, name: str) -> str:
        return runs.text(path, name, request.getfixturevalue("s3_variables") if name in WITH_S3 else {})

    return run


@pytest.fixture(scope="module")
def s3_variables(s3_server: S3Server) -> dict[str, str]:
    """How pods reach the S3 server on which the objects are."""
    return variables_of(s3_server)


def chosen(paths: list[Path]) -> list[Path]:
    """What can run, of that the slice or everything; files of older SDKs only where nothing is written."""
    runnable = [path for path in paths if pipeline_of(path) not in NOT_RUN]
    if MODE == "all":
        return runnable
    return [
        path
        for path in runnable
        if path.stem in SLICE or (MODE == "write" and pipeline_of(path) == path.stem)
    ]


def compare(name: str, text: str) -> None:
    golden = RUNS / f"{name}.txt"
    if MODE == "write":
        golden.write_text(text)
    assert golden.exists(), f"no {golden.name}: run `make golden-runs`, and look at what it writes"
    assert text == golden.read_text()


@pytest.mark.parametrize("path", chosen(PIPELINES), ids=lambda path: path.stem)
def test_a_pipeline_comes_to_what_it_says(
    path: Path, kfp_sdk: KfpSdk, golden_run: Callable[..., str]
) -> None:
    compiled = kfp_sdk.compile(chosen(PIPELINES))[path.resolve()]
    compare(path.stem, golden_run(compiled, path.stem))


@pytest.mark.parametrize("path", chosen(DOCUMENTS), ids=lambda path: path.stem)
def test_a_document_comes_to_what_it_says(path: Path, golden_run: Callable[..., str]) -> None:
    compare(pipeline_of(path), golden_run(path, pipeline_of(path)))


def test_every_run_has_its_pipeline() -> None:
    known = {pipeline_of(path) for path in (*PIPELINES, *DOCUMENTS)}
    assert set(SLICE) | set(NOT_RUN) | set(CONFIGURATIONS) <= known
    assert {path.stem for path in RUNS.glob("*.txt")} == known - set(NOT_RUN)
