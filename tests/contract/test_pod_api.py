"""The part of the Kubernetes API that Tradewind uses, through the official client.

Runs against the embedded cluster, and against a real one where `TRADEWIND_CONTRACT_KUBECONFIG` names a
kubeconfig: what passes on both is what the operators may rely on.
"""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import pytest
from kubernetes import client, watch
from kubernetes.client.exceptions import ApiException

from fixtures.pods import container, log, pod, python_pod, run_pod, sh_pod, wait_for


@pytest.fixture
def api(contract_api: Any) -> Any:
    return contract_api


@pytest.fixture
def namespace(contract_namespace: str) -> str:
    return contract_namespace


def failure(call: Any, *args: Any, **kwargs: Any) -> tuple[int, dict[str, Any]]:
    with pytest.raises(ApiException) as caught:
        call(*args, **kwargs)
    return caught.value.status, json.loads(caught.value.body)


# --- objects
# ------------------------------------------------------------------------------------------------------


def test_creating_the_same_pod_twice_is_a_conflict(api: Any, namespace: str) -> None:
    body = sh_pod("twice", "true")
    api.create_namespaced_pod(namespace, body)
    code, status = failure(api.create_namespaced_pod, namespace, body)
    assert (code, status["reason"]) == (409, "AlreadyExists")
    assert status["message"] == 'pods "twice" already exists'
    assert status["details"] == {"name": "twice", "kind": "pods"}


def test_what_is_not_there_is_404(api: Any, namespace: str) -> None:
    code, status = failure(api.read_namespaced_pod, "nobody", namespace)
    assert (code, status["reason"], status["message"]) == (404, "NotFound", 'pods "nobody" not found')
    code, status = failure(api.create_namespaced_pod, "no-such-namespace", sh_pod("x", "true"))
    assert (code, status["message"]) == (404, 'namespaces "no-such-namespace" not found')
    assert failure(api.delete_namespaced_pod, "nobody", namespace)[0] == 404
    assert failure(api.read_namespaced_secret, "nobody", namespace)[0] == 404


def test_all_problems_of_a_pod_are_told_at_once(api: Any, namespace: str) -> None:
    body = pod("Bad_Name", {"name": "main", "image": "", "volumeMounts": [{"name": "no", "mountPath": "/x"}]})
    body["spec"]["restartPolicy"] = "Sometimes"
    code, status = failure(api.create_namespaced_pod, namespace, body)
    assert (code, status["reason"]) == (422, "Invalid")
    fields = {cause["field"] for cause in status["details"]["causes"]}
    assert {
        "metadata.name",
        "spec.containers[0].image",
        "spec.containers[0].volumeMounts[0].name",
        "spec.restartPolicy",
    } <= fields


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("a" * 253, True),
        ("a" * 254, False),
        ("a.b-c", True),
        ("-a", False),
        ("ä", False),
        ("a/b", False),
        ("", False),
    ],
)
def test_names_are_dns_subdomains(api: Any, namespace: str, name: str, good: bool) -> None:
    body = {"metadata": {"name": name}, "data": {}}
    if good:
        assert api.create_namespaced_config_map(namespace, body).metadata.name == name
    else:
        assert failure(api.create_namespaced_config_map, namespace, body)[0] == 422


def test_generated_names_differ(api: Any, namespace: str) -> None:
    names = set()
    for _ in range(3):
        body = sh_pod("", "true")
        body["metadata"] = {"generateName": "step-"}
        names.add(api.create_namespaced_pod(namespace, body).metadata.name)
    assert len(names) == 3
    assert all(name.startswith("step-") and len(name) == 10 for name in names)


def test_defaults_are_filled_in(api: Any, namespace: str) -> None:
    body = {
        "metadata": {"name": "bare"},
        "spec": {"containers": [{"name": "main", "image": "python", "command": ["true"]}]},
    }
    limits = {"memory": "1Gi", "cpu": "1"}
    body["spec"]["containers"][0]["resources"] = {"limits": limits, "requests": {"cpu": "100m"}}
    spec = api.create_namespaced_pod(namespace, body).spec
    assert (spec.restart_policy, spec.termination_grace_period_seconds) == ("Always", 30)
    assert spec.containers[0].termination_message_path == "/dev/termination-log"
    assert spec.containers[0].image_pull_policy == "Always"
    assert spec.containers[0].resources.requests == {"memory": "1Gi", "cpu": "100m"}, "limits count"


@pytest.mark.parametrize("seconds", ["300", 0, -1])
def test_a_deadline_is_a_positive_number(api: Any, namespace: str, seconds: Any) -> None:
    body = sh_pod("deadline", "true", activeDeadlineSeconds=seconds)
    assert failure(api.create_namespaced_pod, namespace, body)[0] in (400, 422)


def test_lists_can_be_narrowed_down(api: Any, namespace: str) -> None:
    for index, kind in enumerate(("a", "b", "c")):
        api.create_namespaced_pod(
            namespace, sh_pod(f"p{index}", "true", labels={"kind": kind, f"has-{kind}": "1"})
        )

    def names(**selectors: str) -> list[str]:
        return [item.metadata.name for item in api.list_namespaced_pod(namespace, **selectors).items]

    assert names() == ["p0", "p1", "p2"]
    assert names(label_selector="kind=a") == ["p0"]
    assert names(label_selector="kind!=a") == ["p1", "p2"]
    assert names(label_selector="kind in (a, c)") == ["p0", "p2"]
    assert names(label_selector="kind notin (a,c),has-b") == ["p1"]
    assert names(label_selector="!has-b") == ["p0", "p2"]
    assert names(field_selector="metadata.name=p1") == ["p1"]
    assert names(field_selector="metadata.name!=p1") == ["p0", "p2"]
    assert failure(api.list_namespaced_pod, namespace, field_selector="spec.nonsense=1")[0] == 400
    assert failure(api.list_namespaced_pod, namespace, label_selector="a=b=c")[0] == 400


def test_lists_come_in_pages(api: Any, namespace: str) -> None:
    for index in range(5):
        api.create_namespaced_config_map(namespace, {"metadata": {"name": f"page-{index}"}})
    names: list[str] = []
    token = None
    while True:
        page = api.list_namespaced_config_map(namespace, limit=2, **({"_continue": token} if token else {}))
        assert len(page.items) <= 2
        names += [item.metadata.name for item in page.items]
        token = page.metadata._continue
        if not token:
            break
    assert [name for name in names if name.startswith("page-")] == [f"page-{index}" for index in range(5)]


def test_patches(api: Any, namespace: str) -> None:
    api.create_namespaced_pod(namespace, sh_pod("patched", "true", labels={"old": "1"}))

    def patch(body: Any, kind: str) -> Any:
        return api.patch_namespaced_pod("patched", namespace, body, _content_type=f"application/{kind}+json")

    merged = patch({"metadata": {"labels": {"old": None, "new": "2"}}}, "merge-patch")
    assert merged.metadata.labels == {"new": "2"}
    patched = patch([{"op": "add", "path": "/metadata/labels/a~1b", "value": "3"}], "json-patch")
    assert patched.metadata.labels == {"new": "2", "a/b": "3"}
    image = {"spec": {"containers": [{"name": "main", "image": "python:3.12"}]}}
    strategic = patch(image, "strategic-merge-patch")
    assert strategic.spec.containers[0].image == "python:3.12"
    assert strategic.spec.containers[0].command == ["sh", "-c", "true"]


def test_a_spec_is_fixed(api: Any, namespace: str) -> None:
    api.create_namespaced_pod(namespace, sh_pod("fixed", "true"))
    change = {"spec": {"containers": [{"name": "main", "command": ["false"]}]}}
    code, status = failure(api.patch_namespaced_pod, "fixed", namespace, change)
    assert (code, status["reason"]) == (422, "Invalid")
    assert "pod updates may not change fields other than" in status["message"]


def test_a_stale_object_cannot_be_written(api: Any, namespace: str) -> None:
    stale = api.create_namespaced_config_map(namespace, {"metadata": {"name": "stale"}, "data": {"a": "1"}})
    api.patch_namespaced_config_map("stale", namespace, {"data": {"a": "2"}})
    code, status = failure(api.replace_namespaced_config_map, "stale", namespace, stale)
    assert (code, status["reason"]) == (409, "Conflict")


def test_deletion_can_require_a_uid(api: Any, namespace: str) -> None:
    api.create_namespaced_pod(namespace, sh_pod("guarded", "sleep 60"))
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))
    assert failure(api.delete_namespaced_pod, "guarded", namespace, body=options)[0] == 409
    assert api.read_namespaced_pod("guarded", namespace).metadata.deletion_timestamp is None


# --- watches
# ------------------------------------------------------------------------------------------------------


def test_a_watch_tells_the_life_of_a_pod(api: Any, namespace: str) -> None:
    version = api.list_namespaced_pod(namespace).metadata.resource_version
    run_pod(api, namespace, sh_pod("lived", "sleep 1", labels={"watched": "yes"}))
    api.delete_namespaced_pod("lived", namespace, grace_period_seconds=0)
    stream = watch.Watch().stream(
        api.list_namespaced_pod,
        namespace,
        label_selector="watched=yes",
        resource_version=version,
        timeout_seconds=5,
    )
    events = []
    for event in stream:
        events.append((event["type"], event["object"].status.phase))
        if event["type"] == "DELETED":
            break
    assert events[0] == ("ADDED", "Pending")
    assert events[-1][0] == "DELETED"
    phases = [phase for _, phase in events]
    assert phases == sorted(phases, key=["Pending", "Running", "Succeeded"].index)
    assert "Running" in phases


def test_a_watch_without_a_version_starts_with_what_is_there(api: Any, namespace: str) -> None:
    api.create_namespaced_config_map(namespace, {"metadata": {"name": "there"}})
    stream = watch.Watch().stream(
        api.list_namespaced_config_map, namespace, field_selector="metadata.name=there", timeout_seconds=1
    )
    started = time.monotonic()
    assert [(event["type"], event["object"].metadata.name) for event in stream] == [("ADDED", "there")]
    assert 0.5 < time.monotonic() - started < 20


def test_leaving_a_selector_looks_like_a_deletion(api: Any, namespace: str) -> None:
    body = {"metadata": {"name": "mover", "labels": {"in": "yes"}}}
    version = api.create_namespaced_config_map(namespace, body).metadata.resource_version
    api.patch_namespaced_config_map("mover", namespace, {"metadata": {"labels": {"in": "no"}}})
    api.patch_namespaced_config_map("mover", namespace, {"metadata": {"labels": {"in": "yes"}}})
    stream = watch.Watch().stream(
        api.list_namespaced_config_map,
        namespace,
        label_selector="in=yes",
        resource_version=version,
        timeout_seconds=2,
    )
    assert [event["type"] for event in stream] == ["DELETED", "ADDED"]


# --- containers
# ---------------------------------------------------------------------------------------------------


def test_a_successful_container(api: Any, namespace: str) -> None:
    ended = run_pod(
        api, namespace, sh_pod("good", "echo out; echo err >&2; printf result > /dev/termination-log")
    )
    assert ended.status.phase == "Succeeded"
    state = ended.status.container_statuses[0].state.terminated
    assert (state.exit_code, state.reason, state.message) == (0, "Completed", "result")
    assert state.started_at <= state.finished_at
    conditions = {item.type: item.status for item in ended.status.conditions}
    assert conditions["PodScheduled"] == conditions["Initialized"] == "True"
    assert conditions["Ready"] == "False"
    assert sorted(log(api, namespace, "good").splitlines()) == ["err", "out"]


def test_a_failed_container(api: Any, namespace: str) -> None:
    ended = run_pod(api, namespace, sh_pod("bad", "exit 3"))
    state = ended.status.container_statuses[0].state.terminated
    assert (ended.status.phase, state.exit_code, state.reason) == ("Failed", 3, "Error")


def test_a_killed_container(api: Any, namespace: str) -> None:
    script = "import os, signal; os.kill(os.getpid(), signal.SIGSEGV) or os.abort()"
    ended = run_pod(api, namespace, pod("killed", container(["sh", "-c", f'python3 -c "{script}"'])))
    assert ended.status.container_statuses[0].state.terminated.exit_code in (139, 134)


def test_a_command_that_is_not_there(api: Any, namespace: str) -> None:
    body = pod("absent", container(["no-such-program"]))
    ended = run_pod(api, namespace, body)
    state = ended.status.container_statuses[0].state.terminated
    assert state.exit_code in (127, 128)
    assert "no-such-program" in state.message
    assert "executable file not found" in state.message


def test_messages_are_cut_and_may_come_from_the_log(api: Any, namespace: str) -> None:
    ended = run_pod(api, namespace, python_pod("long", "open('/dev/termination-log','w').write('x'*5000)"))
    assert len(ended.status.container_statuses[0].state.terminated.message) == 4096
    fallback = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    ended = run_pod(api, namespace, sh_pod("from-log", "echo last words; exit 1", main=fallback))
    assert ended.status.container_statuses[0].state.terminated.message == "last words\n"


def test_a_message_elsewhere(api: Any, namespace: str) -> None:
    body = sh_pod("elsewhere", "printf here > /tmp/message", main={"terminationMessagePath": "/tmp/message"})
    ended = run_pod(api, namespace, body)
    assert ended.status.container_statuses[0].state.terminated.message == "here"


def test_environment_variables(api: Any, namespace: str) -> None:
    api.create_namespaced_secret(
        namespace, {"metadata": {"name": "s"}, "stringData": {"password": "hünter2 $(A)"}}
    )
    api.create_namespaced_config_map(
        namespace, {"metadata": {"name": "c"}, "data": {"COLOUR": "blue", "not-1": "x"}}
    )
    env = [
        {"name": "A", "value": "one"},
        {"name": "B", "value": "$(A) $(MISSING) $$(A) {{ x }} \"'\n🦆"},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        {"name": "NOTHING", "valueFrom": {"secretKeyRef": {"name": "s", "key": "absent", "optional": True}}},
        {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['team']"}}},
        {"name": "LIMIT", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]
    main = {
        "env": env,
        "envFrom": [{"prefix": "CFG_", "configMapRef": {"name": "c"}}],
        "args": ["$(A)", "$$(A)"],
        "resources": {"limits": {"memory": "1Gi", "cpu": "1"}},
    }
    script = "import json, os, sys; print(json.dumps([dict(os.environ), sys.argv[1:]]))"
    run_pod(api, namespace, python_pod("env", script, main=main, labels={"team": "ducks"}))
    seen, arguments = json.loads(log(api, namespace, "env"))
    assert seen["A"] == "one"
    assert seen["B"] == "one $(MISSING) $(A) {{ x }} \"'\n🦆"
    assert seen["PASSWORD"] == "hünter2 $(A)"
    assert "NOTHING" not in seen
    assert (seen["POD"], seen["LABEL"], seen["LIMIT"]) == ("env", "ducks", "1024")
    assert seen["CFG_COLOUR"] == "blue"
    assert arguments == ["one", "$(A)"]


def test_a_missing_secret_holds_the_pod_until_it_comes(api: Any, namespace: str) -> None:
    reference = {"secretKeyRef": {"name": "late", "key": "k"}}
    main = {"env": [{"name": "K", "valueFrom": reference}]}
    created = api.create_namespaced_pod(namespace, sh_pod("waiting", 'printf "$K"', main=main))

    def waits(found: Any) -> bool:
        statuses = found.status.container_statuses or []
        return any(
            s.state.waiting and s.state.waiting.reason == "CreateContainerConfigError" for s in statuses
        )

    held = wait_for(api, namespace, "waiting", waits, version=created.metadata.resource_version)
    assert held.status.phase == "Pending"
    assert 'secret "late" not found' in held.status.container_statuses[0].state.waiting.message
    api.create_namespaced_secret(namespace, {"metadata": {"name": "late"}, "stringData": {"k": "now"}})
    wait_for(api, namespace, "waiting", lambda found: found.status.phase == "Succeeded", seconds=120)
    assert log(api, namespace, "waiting") == "now"


def test_volumes(api: Any, namespace: str) -> None:
    api.create_namespaced_secret(namespace, {"metadata": {"name": "s"}, "stringData": {"key": "secret!"}})
    api.create_namespaced_config_map(namespace, {"metadata": {"name": "c"}, "data": {"a": "1", "b": "2"}})
    volumes = [
        {"name": "work", "emptyDir": {}},
        {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o400}},
        {"name": "config", "configMap": {"name": "c", "items": [{"key": "b", "path": "deep/b.txt"}]}},
    ]
    mounts = [
        {"name": "work", "mountPath": "/data/in/box"},
        {"name": "work", "mountPath": "/part", "subPath": "part"},
        {"name": "secret", "mountPath": "/etc/tradewind-secret", "readOnly": True},
        {"name": "config", "mountPath": "/config"},
    ]
    script = (
        "cat /etc/tradewind-secret/key; ls /config; cat /config/deep/b.txt; echo x > /part/file;"
        " cat /data/in/box/part/file; ls /data/in/box; stat -Lc %a /etc/tradewind-secret/key;"
        " echo y > /etc/tradewind-secret/new && echo writable"
    )
    body = sh_pod("volumes", script, main={"volumeMounts": mounts}, volumes=volumes)
    run_pod(api, namespace, body)
    lines = log(api, namespace, "volumes").splitlines()
    assert lines[:5] == ["secret!deep", "2x", "part", "400", lines[4]]
    assert "Read-only" in lines[4]
    assert "writable" not in lines


def test_init_containers_run_first_and_in_order(api: Any, namespace: str) -> None:
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    first = container(["sh", "-c", "echo 1 >> /shared/order"], "first", **mount)
    second = container(["sh", "-c", "echo 2 >> /shared/order"], "second", **mount)
    main = container(["cat", "/shared/order"], **mount)
    volumes = [{"name": "shared", "emptyDir": {}}]
    ended = run_pod(api, namespace, pod("inits", main, initContainers=[first, second], volumes=volumes))
    assert log(api, namespace, "inits", container="main") == "1\n2\n"
    assert [item.state.terminated.exit_code for item in ended.status.init_container_statuses] == [0, 0]


def test_a_failed_init_container_fails_the_pod(api: Any, namespace: str) -> None:
    first = container(["sh", "-c", "exit 7"], "first")
    ended = run_pod(api, namespace, pod("init-fails", container(["true"]), initContainers=[first]))
    assert ended.status.phase == "Failed"
    assert ended.status.init_container_statuses[0].state.terminated.exit_code == 7
    assert ended.status.container_statuses[0].state.waiting.reason == "PodInitializing"


def test_several_containers(api: Any, namespace: str) -> None:
    good, bad = container(["sh", "-c", "echo from one"], "one"), container(["sh", "-c", "exit 2"], "two")
    ended = run_pod(api, namespace, pod("both", good, bad))
    assert ended.status.phase == "Failed"
    codes = {item.name: item.state.terminated.exit_code for item in ended.status.container_statuses}
    assert codes == {"one": 0, "two": 2}
    code, status = failure(api.read_namespaced_pod_log, "both", namespace)
    assert code == 400
    assert "a container name must be specified for pod both" in status["message"]
    assert log(api, namespace, "both", container="one") == "from one\n"
    assert failure(api.read_namespaced_pod_log, "both", namespace, container="three")[0] == 400


def test_restart_on_failure(api: Any, namespace: str) -> None:
    script = "if [ -e /shared/again ]; then echo second; else touch /shared/again; echo first; exit 1; fi"
    body = sh_pod(
        "again",
        script,
        main={"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]},
        volumes=[{"name": "shared", "emptyDir": {}}],
        restartPolicy="OnFailure",
    )
    ended = run_pod(api, namespace, body)
    status = ended.status.container_statuses[0]
    assert (ended.status.phase, status.restart_count) == ("Succeeded", 1)
    assert status.last_state.terminated.exit_code == 1
    assert log(api, namespace, "again") == "second\n"
    assert log(api, namespace, "again", previous=True) == "first\n"


def test_a_deadline_ends_the_pod(api: Any, namespace: str) -> None:
    started = time.monotonic()
    ended = run_pod(api, namespace, sh_pod("late", "exec sleep 60", activeDeadlineSeconds=1))
    assert (ended.status.phase, ended.status.reason) == ("Failed", "DeadlineExceeded")
    assert time.monotonic() - started < 30


@pytest.mark.parametrize(
    ("image", "reasons"),
    [
        ("missing.invalid/nothing:1", {"ErrImagePull", "ImagePullBackOff"}),
        ("Not A Name", {"InvalidImageName"}),
    ],
)
def test_images_that_cannot_be_had(api: Any, namespace: str, image: str, reasons: set[str]) -> None:
    created = api.create_namespaced_pod(namespace, pod("no-image", container(["true"]) | {"image": image}))

    def waits(found: Any) -> bool:
        statuses = found.status.container_statuses or []
        return any(item.state.waiting and item.state.waiting.reason in reasons for item in statuses)

    held = wait_for(api, namespace, "no-image", waits, version=created.metadata.resource_version)
    assert held.status.phase == "Pending"
    api.delete_namespaced_pod("no-image", namespace)
    wait_until_gone(api, namespace, "no-image")


# --- deletion
# -----------------------------------------------------------------------------------------------------


def wait_until_gone(api: Any, namespace: str, name: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            api.read_namespaced_pod(name, namespace)
        except ApiException as error:
            if error.status != 404:
                raise
            return
        time.sleep(0.02)
    raise AssertionError(f"{name} is still there")


def start_and_wait(api: Any, namespace: str, body: dict[str, Any]) -> Any:
    created = api.create_namespaced_pod(namespace, body)
    name, version = created.metadata.name, created.metadata.resource_version
    return wait_for(api, namespace, name, lambda found: found.status.phase == "Running", version=version)


def test_deletion_asks_first(api: Any, namespace: str) -> None:
    script = 'trap "echo asked; exit 5" TERM; echo ready; while :; do sleep 0.05; done'
    start_and_wait(api, namespace, sh_pod("polite", script, terminationGracePeriodSeconds=20))
    wait_for_log(api, namespace, "polite", "ready")
    version = api.read_namespaced_pod("polite", namespace).metadata.resource_version
    deleted = api.delete_namespaced_pod("polite", namespace)
    assert deleted.metadata.deletion_grace_period_seconds == 20
    assert deleted.metadata.deletion_timestamp is not None

    def ended(found: Any) -> bool:
        return found.status.container_statuses[0].state.terminated is not None

    last = wait_for(api, namespace, "polite", ended, version=version)
    assert last.status.container_statuses[0].state.terminated.exit_code == 5
    wait_until_gone(api, namespace, "polite")


def wait_for_log(api: Any, namespace: str, name: str, text: str) -> None:
    deadline = time.monotonic() + 30
    while text not in log(api, namespace, name):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_deletion_ends_those_that_do_not_listen(api: Any, namespace: str) -> None:
    script = 'trap "" TERM; echo ready; while :; do sleep 0.05; done'
    start_and_wait(api, namespace, sh_pod("stubborn", script))
    wait_for_log(api, namespace, "stubborn", "ready")
    started = time.monotonic()
    api.delete_namespaced_pod("stubborn", namespace, grace_period_seconds=1)
    wait_until_gone(api, namespace, "stubborn")
    assert 0.9 < time.monotonic() - started < 15


def test_deletion_without_grace_is_immediate(api: Any, namespace: str) -> None:
    start_and_wait(api, namespace, sh_pod("now", "sleep 60"))
    api.delete_namespaced_pod("now", namespace, grace_period_seconds=0)
    assert failure(api.read_namespaced_pod, "now", namespace)[0] == 404


def test_collections_can_be_deleted(api: Any, namespace: str) -> None:
    for name, label in (("x1", "x"), ("x2", "x"), ("y1", "y")):
        run_pod(api, namespace, sh_pod(name, "true", labels={"group": label}))
    api.delete_collection_namespaced_pod(namespace, label_selector="group=x")
    wait_until_gone(api, namespace, "x1")
    wait_until_gone(api, namespace, "x2")
    assert api.read_namespaced_pod("y1", namespace)


# --- logs
# ---------------------------------------------------------------------------------------------------------


def test_parts_of_a_log(api: Any, namespace: str) -> None:
    run_pod(api, namespace, sh_pod("talk", "for i in 1 2 3 4 5; do echo line $i; done; printf end"))
    everything = "line 1\nline 2\nline 3\nline 4\nline 5\nend"
    assert log(api, namespace, "talk") == everything
    assert log(api, namespace, "talk", tail_lines=2) == "line 5\nend"
    assert log(api, namespace, "talk", tail_lines=100) == everything
    assert log(api, namespace, "talk", limit_bytes=8) == "line 1\nl"
    stamped = log(api, namespace, "talk", timestamps=True, tail_lines=2).splitlines()[0]
    stamp, _, text = stamped.partition(" ")
    assert text == "line 5"
    assert stamp.startswith("20")
    assert stamp.endswith("Z")
    assert log(api, namespace, "talk", since_seconds=3600) == everything


def test_a_log_can_be_followed(api: Any, namespace: str) -> None:
    script = "for i in 1 2 3; do echo tick $i; sleep 0.4; done"
    start_and_wait(api, namespace, sh_pod("ticks", script))
    response = api.read_namespaced_pod_log("ticks", namespace, follow=True, _preload_content=False)
    arrivals = []
    for line in response:
        arrivals.append((time.monotonic(), line.decode().strip()))
    assert [text for _, text in arrivals] == ["tick 1", "tick 2", "tick 3"]
    assert arrivals[-1][0] - arrivals[0][0] > 0.3
    assert api.read_namespaced_pod("ticks", namespace).status.phase in ("Running", "Succeeded")


def test_a_log_that_is_not_there_yet(api: Any, namespace: str) -> None:
    api.create_namespaced_pod(namespace, pod("silent", container(["true"]) | {"image": "missing.invalid/x"}))
    code, status = failure(api.read_namespaced_pod_log, "silent", namespace)
    assert code == 400
    assert "waiting to start" in status["message"] or "not available" in status["message"]


def test_odd_output(api: Any, namespace: str) -> None:
    script = (
        "import sys; sys.stdout.buffer.write(b'\\xff\\xfe\\r50%\\r100%\\n' + b'x'*100000 + b'\\n\\nend\\n')"
    )
    run_pod(api, namespace, python_pod("odd", script))
    data = api.read_namespaced_pod_log("odd", namespace, _preload_content=False).data
    assert data == b"\xff\xfe\r50%\r100%\n" + b"x" * 100000 + b"\n\nend\n"


# --- events and permissions
# ---------------------------------------------------------------------------------------


def test_events_tell_what_happened(api: Any, namespace: str) -> None:
    run_pod(api, namespace, sh_pod("told", "true"))
    found = api.list_namespaced_event(namespace, field_selector="involvedObject.name=told").items
    assert {"Scheduled", "Pulled", "Created", "Started"} <= {event.reason for event in found}
    assert all(
        (event.involved_object.kind == "Pod" and event.first_timestamp) or event.event_time for event in found
    )


def test_permissions_can_be_asked_for(api: Any) -> None:
    spec = {"resourceAttributes": {"namespace": "default", "verb": "create", "resource": "pods"}}
    review = client.AuthorizationV1Api(api.api_client).create_self_subject_access_review({"spec": spec})
    assert review.status.allowed is True


def test_a_slow_watcher_does_not_hold_others(api: Any, namespace: str) -> None:
    """One watcher that never reads, many changes, and another watcher that gets them all."""
    sleeper = api.list_namespaced_config_map(namespace, watch=True, _preload_content=False)
    got: list[str] = []
    version = api.list_namespaced_config_map(namespace).metadata.resource_version

    def read() -> None:
        stream = watch.Watch().stream(
            api.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=20
        )
        for event in stream:
            got.append(event["object"].metadata.name)
            if len(got) == 30:
                return

    reader = threading.Thread(target=read)
    reader.start()
    for index in range(30):
        api.create_namespaced_config_map(
            namespace, {"metadata": {"name": f"n{index:02}"}, "data": {"x": "y" * 50000}}
        )
    reader.join(20)
    sleeper.release_conn()
    assert got == [f"n{index:02}" for index in range(30)]
