"""The step cache: what makes a key, what makes an entry count, and what is seen of a hit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import unquote

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowFailException

from fixtures.steps import StepRun, TaskInstance, command_step, deployment, python_step
from tradewind.artifacts import CacheIndex
from tradewind.errors import ConfigurationError
from tradewind.operators.caching import StepCache
from tradewind.operators.configuration import configuration
from tradewind.operators.durations import seconds_of
from tradewind.operators.inputs import StepInputs
from tradewind.operators.settings import RunSettings
from tradewind.plan.model import Cache, Container, Step

LOG = logging.getLogger(__name__)
STEP = command_step(
    "echo", "{{$.inputs.parameters['rows']}}", container=Container("busybox", env=(("A", "1"),))
)
DIGESTS = [f"sha256:{number:064x}" for number in range(3)]


@pytest.fixture
def place(airflow_home: Any, tmp_path: Path) -> Callable[..., StepCache | None]:
    """Makes a step's place in a cache of the test's own."""
    from tradewind.operators.step import StepOperator

    def make(
        step: Step = STEP,
        *,
        parameters: Mapping[str, Any] | None = None,
        artifacts: Mapping[str, Any] | None = None,
        pod: Mapping[str, Any] | None = None,
        conf: Mapping[str, Any] | None = None,
        day: str = "2026-01-02",
        **settings: Any,
    ) -> StepCache | None:
        chosen = RunSettings(pipeline="p", artifact_store=(tmp_path / "store").as_uri(), **settings)
        with DAG("caching", schedule=None):
            operator = StepOperator(task_id="work", step=step, pipeline=chosen)
        context = {"dag_run": SimpleNamespace(conf=conf), "ds": day, "task": operator}
        inputs = StepInputs(parameters or {}, artifacts or {})
        return StepCache.of(step, chosen, inputs, pod or {}, operator, context)

    configuration.cache_clear()
    return make


def key(made: StepCache | None) -> str:
    assert made is not None
    return made.key


def reference(**changes: Any) -> dict[str, Any]:
    made = {
        "name": "data",
        "type": {"schemaTitle": "system.Dataset"},
        "uri": "mlflow-artifacts:/run-1/data",
        "metadata": {},
        "digest": DIGESTS[0],
        "size": 3,
        "format": "file",
    }
    return made | changes


def test_what_decides_the_result_decides_the_key(place: Callable[..., Any]) -> None:
    from kubernetes.client import models as k8s

    claim = {"name": "data", "persistentVolumeClaim": {"claimName": "one"}}
    other = {"name": "data", "persistentVolumeClaim": {"claimName": "two"}}
    template = {"env_vars": {"DAY": "{{ ds }}"}}
    given = {"artifacts": {"data": [reference()]}}
    different = [
        place(),
        place(parameters={"rows": 1}),
        place(parameters={"rows": "1"}),
        place(command_step("echo", "other", container=STEP.container)),
        place(replace(STEP, container=Container("busybox", env=(("A", "2"),)))),
        place(replace(STEP, container=Container("busybox@" + DIGESTS[0], env=(("A", "1"),)))),
        place(pod={"image": "alpine"}),
        place(pod={"env_vars": {"A": "3"}}),
        place(pod={"env_vars": [{"name": "A", "value": "3"}, {"name": "B", "value": "1"}]}),
        place(pod={"env_vars": [k8s.V1EnvVar(name="A", value="4")]}),
        place(pod={"volumes": [claim]}),
        place(pod={"volumes": [other]}),
        place(pod={"env_from": [{"secretRef": {"name": "x"}}]}),
        place(pod=template),
        place(pod=template, day="2026-01-03"),
        place(**given),
        place(artifacts={"data": [reference(digest=DIGESTS[1])]}),
        place(artifacts={"data": [reference(metadata={"rows": 5})]}),
        place(artifacts={"data": [reference(digest=None, uri="s3://a/b")]}),
        place(artifacts={"data": [reference(digest=None, uri="s3://a/c")]}),
        place(replace(STEP, cache=Cache(key="mine"))),
        place(replace(STEP, cache=Cache(key="mine"), component="another")),
    ]
    keys = [key(made) for made in different]
    assert len(set(keys)) == len(keys)


def test_what_does_not_decide_the_result_is_not_in_the_key(place: Callable[..., Any]) -> None:
    from kubernetes.client import models as k8s

    assert key(place()) == key(place(pod={"labels": {"a": "b"}, "node_selector": {"gpu": "a100"}}))
    assert key(place()) == key(place(replace(STEP, id="another", display_name="Another")))
    # Made again by another run, but the same in content.
    again = reference(uri="mlflow-artifacts:/run-2/data")
    assert key(place(artifacts={"data": [reference()]})) == key(place(artifacts={"data": [again]}))
    # The same volume, in both spellings.
    volume = k8s.V1Volume(name="a", empty_dir=k8s.V1EmptyDirVolumeSource())
    assert key(place(pod={"volumes": [volume]})) == key(place(pod={"volumes": [volume]}))
    mine = replace(STEP, cache=Cache(key="mine"))
    assert key(place(mine, parameters={"rows": 1})) == key(place(mine, pod={"image": "alpine"}))


def test_who_may_use_and_make_entries(place: Callable[..., Any]) -> None:
    result = {"parameters": {"n": 1}, "artifacts": {}}
    place().store(result, {"run": "run-1"}, LOG)
    assert place().lookup(LOG) == {**result, "cached_from": {"run": "run-1"}}
    off = {"tradewind.caching": False}
    assert place(caching=False) is None
    assert place(replace(STEP, cache=Cache(enabled=False))) is None
    assert place(replace(STEP, cache=Cache(enabled=False)), conf={"tradewind.caching": True}) is None
    assert place(caching=False, conf={"tradewind.caching": True}).lookup(LOG) is not None
    # A run without the cache makes results for the runs after it.
    assert place(conf=off).lookup(LOG) is None
    place(conf=off).store({"parameters": {"n": 2}, "artifacts": {}}, {"run": "run-2"}, LOG)
    assert place().lookup(LOG)["cached_from"] == {"run": "run-2"}


def test_the_deployment_decides_what_nobody_else_does(
    place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__TRADEWIND__CACHING", "False")
    monkeypatch.setenv("AIRFLOW__TRADEWIND__CACHE_TTL", "2h")
    configuration.cache_clear()
    assert place() is None
    assert place(caching=True).ttl == 7200
    assert place(caching=True, cache_ttl=5.0).ttl == 5
    assert place(caching=True, cache_ttl=0.0).ttl == 0
    monkeypatch.setenv("AIRFLOW__TRADEWIND__CACHE_TTL", "soon")
    configuration.cache_clear()
    with pytest.raises(ConfigurationError, match="cache_ttl is 'soon'"):
        place(caching=True)
    monkeypatch.undo()
    configuration.cache_clear()


def test_an_old_result_no_longer_counts(place: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    place().store({"parameters": {}, "artifacts": {}}, {}, LOG)
    assert place(cache_ttl=60.0).lookup(LOG) is not None
    import time

    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert place(cache_ttl=60.0).lookup(LOG) is None
    assert place().lookup(LOG) is not None


def test_a_result_without_its_artifacts_does_not_count(place: Callable[..., Any], tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.write_text("abc")
    made = {"parameters": {}, "artifacts": {"data": [reference(uri=data.as_uri())]}}
    place().store(made, {}, LOG)
    assert place().lookup(LOG)["artifacts"] == made["artifacts"]
    data.unlink()
    assert place().lookup(LOG) is None


def test_a_tag_that_moved(place: Callable[..., Any]) -> None:
    result = {"parameters": {}, "artifacts": {}}
    another = replace(STEP, action=replace(STEP.action, command=("another",)))
    place().store(result, {"run": "run-1"}, LOG, f"docker.io/library/busybox@{DIGESTS[0]}")
    assert place().lookup(LOG) is not None
    # Some other step was the first to run what the tag means now.
    place(another).store(result, {}, LOG, f"docker-pullable://busybox@{DIGESTS[1]}")
    assert place().lookup(LOG) is None
    place().store(result, {"run": "run-2"}, LOG, f"docker.io/library/busybox@{DIGESTS[1]}")
    assert place().lookup(LOG)["cached_from"] == {"run": "run-2"}
    # The embedded cluster pulls no images: nothing is known, nothing changes.
    place(another).store(result, {}, LOG, "tradewind://busybox")
    assert place().lookup(LOG) is not None


def test_a_cache_that_is_away_is_empty(
    place: Callable[..., Any], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "store").write_text("a file, not a directory")
    place().store({"parameters": {}, "artifacts": {}}, {}, LOG)
    assert place().lookup(LOG) is None
    assert "could not be cached" in caplog.text


@pytest.mark.parametrize(
    ("given", "seconds"), [(90, 90), ("90", 90), ("1.5h", 5400), ("7d", 604800), (timedelta(weeks=1), 604800)]
)
def test_durations(given: Any, seconds: float) -> None:
    assert seconds_of(given, "x") == seconds


@pytest.mark.parametrize("given", ["", "d", "7 days", -1, "-1", 0, True, None, float("inf"), "1e9"])
def test_no_durations(given: Any) -> None:
    with pytest.raises(ConfigurationError, match="no duration"):
        seconds_of(given, "x")


def test_a_hit_on_a_shared_volume_is_seen_in_airflow(
    airflow_home: Any, cluster: Any, namespace: str, tmp_path: Path
) -> None:
    """Pods and worker share a directory; nothing of MLflow is there."""
    source = (
        "def work(text: str, data: dsl.Output[dsl.Dataset]) -> str:\n"
        "    open(data.path, 'w').write(text)\n    return text * 3000\n"
    )
    step = python_step(source, {"text": "ab"}, container=Container(f"python:3.11@{DIGESTS[0]}"))
    root = tmp_path / "artifacts"
    options = {
        "artifact_store": (root / "team").as_uri(),
        "artifact_store_volume": f'{{"mountPath": "{root}", "hostPath": {{"path": "{root}"}}}}',
    }
    settings = RunSettings(pipeline="shared")
    with deployment(cluster.kubeconfig, namespace=namespace, **options):
        first = StepRun(step, settings=settings)
        made = first.execute()
        assert first.operator.operator_extra_links == []
        cluster.requests(reset=True)
        second = StepRun(step, settings=settings, ti=TaskInstance(run_id="run-2"))
        hit = second.execute()
        assert [r for r in cluster.requests() if r["userAgent"] == "tradewind"] == []
        fresh = StepRun(
            step, settings=settings, ti=TaskInstance(run_id="run-3"), conf={"tradewind.caching": False}
        ).execute()
    assert made["parameters"] == {"Output": "ab" * 3000}  # too long for a pod's message
    (data,) = made["artifacts"]["data"]
    assert data["uri"] == (root / "team/shared/run-1" / "work" / "try-1/data").as_uri()
    assert (root / "team/shared/run-1" / "work" / "try-1/data").read_text() == "ab"
    assert (hit["artifacts"], hit["cached_from"]["run"]) == (made["artifacts"], "run-1")
    (link,) = second.operator.operator_extra_links
    assert link.get_link(second.operator, ti_key=None) == first.ti.log_url
    assert (fresh["cached_from"], fresh["artifacts"]["data"][0]["digest"]) == (None, data["digest"])
    (entry,) = CacheIndex((root / "team").as_uri()).entries()
    assert entry.value["source"]["run"] == "run-3"
    assert entry.value["image_digest"] == DIGESTS[0]  # as the pod's status had it


def test_a_directory_that_nobody_mounts_is_no_artifact_store(on_cluster: str, tmp_path: Path) -> None:
    source = "def work(data: dsl.Output[dsl.Dataset]):\n    open(data.path, 'w').write('x')\n"
    settings = RunSettings(pipeline="lost", artifact_store=(tmp_path / "x").as_uri())
    with pytest.raises(AirflowFailException, match=r"(?s)mounts no volume there.*artifact_store_volume"):
        StepRun(python_step(source), settings=settings).execute()


DAG_FILE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def count(text: str, data: dsl.Output[dsl.Dataset]) -> int:
    open(data.path, "w").write(text)
    return len(text)

@dsl.pipeline(name="cached-runs")
def pipeline(text: str = "abc"):
    count(text=text)

dag = pipeline_dag(pipeline, artifact_store={store!r}, cache_ttl="7d")
"""


def test_runs_of_a_dag_share_results_and_may_be_told_about_it(
    cluster: Any, namespace: str, run_dag: Callable[..., Any], tmp_path: Path
) -> None:
    volume = f'{{"mountPath": "{tmp_path}", "hostPath": {{"path": "{tmp_path}"}}}}'
    source = DAG_FILE.format(store=(tmp_path / "store").as_uri())

    def ran(conf: Mapping[str, Any] | None = None) -> Any:
        cluster.requests(reset=True)
        result = run_dag(source, conf)
        pods = sum(r["verb"] == "create" and r["resource"] == "pods" for r in cluster.requests())
        return result, pods

    with deployment(cluster.kubeconfig, namespace=namespace, artifact_store_volume=volume):
        first, pods = ran()
        assert (first.state, pods) == ("success", 1)
        assert first.xcom("count", key="cached_from") is None
        second, pods = ran({"tradewind.caching": True})
        assert (second.state, pods) == ("success", 0)
        assert second.xcom("count")["cached_from"]["run"] == first.run_id
        link = unquote(second.xcom("count", key="cached_from"))
        assert f"/runs/{first.run_id}/" in link
        wrong, pods = ran({"tradewind.caching": "no"})
        assert (wrong.state, pods) == ("failed", 0)
        assert "must be true or false" in str(wrong.errors["run_start"][0])
