"""Each way in which a pod can end has a kind of its own, and a message that says what to do."""

from __future__ import annotations

from typing import Any

import pytest

from tradewind.cluster.ends import PodEnd, ended
from tradewind.cluster.starts import never_started, stuck, unmountable
from tradewind.errors import FatalError, RetryableError

OK = {"protocol": 1, "ok": True, "parameters": {}, "artifacts": {}}


def failed_with(kind: str, type_: str = "ValueError", message: str = "bad rows") -> dict[str, Any]:
    error = {
        "kind": kind,
        "type": type_,
        "message": message,
        "traceback": "Traceback ...\nValueError: bad rows",
    }
    return {"protocol": 1, "ok": False, "error": error}


def pod(
    state: dict[str, Any] | None = None, *, init: dict[str, Any] | None = None, **status: Any
) -> dict[str, Any]:
    statuses = [{"name": "base", "state": state}] if state else []
    found = {
        "metadata": {"name": "train-1", "namespace": "ml"},
        "spec": {
            "activeDeadlineSeconds": 60,
            "containers": [
                {"name": "base", "image": "reg/x:1", "resources": {"limits": {"memory": "256Mi"}}}
            ],
            "initContainers": [{"name": "fetch", "image": "reg/fetch:1"}],
        },
        "status": {"containerStatuses": statuses, **status},
    }
    if init:
        found["status"]["initContainerStatuses"] = [{"name": "fetch", "state": init}]
    return found


def exited(code: int, reason: str = "Error") -> dict[str, Any]:
    return {"terminated": {"exitCode": code, "reason": reason}}


DISRUPTED = [{"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}]

ENDINGS = [
    ("succeeded", pod(exited(0)), OK),
    ("user_error", pod(exited(1)), failed_with("user")),
    ("user_error", pod(exited(3)), None),
    ("user_error", pod(exited(137)), failed_with("user", "NoResult", "The process ended without a result")),
    ("package_error", pod(exited(1)), failed_with("package")),
    ("input_error", pod(exited(1)), failed_with("input")),
    ("output_error", pod(exited(1)), failed_with("output")),
    ("store_error", pod(exited(1)), failed_with("store")),
    ("stopped_error", pod(exited(143)), failed_with("stopped")),
    ("protocol_error", pod(exited(1)), failed_with("protocol")),
    ("protocol_error", pod(exited(1)), failed_with("martian")),
    ("no_result", pod(exited(0)), None),
    ("out_of_memory", pod(exited(137, "OOMKilled")), failed_with("user", "NoResult")),
    ("deadline_exceeded", pod(exited(137), phase="Failed", reason="DeadlineExceeded"), None),
    ("deadline_exceeded", pod(phase="Failed", reason="DeadlineExceeded"), None),
    ("evicted", pod(exited(137), phase="Failed", reason="Evicted", message="low on memory"), None),
    ("evicted", pod(phase="Failed", reason="OutOfcpu"), None),
    ("evicted", pod(phase="Failed", reason="NodeAffinity"), None),
    ("preempted", pod(exited(143), phase="Failed", conditions=DISRUPTED), failed_with("stopped")),
    ("node_lost", pod(phase="Failed", reason="NodeLost"), None),
    ("node_lost", pod(phase="Failed", reason="Shutdown"), None),
    ("init_failed", pod(phase="Failed", init=exited(5)), None),
    ("start_failed", pod(exited(128, "StartError")), None),
]


@pytest.mark.parametrize(("kind", "seen", "result"), ENDINGS)
def test_an_end_has_its_kind(kind: str, seen: dict[str, Any], result: dict[str, Any] | None) -> None:
    assert ended(seen, "base", result, ()).kind == kind


def test_a_pod_that_was_deleted_while_it_ran() -> None:
    running = pod({"running": {}}, phase="Running")
    assert ended(running, "base", None, (), gone=True).kind == "deleted"
    stopped = pod(exited(143), phase="Running")
    stopped["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert ended(stopped, "base", failed_with("stopped"), ()).kind == "deleted"


def test_a_step_that_had_succeeded_before_its_pod_was_deleted_has_succeeded() -> None:
    seen = pod(exited(0))
    seen["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert ended(seen, "base", OK, ()).succeeded


def test_a_plain_command_needs_no_result() -> None:
    assert ended(pod(exited(0)), "base", None, (), plain=True).succeeded
    assert ended(pod(exited(2)), "base", None, (), plain=True).kind == "user_error"


def test_the_error_names_pod_exit_code_cause_and_remedy() -> None:
    end = ended(pod(exited(137, "OOMKilled")), "base", None, ["epoch 1", "epoch 2"])
    text = str(end.error("train-1 in namespace ml"))
    assert "exit code 137" in text
    assert "256Mi" in text
    assert "train-1 in namespace ml" in text
    assert "epoch 2" in text
    assert "Remedy: Raise the step's memory limit" in text


def test_a_traceback_stands_for_the_log() -> None:
    end = ended(pod(exited(1)), "base", failed_with("user"), ["Traceback ..."])
    text = str(end.error("p"))
    assert text.count("Traceback") == 1
    assert "ValueError: bad rows" in text


def test_a_kill_without_a_reason_names_the_signal() -> None:
    end = ended(pod(exited(137)), "base", failed_with("user", "NoResult", "no result"), ())
    assert "SIGKILL" in end.message
    assert "memory" in end.remedy


@pytest.mark.parametrize(
    ("kind", "error"),
    [("user_error", RetryableError), ("evicted", RetryableError), ("out_of_memory", FatalError)],
)
def test_the_kind_decides_about_retries(kind: Any, error: type[Exception]) -> None:
    assert type(PodEnd(kind, "x").error("p")) is error


WAITS = [
    ("InvalidImageName", "couldn't parse", "image_name_invalid"),
    ("ErrImagePull", 'manifest for "reg/x:1" not found', "image_not_found"),
    ("ErrImagePull", "pull access denied", "image_not_found"),
    ("ErrImagePull", "i/o timeout", None),
    ("ImagePullBackOff", "i/o timeout", "image_unavailable"),
    ("ImagePullBackOff", 'Back-off pulling image "reg/x:1"', "image_unavailable"),
    ("ErrImageNeverPull", "", "image_not_found"),
    ("CreateContainerConfigError", "failed to sync secret cache: timed out waiting for the condition", None),
    ("CreateContainerConfigError", "container has runAsNonRoot and image will run as root", "cannot_start"),
    ("CreateContainerConfigError", "couldn't find key k in Secret ml/x", "configuration_missing"),
    ("CreateContainerConfigError", 'secret "x" not found', "configuration_missing"),
    ("RunContainerError", "exec: no such file", "cannot_start"),
    ("ContainerCreating", "", None),
    ("PodInitializing", "", None),
]


@pytest.mark.parametrize(("reason", "message", "kind"), WAITS)
def test_a_pod_that_cannot_start_is_known_at_once(reason: str, message: str, kind: str | None) -> None:
    end = stuck(pod({"waiting": {"reason": reason, "message": message}}))
    assert (end.kind if end else None) == kind
    if end and "image" in end.kind:
        assert "reg/x:1" in end.message


NO_SHELL = (
    'runc create failed: unable to start container process: exec: "sh": executable file not found in $PATH'
)


@pytest.mark.parametrize(
    "state",
    [
        {"terminated": {"exitCode": 128, "reason": "StartError", "message": NO_SHELL}},
        {"terminated": {"exitCode": 127, "reason": "ContainerCannotRun", "message": NO_SHELL}},
        {"waiting": {"reason": "RunContainerError", "message": NO_SHELL}},
        {"waiting": {"reason": "CreateContainerError", "message": "executable file `sh` not found in $PATH"}},
    ],
)
def test_an_image_without_a_shell_has_a_remedy(state: dict[str, Any]) -> None:
    seen = pod(state)
    end = ended(seen, "base", None, ()) if "terminated" in state else stuck(seen)
    assert end is not None
    assert end.kind == "cannot_start"
    assert "not found in $PATH" in end.message
    assert "helper_for = outputs" in end.remedy


def test_an_image_without_the_command_is_no_matter_of_the_shell() -> None:
    message = NO_SHELL.replace('"sh"', '"shred"')
    state = {"terminated": {"exitCode": 128, "reason": "StartError", "message": message}}
    end = ended(pod(state), "base", None, (), plain=True)
    assert end.kind == "cannot_start"
    assert "has the command" in end.remedy


def test_an_init_container_that_cannot_start_counts() -> None:
    end = stuck(
        pod({"waiting": {"reason": "PodInitializing"}}, init={"waiting": {"reason": "InvalidImageName"}})
    )
    assert end is not None
    assert "reg/fetch:1" in end.message


def test_the_schedulers_reason_is_told() -> None:
    condition = {"type": "PodScheduled", "status": "False", "message": "0/3 nodes: Insufficient cpu"}
    end = never_started(pod(conditions=[condition]), 120, [])
    assert end.kind == "unschedulable"
    assert "Insufficient cpu" in end.message


def test_the_warning_of_a_pod_that_hangs_is_told() -> None:
    seen = pod({"waiting": {"reason": "ContainerCreating"}})
    seen["spec"]["nodeName"] = "n1"
    events = [
        {"type": "Normal", "reason": "Scheduled", "message": "fine"},
        {"type": "Warning", "reason": "FailedMount", "message": "no such claim"},
    ]
    end = never_started(seen, 30, events)
    assert end.kind == "start_timeout"
    assert "no such claim" in end.message
    assert "fine" not in end.message


def warning(reason: str, message: str) -> dict[str, Any]:
    return {"type": "Warning", "reason": reason, "message": message}


def test_why_an_image_could_not_be_pulled_is_told_by_events_when_its_state_no_longer_does() -> None:
    waits = pod({"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "reg/x:1"'}})
    events = [
        warning("Failed", 'Failed to pull image "reg/x:1": rpc error: reg/x:1: not found'),
        warning("Failed", "Error: ErrImagePull"),
    ]
    end = stuck(waits, events)
    assert end is not None
    assert end.kind == "image_not_found"
    assert end.message == "the image 'reg/x:1' cannot be pulled: rpc error: reg/x:1: not found"
    assert "secrets" not in end.remedy


def test_a_registry_that_wants_to_know_who_asks() -> None:
    state = {"waiting": {"reason": "ErrImagePull", "message": "pull access denied, 401 Unauthorized"}}
    end = stuck(pod(state))
    assert end is not None
    assert "needs image_pull_secrets. The pod has none." in end.remedy


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ('MountVolume.SetUp failed for volume "v" : secret "keys" not found', "configuration_missing"),
        ('MountVolume.SetUp failed for volume "v" : configmap "settings" not found', "configuration_missing"),
        (
            'MountVolume.SetUp failed for volume "v" : references non-existent secret key: k',
            "configuration_missing",
        ),
        ('MountVolume.SetUp failed for volume "v" : connection timed out', "start_timeout"),
    ],
)
def test_a_volume_that_cannot_be_mounted(message: str, kind: str) -> None:
    waits = pod({"waiting": {"reason": "ContainerCreating"}}, phase="Pending")
    waits["spec"]["nodeName"] = "node1"
    events = [warning("FailedMount", message)]
    end = never_started(waits, 120, events)
    assert end.kind == kind
    assert message in end.message
    assert (unmountable(events) is None) == (kind == "start_timeout")


@pytest.mark.parametrize(
    ("events", "kind"),
    [
        ([], "deleted"),
        ([warning("Killing", "Stopping container base")], "deleted"),
        ([warning("TaintManagerEviction", "Marking for deletion Pod ml/train-1")], "node_lost"),
        ([warning("Preempted", "Preempted by ml/other on node node1")], "preempted"),
    ],
)
def test_who_deleted_a_pod_is_told_by_events(events: list[dict[str, Any]], kind: str) -> None:
    running = pod({"running": {}}, phase="Running")
    assert ended(running, "base", None, (), gone=True, events=events).kind == kind


def test_a_node_that_does_not_confirm_an_end_is_lost() -> None:
    running = pod({"running": {}}, phase="Running")
    end = ended(running, "base", None, (), gone=True, silent=True)
    assert end.kind == "node_lost"
    assert "has not confirmed" in end.message


def test_the_limit_is_that_of_the_steps_own_container() -> None:
    seen = pod(exited(137, "OOMKilled"))
    seen["spec"]["containers"].insert(0, {"name": "proxy", "resources": {"limits": {"memory": "1Mi"}}})
    assert "limit 256Mi" in ended(seen, "base", None, ()).message
    del seen["spec"]["containers"][1]["resources"]
    assert "no limit" in ended(seen, "base", None, ()).message
