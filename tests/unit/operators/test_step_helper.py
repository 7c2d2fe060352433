"""Container components with artifacts, in images that may have no Python: an init container brings it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.steps import StepRun, command_step, python_step
from tradewind.operators.configuration import configuration
from tradewind.operators.helper import helper_image
from tradewind.operators.inputs import StepInputs
from tradewind.operators.storage import Places
from tradewind.operators.task import PodTask
from tradewind.plan.executor_input import unread_inputs
from tradewind.plan.model import ArtifactInput, ArtifactOutput, Container, ParameterOutput

MODEL = "{{$.outputs.artifacts['model'].path}}"


def test_artifacts_are_kept_with_the_python_of_an_init_container(
    on_cluster: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tradewind.operators.pod import StepPodOperator

    manifests: list[Any] = []
    launch = StepPodOperator.launch

    def noting(self: StepPodOperator) -> None:
        manifests.append(self.pod_request_obj)
        launch(self)

    monkeypatch.setattr(StepPodOperator, "launch", noting)
    monkeypatch.setenv("AIRFLOW__TRADEWIND__ARTIFACT_STORE", tmp_path.as_uri())
    step = command_step(
        "sh",
        "-c",
        'printf weights > "$1"; printf 7 > "$2"',
        "sh",
        MODEL,
        "{{$.outputs.parameters['n'].output_file}}",
        output_artifacts={"model": ArtifactOutput("system.Model")},
        output_parameters={"n": ParameterOutput("NUMBER_INTEGER")},
        container=Container("busybox:1.36", env=(("A", "b"),)),
    )
    mount = {"name": "store", "mountPath": str(tmp_path)}
    own = {"name": "own", "image": "busybox", "command": ["sh", "-c", "true"]}
    pod = {
        "volumes": [{"name": "store", "hostPath": {"path": str(tmp_path)}}],
        "volume_mounts": [mount],
        "init_containers": [own],
        "container_resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "1"}},
    }
    result = StepRun(step, pod=pod).execute()
    assert result["parameters"] == {"n": 7}
    kept = result["artifacts"]["model"][0]
    assert Path(kept["uri"].removeprefix("file://")).read_text() == "weights"
    assert len(manifests) == 1
    helper, other = manifests[0].spec.init_containers
    assert (helper.name, helper.image, other.name) == ("tradewind-helper", "python:3.11-slim", "own")
    assert helper.resources.limits == {"cpu": "1"}
    assert [each.mount_path for each in helper.volume_mounts] == ["/tmp/tradewind", "/tmp"]


@pytest.mark.parametrize(
    ("image", "outputs", "word", "needed"),
    [
        ("busybox", {"model"}, "artifacts", True),
        ("registry:5000/team/busybox@sha256:0a", {"model"}, "artifacts", True),
        ("registry:5000/python/alpine", {"model"}, "artifacts", True),
        ("python:3.12-slim", {"model"}, "artifacts", False),
        ("team/ml-python:3", {"model"}, "artifacts", False),
        ("busybox", {"n"}, "artifacts", False),
        ("busybox", set(), "outputs", False),
        ("python:3.12-slim", {"n"}, "outputs", True),
    ],
)
def test_which_steps_get_it(
    airflow_home: Any, image: str, outputs: set[str], word: Any, needed: bool
) -> None:
    step = command_step(
        "true",
        output_artifacts={name: ArtifactOutput("system.Model") for name in outputs & {"model"}},
        output_parameters={name: ParameterOutput("STRING") for name in outputs & {"n"}},
    )
    configuration.cache_clear()
    settings = replace(configuration(), helper_for=word)
    assert helper_image(step, image, settings) == ("python:3.11-slim" if needed else None)
    assert helper_image(step, image, replace(settings, helper_for="nothing")) is None


@pytest.mark.parametrize(("field", "plain"), [("uri", True), ("metadata['k']", True), ("path", False)])
def test_a_command_that_reads_no_content_needs_nothing_of_ours(
    airflow_home: Any, field: str, plain: bool
) -> None:
    step = command_step(
        "echo", f"{{{{$.inputs.artifacts['d'].{field}}}}}", artifacts={"d": ArtifactInput("system.Dataset")}
    )
    inputs = StepInputs({}, {"d": [{"name": "d", "uri": "nosuch://x/y", "metadata": {"k": "v"}}]})
    configuration.cache_clear()
    task = PodTask.of(step, inputs, Places({}, "file:///s/result.json"), {}, configuration())
    assert task.plain is plain
    assert (task.helper is None) is plain
    if plain:
        assert task.command[0] == "echo"
        assert task.command[1] in ("nosuch://x/y", "v")


def test_who_is_said_to_read_an_artifact() -> None:
    artifacts = {"d": ArtifactInput("system.Dataset")}
    at = "{{$.inputs.artifacts['d'].path}}"
    assert unread_inputs(command_step("true", artifacts=artifacts)) == {"d"}
    by_variable = Container("busybox", env=(("AT", at),))
    assert unread_inputs(command_step("true", artifacts=artifacts, container=by_variable)) == set()
    # Code may ask for any path at any time.
    assert unread_inputs(python_step("def work(d): pass", artifacts=artifacts)) == set()
