"""Steps on the embedded cluster: what goes in comes out, and what goes wrong is said well."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from fixtures.steps import StepRun, TaskInstance, command_step, python_step
from tradewind.cluster.names import StepIdentity, run_of
from tradewind.plan.bindings import Constant, StepParameter
from tradewind.plan.model import Cache, Container, ParameterInput, ParameterOutput

ECHO = "def work(text: str) -> str:\n    return text\n"
STRANGE = {
    "template": "{{ ds }} {{ conn.x }} {% raw %}",
    "placeholder": "{{$.inputs.parameters['text']}} {{$}}",
    "quotes": 'it\'s "quoted" `date` \\ ',
    "shell": "$(touch /tmp/x) $HOME ${PATH} $$ $(HOSTNAME)",
    "newlines": "a\nb\r\n\tc\n",
    "emoji": "naïve 🚀 \u2028",
    "empty": "",
    "a megabyte": "x" * 300_000 + "🚀" * 100_000,
}


def names(core_api: Any, namespace: str) -> list[str]:
    return [pod.metadata.name for pod in core_api.list_namespaced_pod(namespace).items]


@pytest.mark.parametrize("value", [v for k, v in STRANGE.items() if k != "a megabyte"], ids=str)
def test_a_value_is_data(on_cluster: str, value: str) -> None:
    assert StepRun(python_step(ECHO, {"text": value})).execute()["parameters"] == {"Output": value}


@pytest.mark.parametrize("value", ["$(HOSTNAME) $HOME $$ `x` \"'", "{{ ds }}", "a\nb"])
def test_a_value_is_data_in_a_command_and_its_environment(on_cluster: str, value: str, tmp_path: Any) -> None:
    out = tmp_path / "out"
    step = command_step(
        "sh",
        "-c",
        'printf "%s|%s" "$1" "$GIVEN" >"$2"',
        "sh",
        "{{$.inputs.parameters['text']}}",
        str(out),
        parameters={"text": ParameterInput("STRING", Constant(value))},
        container=Container("busybox", env=(("GIVEN", "{{$.inputs.parameters['text']}}"),)),
    )
    pod = {
        "volumes": [{"name": "out", "hostPath": {"path": str(tmp_path)}}],
        "volume_mounts": [{"name": "out", "mountPath": str(tmp_path)}],
    }
    assert StepRun(step, pod=pod).execute()["parameters"] == {}
    assert out.read_text() == f"{value}|{value}"


def test_a_megabyte_of_text_arrives_and_a_large_result_comes_back(tracked: str) -> None:
    value = STRANGE["a megabyte"]
    assert StepRun(python_step(ECHO, {"text": value})).execute()["parameters"] == {"Output": value}


def test_nul_is_refused(on_cluster: str, core_api: Any) -> None:
    with pytest.raises(AirflowFailException, match="NUL"):
        StepRun(python_step(ECHO, {"text": "a\0b"})).execute()
    assert names(core_api, on_cluster) == []


def test_a_step_takes_four_requests_and_leaves_no_pod(on_cluster: str, cluster: Any, core_api: Any) -> None:
    cluster.requests(reset=True)
    StepRun(python_step(ECHO, {"text": "x"})).execute()
    ours = Counter(
        {
            f"{r['verb']} {r['resource']}": r["count"]
            for r in cluster.requests()
            if r["userAgent"] == "tradewind"
        }
    )
    assert ours == {"create pods": 1, "watch pods": 1, "get pods/log": 1, "delete pods": 1}
    assert names(core_api, on_cluster) == []


def test_the_log_is_complete_and_in_order(
    on_cluster: str, caplog: pytest.LogCaptureFixture, monkeypatch: Any
) -> None:
    from tradewind.operators.pod_log import PodLog

    shown: list[str] = []
    monkeypatch.setattr(PodLog, "show", lambda self, container, line: shown.append(line))
    source = "def work():\n    for i in range(3000):\n        print(f'line {i}')\n"
    StepRun(python_step(source)).execute()
    assert [line for line in shown if line.startswith("line")] == [f"line {i}" for i in range(3000)]


# --- ends -------------------------------------------------------------------------------------------------


def failure(run: StepRun, kind: type[Exception] = AirflowException) -> str:
    with pytest.raises(kind) as caught:
        run.execute()
    assert type(caught.value) is kind
    return str(caught.value)


def test_user_code_that_raises(on_cluster: str, core_api: Any) -> None:
    source = "def work():\n    print('reading')\n    raise ValueError('no rows in {{ ds }}')\n"
    text = failure(StepRun(python_step(source)))
    assert "ValueError: no rows in {{ ds }}" in text
    assert "exit code 1" in text
    assert "in work" in text  # the traceback
    assert f"in namespace {on_cluster}" in text
    assert names(core_api, on_cluster) == []


def test_a_command_that_fails(on_cluster: str) -> None:
    text = failure(StepRun(command_step("sh", "-c", "echo working; echo broken >&2; exit 3")))
    assert "exit code 3" in text
    assert "broken" in text


def test_user_code_that_ends_its_process(on_cluster: str) -> None:
    assert "NoResult" in failure(StepRun(python_step("def work() -> str:\n    import os\n    os._exit(0)\n")))
    text = failure(StepRun(python_step("def work():\n    import os\n    os.kill(os.getpid(), 9)\n")))
    assert "SIGKILL" in text


def test_an_image_that_cannot_be_pulled_fails_at_once(on_cluster: str, core_api: Any) -> None:
    started = time.monotonic()
    step = python_step(ECHO, {"text": "x"}, container=Container("missing.invalid/x:1"))
    text = failure(StepRun(step), AirflowFailException)
    assert "missing.invalid/x:1" in text
    assert "Remedy: Check the image" in text
    assert time.monotonic() - started < 20
    assert names(core_api, on_cluster) == []


def test_a_missing_secret_fails_at_once(on_cluster: str) -> None:
    env = [{"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "no-such", "key": "k"}}}]
    text = failure(StepRun(python_step(ECHO, {"text": "x"}), pod={"env_vars": env}), AirflowFailException)
    assert "no-such" in text
    assert "Create the secret" in text


def test_a_deadline(on_cluster: str) -> None:
    run = StepRun(command_step("sleep", "60"), pod={"active_deadline_seconds": 1})
    assert "deadline of 1 s" in failure(run)


def test_an_init_container_that_fails(on_cluster: str) -> None:
    init = [{"name": "fetch", "image": "busybox", "command": ["sh", "-c", "exit 5"]}]
    text = failure(StepRun(command_step("true"), pod={"init_containers": init}))
    assert "init container 'fetch' failed" in text
    assert "exit code 5" in text


def test_a_pod_that_the_cluster_refuses(on_cluster: str) -> None:
    text = failure(StepRun(command_step("true"), pod={"labels": {"not ok": "x"}}), AirflowFailException)
    assert "does not admit" in text


def test_a_connection_that_does_not_exist(on_cluster: str) -> None:
    text = failure(StepRun(command_step("true"), pod={"kubernetes_conn_id": "nowhere"}), AirflowFailException)
    assert "nowhere" in text


def test_an_upstream_step_without_a_result(on_cluster: str) -> None:
    parameters = {"text": ParameterInput("STRING", StepParameter("before", "Output"))}
    run = StepRun(python_step(ECHO, parameters=parameters))
    assert "'before' was skipped or has failed" in failure(run, AirflowFailException)
    run.ti.states = {"before": "success"}
    assert "'before' left no result" in failure(run)
    ti = TaskInstance(xcoms={("before", "return_value"): {"parameters": {}, "artifacts": {}}})
    run = StepRun(python_step(ECHO, parameters=parameters), ti=ti)
    assert "'before' left no output 'Output'" in failure(run, AirflowFailException)


def test_an_exit_code_that_means_skip(on_cluster: str) -> None:
    with pytest.raises(AirflowSkipException):
        StepRun(command_step("sh", "-c", "exit 99"), pod={"skip_on_exit_code": 99}).execute()


# --- KubernetesPodOperator's own ----------------------------------------------------------------------------


def test_the_authors_pod_arguments_reach_the_pod(on_cluster: str, core_api: Any) -> None:
    core_api.create_namespaced_secret(
        on_cluster, {"metadata": {"name": "s"}, "stringData": {"k": "from the secret"}}
    )
    pod = {
        "on_finish_action": "keep_pod",
        "labels": {"team": "ml"},
        "annotations": {"day": "{{ ds }}"},
        "env_vars": {"DAY": "{{ ds }}", "SHARED": "author"},
        "env_from": [{"secretRef": {"name": "s"}}],
        "container_resources": {"requests": {"cpu": "10m"}},
        "termination_grace_period": 7,
        "pod_template_dict": {"metadata": {"labels": {"from": "template"}}, "spec": {"containers": []}},
    }
    source = (
        "def work() -> str:\n    import os\n"
        "    return '|'.join(os.environ[name] for name in ('DAY', 'SHARED', 'OWN', 'k'))\n"
    )
    step = python_step(source, container=Container("x", env=(("SHARED", "component"), ("OWN", "{{ ds }}"))))
    result = StepRun(step, pod=pod).execute()
    assert result["parameters"]["Output"] == "2026-01-02|author|{{ ds }}|from the secret"
    (made,) = core_api.list_namespaced_pod(on_cluster).items
    assert made.metadata.labels["team"] == "ml"
    assert made.metadata.labels["from"] == "template"
    assert made.metadata.labels["dag_id"] == "dag"
    assert made.metadata.labels["tradewind.dev/collected"] == "true"
    assert made.metadata.annotations["day"] == "2026-01-02"
    assert made.spec.containers[0].resources.requests == {"cpu": "10m"}
    assert made.spec.termination_grace_period_seconds == 7
    assert made.spec.restart_policy == "Never"
    assert len(made.spec.containers) == 1


def test_callbacks_are_called_in_order(on_cluster: str) -> None:
    from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback

    calls: list[str] = []

    class Callback(KubernetesPodOperatorCallback):  # type: ignore[misc]
        @staticmethod
        def on_pod_manifest_created(*, pod_request: Any, **_: Any) -> None:
            calls.append(f"manifest {pod_request.spec.containers[0].name}")

        @staticmethod
        def on_pod_creation(*, pod: Any, **_: Any) -> None:
            calls.append(f"creation {pod.metadata.name != ''}")

        @staticmethod
        def on_pod_starting(*, pod: Any, **_: Any) -> None:
            calls.append(f"starting {pod.status.phase}")

        @staticmethod
        def on_pod_completion(*, pod: Any, **_: Any) -> None:
            calls.append("completion")

        @staticmethod
        def on_pod_cleanup(*, pod: Any, **_: Any) -> None:
            calls.append("cleanup")

        @staticmethod
        def progress_callback(*, line: str, container_name: str, **_: Any) -> None:
            calls.append(f"{container_name}: {line}")

    StepRun(command_step("sh", "-c", "echo hello; sleep 0.5"), pod={"callbacks": [Callback]}).execute()
    assert calls == [
        "manifest base",
        "creation True",
        "starting Running",
        "base: hello",
        "completion",
        "cleanup",
    ]


def test_the_pod_mutation_hook_is_applied(
    on_cluster: str, core_api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.providers.cncf.kubernetes.operators import pod as provider

    monkeypatch.setattr(provider, "pod_mutation_hook", lambda pod: pod.metadata.labels.update(mutated="yes"))
    StepRun(command_step("true"), pod={"on_finish_action": "keep_pod"}).execute()
    (made,) = core_api.list_namespaced_pod(on_cluster).items
    assert made.metadata.labels["mutated"] == "yes"


@pytest.mark.parametrize("by", ["hook", "callback"])
def test_who_changes_a_pod_cannot_take_away_whose_it_is(
    on_cluster: str, core_api: Any, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    from airflow.providers.cncf.kubernetes.callbacks import KubernetesPodOperatorCallback
    from airflow.providers.cncf.kubernetes.operators import pod as provider

    def change(pod: Any) -> None:
        pod.metadata.labels = {"team": "a"}
        pod.metadata.annotations = None
        pod.metadata.name = "another"

    class Callback(KubernetesPodOperatorCallback):  # type: ignore[misc]
        @staticmethod
        def on_pod_manifest_created(*, pod_request: Any, **_: Any) -> None:
            change(pod_request)

    pod: dict[str, Any] = {"on_finish_action": "keep_pod"}
    if by == "hook":
        monkeypatch.setattr(provider, "pod_mutation_hook", change)
    else:
        pod["callbacks"] = [Callback]
    StepRun(command_step("true"), pod=pod).execute()
    (made,) = core_api.list_namespaced_pod(on_cluster).items
    identity = StepIdentity("dag", "run-1", "work")
    assert made.metadata.name == identity.pod_name(1)
    assert made.metadata.labels["team"] == "a"
    assert identity.labels(1).items() <= made.metadata.labels.items()
    assert run_of({"metadata": {"annotations": made.metadata.annotations}}) == ("dag", "run-1")


@pytest.mark.parametrize("by", ["hook", "template"])
def test_a_pod_goes_to_no_namespace_where_nobody_looks_for_it(
    on_cluster: str, cluster: Any, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    from airflow.providers.cncf.kubernetes.operators import pod as provider

    pod = {}
    if by == "hook":
        monkeypatch.setattr(
            provider, "pod_mutation_hook", lambda pod: setattr(pod.metadata, "namespace", "other")
        )
    else:
        monkeypatch.setenv("AIRFLOW__TRADEWIND__NAMESPACE", "")
        pod = {"pod_template_dict": {"metadata": {"namespace": "other"}, "spec": {"containers": []}}}
    cluster.requests(reset=True)
    text = failure(StepRun(command_step("true"), pod=pod), AirflowFailException)
    assert "pod_mutation_hook" in text
    assert "'other'" in text
    assert not [item for item in cluster.requests() if item["verb"] == "create"]


# --- cache ------------------------------------------------------------------------------------------------


def test_a_cached_step_starts_no_pod(tracked: str, cluster: Any) -> None:
    from tradewind.operators.settings import RunSettings

    source = (
        "def work(text: str, data: dsl.Output[dsl.Dataset]) -> str:\n"
        "    open(data.path, 'w').write(text)\n    return text\n"
    )
    settings = RunSettings(pipeline="cache")
    value = f"cached {time.time_ns()}"
    first = StepRun(python_step(source, {"text": value}), settings=settings).execute()
    cluster.requests(reset=True)
    ti = TaskInstance(run_id="run-2")
    second = StepRun(python_step(source, {"text": value}), settings=settings, ti=ti).execute()
    assert [r for r in cluster.requests() if r["userAgent"] == "tradewind"] == []
    assert second["parameters"] == first["parameters"]
    assert second["artifacts"] == first["artifacts"]
    assert first["cached_from"] is None
    assert second["cached_from"]["run"] == "run-1"
    off = python_step(source, {"text": value}, cache=Cache(enabled=False))
    assert StepRun(off, settings=settings).execute()["cached_from"] is None
    other = python_step(source, {"text": value + "!"})
    assert StepRun(other, settings=settings).execute()["cached_from"] is None


def test_outputs_of_a_command(on_cluster: str) -> None:
    step = command_step(
        "sh",
        "-c",
        'printf 41 >"$0"; printf "{\\"a\\": [1]}" >"$1"',
        "{{$.outputs.parameters['n'].output_file}}",
        "{{$.outputs.parameters['d'].output_file}}",
        output_parameters={"n": ParameterOutput("NUMBER_INTEGER"), "d": ParameterOutput("STRUCT")},
    )
    assert StepRun(step).execute()["parameters"] == {"n": 41, "d": {"a": [1]}}
