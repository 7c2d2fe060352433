"""The server as a process: it starts once, survives being killed, leaves nothing behind when stopped."""

from __future__ import annotations

import json
import os
import signal
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.client.exceptions import ApiException

from fixtures.cluster import core_api_of
from fixtures.pods import log, pod, python_pod, run_pod, sh_pod, wait_for
from tradewind.errors import ConfigurationError
from tradewind.local.cluster import Cluster, Options, running, start

Factory = Callable[..., Cluster]

PRINT_PID = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"


@pytest.fixture(scope="module")
def steady(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster for the tests of this module that leave it as it is."""
    home = tmp_path_factory.mktemp("steady")
    (home / "template").symlink_to(cluster.home / "template")
    started = start(home)
    yield started
    started.stop()


def ended(found: Any) -> bool:
    return found.status.phase in ("Succeeded", "Failed")


def kill(cluster: Cluster) -> None:
    os.kill(cluster.pid, signal.SIGKILL)
    wait_until(lambda: running(cluster.home) is None)


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    path = Path(f"/proc/{pid}/stat")
    return path.exists() and path.read_text().rpartition(")")[2].split()[0] != "Z"


def test_it_is_started_once_and_found_again(steady: Cluster) -> None:
    first = steady
    assert start(first.home) == first
    assert running(first.home) == first
    assert running(first.home / "elsewhere") is None


def test_what_it_writes_is_private(steady: Cluster) -> None:
    cluster = steady
    assert stat.S_IMODE(cluster.home.stat().st_mode) == 0o700
    for name in ("kubeconfig", "token", "objects.sqlite", "server.json"):
        assert stat.S_IMODE((cluster.home / name).stat().st_mode) == 0o600, name


def test_it_says_what_it_does_not_isolate(steady: Cluster) -> None:
    text = (steady.home / "server.log").read_text()
    assert "not isolated: network, processes, CPU and memory" in text
    assert "no security boundary" in text


def test_the_token_is_not_shown(steady: Cluster) -> None:
    assert steady.token not in repr(steady)


def test_a_token_is_needed(steady: Cluster) -> None:
    cluster = steady
    settings = client.Configuration()
    settings.host = cluster.url
    settings.ssl_ca_cert = str(cluster.home / "server.crt")
    api = client.CoreV1Api(client.ApiClient(settings))
    with pytest.raises(ApiException) as caught:
        api.list_namespaced_pod("default")
    assert caught.value.status == 401
    settings.api_key = {"authorization": "Bearer wrong"}
    with pytest.raises(ApiException) as caught:
        api.list_namespaced_pod("default")
    assert caught.value.status == 401


def test_a_restricted_user_may_do_only_that(steady: Cluster) -> None:
    cluster = steady
    path = cluster.restricted("reader", [("get", "pods"), ("list", "pods")])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    api = client.CoreV1Api(config.new_client_from_config(str(path)))
    assert api.list_namespaced_pod("default").kind == "PodList"
    with pytest.raises(ApiException) as caught:
        api.create_namespaced_pod("default", sh_pod("x", "true"))
    assert caught.value.status == 403
    message = 'User "reader" cannot create resource "pods" in API group "" in the namespace "default"'
    assert message in json.loads(caught.value.body)["message"]
    for verb, allowed in (("get", True), ("create", False)):
        spec = {"resourceAttributes": {"namespace": "default", "verb": verb, "resource": "pods"}}
        review = client.AuthorizationV1Api(api.api_client).create_self_subject_access_review({"spec": spec})
        assert review.status.allowed is allowed


def test_requests_are_counted(steady: Cluster) -> None:
    cluster = steady
    api = core_api_of(cluster)
    cluster.requests(reset=True)
    run_pod(api, "default", sh_pod("counted", "echo hello"))
    log(api, "default", "counted")
    counted = {(item["verb"], item["resource"]): item["count"] for item in cluster.requests()}
    assert counted == {("create", "pods"): 1, ("watch", "pods"): 1, ("get", "pods/log"): 1}
    assert "python" in cluster.requests()[0]["userAgent"]


def test_pods_survive_the_death_of_the_server(cluster_factory: Factory) -> None:
    cluster = cluster_factory()
    api = core_api_of(cluster)
    api.create_namespaced_secret("default", {"metadata": {"name": "kept"}, "stringData": {"a": "b"}})
    run_pod(api, "default", sh_pod("before", "echo done before; exit 4"))
    for name, script in (
        ("during", "sleep 0.5; echo done during; exit 5"),
        ("after", "sleep 3; echo done after"),
    ):
        created = api.create_namespaced_pod("default", sh_pod(name, script))
        version = created.metadata.resource_version
        wait_for(api, "default", name, lambda found: found.status.phase == "Running", version=version)
    version = api.list_namespaced_pod("default").metadata.resource_version
    kill(cluster)
    wait_until(lambda: any(cluster.home.glob("pods/*/status.json")), 1)
    time.sleep(0.8)  # "during" ends while nobody looks

    again = cluster_factory(cluster.home)
    assert (again.url, again.token) == (cluster.url, cluster.token)
    assert api.read_namespaced_secret("kept", "default").data == {"a": "Yg=="}
    during = api.read_namespaced_pod("during", "default")
    during = wait_for(api, "default", "during", ended)
    assert during.status.container_statuses[0].state.terminated.exit_code == 5
    assert log(api, "default", "during") == "done during\n"
    assert (
        api.read_namespaced_pod("before", "default").status.container_statuses[0].state.terminated.exit_code
        == 4
    )
    assert log(api, "default", "before") == "done before\n"
    assert wait_for(api, "default", "after", ended).status.phase == "Succeeded"
    assert log(api, "default", "after") == "done after\n"
    reasons = [event.reason for event in api.list_namespaced_event("default").items]
    assert reasons.count("Started") == 3

    # What a client knows from before the restart is no place to watch from; what it lists now is.
    stream = watch.Watch().stream(
        api.list_namespaced_pod, "default", resource_version=version, timeout_seconds=5
    )
    with pytest.raises(ApiException) as caught:
        list(stream)
    assert caught.value.status == 410


def test_a_pod_being_deleted_goes_on_being_deleted(cluster_factory: Factory) -> None:
    cluster = cluster_factory()
    api = core_api_of(cluster)
    script = 'trap "sleep 1; exit 0" TERM; while :; do sleep 0.05; done'
    created = api.create_namespaced_pod(
        "default", sh_pod("leaving", script, terminationGracePeriodSeconds=30)
    )
    version = created.metadata.resource_version
    wait_for(api, "default", "leaving", lambda found: found.status.phase == "Running", version=version)
    api.delete_namespaced_pod("leaving", "default")
    kill(cluster)
    cluster_factory(cluster.home)
    wait_until(lambda: not api.list_namespaced_pod("default").items)
    wait_until(lambda: not list(cluster.home.glob("pods/*")))


def test_a_lost_supervisor_fails_the_pod(steady: Cluster) -> None:
    cluster = steady
    api = core_api_of(cluster)
    created = api.create_namespaced_pod("default", sh_pod("lost", "sleep 60"))
    version = created.metadata.resource_version
    wait_for(api, "default", "lost", lambda found: found.status.phase == "Running", version=version)
    uid = created.metadata.uid
    report = (cluster.home / "pods" / uid / "status.json").read_text()
    os.kill(int(report.partition('"pid":')[2].partition(",")[0]), signal.SIGKILL)
    found = wait_for(api, "default", "lost", ended)
    terminated = found.status.container_statuses[0].state.terminated
    assert (found.status.phase, terminated.reason) == ("Failed", "ContainerStatusUnknown")


def test_stopping_ends_pods_and_keeps_objects(cluster_factory: Factory) -> None:
    cluster = cluster_factory()
    api = core_api_of(cluster)
    created = api.create_namespaced_pod("default", python_pod("ended", PRINT_PID))
    version = created.metadata.resource_version
    wait_for(api, "default", "ended", lambda found: found.status.phase == "Running", version=version)
    wait_until(lambda: log(api, "default", "ended") != "")
    pid = int(log(api, "default", "ended"))
    assert is_alive(pid)
    cluster.stop()
    assert not is_alive(pid)
    assert running(cluster.home) is None
    cluster.stop()  # once more is fine
    cluster_factory(cluster.home)
    found = wait_for(api, "default", "ended", ended)
    assert found.status.container_statuses[0].state.terminated.exit_code == 143


def test_stopping_can_leave_pods_alone(cluster_factory: Factory) -> None:
    cluster = cluster_factory()
    api = core_api_of(cluster)
    created = api.create_namespaced_pod("default", sh_pod("going-on", "sleep 1; echo on"))
    version = created.metadata.resource_version
    wait_for(api, "default", "going-on", lambda found: found.status.phase == "Running", version=version)
    cluster.stop(keep_pods=True)
    cluster_factory(cluster.home)
    assert wait_for(api, "default", "going-on", ended).status.phase == "Succeeded"
    assert log(api, "default", "going-on") == "on\n"


def test_wiping_removes_everything_that_was_made(cluster_factory: Factory) -> None:
    cluster = cluster_factory()
    run_pod(core_api_of(cluster), "default", sh_pod("gone", "true"))
    cluster.stop(wipe=True)
    assert not cluster.home.exists()


def test_an_idle_cluster_uses_no_time(steady: Cluster) -> None:
    cluster = steady
    api = core_api_of(cluster)
    created = api.create_namespaced_pod("default", sh_pod("idle", "sleep 60"))
    version = created.metadata.resource_version
    wait_for(api, "default", "idle", lambda found: found.status.phase == "Running", version=version)
    time.sleep(0.5)

    def ticks() -> int:
        fields = Path(f"/proc/{cluster.pid}/stat").read_text().rpartition(")")[2].split()
        return int(fields[11]) + int(fields[12])

    before = ticks()
    time.sleep(2)
    assert ticks() - before <= 4  # of 10 ms


def test_pods_beyond_the_limit_wait_their_turn(cluster_factory: Factory) -> None:
    cluster = cluster_factory(max_pods=1)
    api = core_api_of(cluster)
    script = "sleep 0.3"
    for name in ("one", "two", "three"):
        api.create_namespaced_pod("default", sh_pod(name, script))
    waiting = wait_for(api, "default", "three", lambda found: bool(found.status.conditions))
    condition = waiting.status.conditions[0]
    assert (condition.type, condition.status, condition.reason) == ("PodScheduled", "False", "Unschedulable")
    assert waiting.status.phase == "Pending"
    finished = [wait_for(api, "default", name, ended) for name in ("one", "two", "three")]
    starts = [found.status.container_statuses[0].state.terminated.started_at for found in finished]
    assert starts == sorted(starts)
    assert all(found.status.phase == "Succeeded" for found in finished)


def test_a_resource_that_is_not_there_makes_a_pod_wait(cluster_factory: Factory) -> None:
    cluster = cluster_factory(resources=("example.com/gpu=1",))
    api = core_api_of(cluster)

    def asking(name: str, amount: int) -> dict[str, Any]:
        return sh_pod(name, "true", main={"resources": {"limits": {"example.com/gpu": str(amount)}}})

    assert run_pod(api, "default", asking("fits", 1)).status.phase == "Succeeded"
    api.create_namespaced_pod("default", asking("too-big", 2))
    held = wait_for(api, "default", "too-big", lambda found: bool(found.status.conditions))
    assert held.status.conditions[0].message == "0/1 nodes are available: 1 Insufficient example.com/gpu."
    api.create_namespaced_pod("default", sh_pod("nowhere", "true", nodeSelector={"zone": "moon"}))
    held = wait_for(api, "default", "nowhere", lambda found: bool(found.status.conditions))
    assert "didn't match Pod's node affinity/selector" in held.status.conditions[0].message


def test_ended_pods_are_kept_up_to_a_number(cluster_factory: Factory) -> None:
    cluster = cluster_factory(keep_finished=2)
    api = core_api_of(cluster)
    for index in range(4):
        run_pod(api, "default", sh_pod(f"p{index}", "true"))
    wait_until(lambda: len(api.list_namespaced_pod("default").items) == 2)
    assert [item.metadata.name for item in api.list_namespaced_pod("default").items] == ["p2", "p3"]
    wait_until(lambda: len(list(cluster.home.glob("pods/*"))) == 2)


def test_images_can_be_made_to_be_missing(cluster_factory: Factory) -> None:
    cluster = cluster_factory(missing_images=("registry.example/*",))
    api = core_api_of(cluster)
    body = pod(
        "no", {"name": "main", "image": "registry.example/a:1", "command": ["true"]}, activeDeadlineSeconds=3
    )
    created = api.create_namespaced_pod("default", body)
    seen: list[str] = []

    def watched(found: Any) -> bool:
        for status in found.status.container_statuses or []:
            if status.state.waiting and status.state.waiting.reason not in seen:
                seen.append(status.state.waiting.reason)
        return ended(found)

    found = wait_for(api, "default", "no", watched, version=created.metadata.resource_version)
    assert [reason for reason in seen if reason != "ContainerCreating"] == [
        "ErrImagePull",
        "ImagePullBackOff",
    ]
    assert found.status.reason == "DeadlineExceeded"


def test_bad_options_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="isolation 'vm' is none of"):
        Options(isolation="vm")
    with pytest.raises(ConfigurationError, match="not an extended resource"):
        Options(resources=("cpu=2",))


def test_five_hundred_pods_are_no_burden(cluster_factory: Factory) -> None:
    """Unschedulable ones: the store and the scheduler carry them, not the machine."""
    cluster = cluster_factory()
    api = core_api_of(cluster)
    for index in range(500):
        body = sh_pod(f"p{index:03}", "true", nodeSelector={"zone": "moon"})
        assert api.create_namespaced_pod("default", body, _preload_content=False).data
    started = time.monotonic()
    assert len(api.list_namespaced_pod("default", _preload_content=False).json()["items"]) == 500
    assert time.monotonic() - started < 10
    run_pod(api, "default", sh_pod("quick", "true"))
