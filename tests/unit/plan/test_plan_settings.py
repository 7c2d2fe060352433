"""What a pipeline says about the whole of a run, and what its sub-pipelines say about the steps inside."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tradewind import dsl, ir, plan
from tradewind.errors import InvalidPipelineError
from tradewind.plan.resources import image_problem, resource_problems
from tradewind.plan.run_config import RunConfig, Workspace
from tradewind.plan.task_config import TaskConfig


@dsl.component
def work(path: str = "") -> str:
    return path


@dsl.component(
    task_config_passthroughs=[
        dsl.TaskConfigField.RESOURCES,
        dsl.TaskConfigPassthrough(field=dsl.TaskConfigField.ENV, apply_to_task=True),
    ]
)
def launch(settings: dsl.TaskConfig):
    print(settings)


@dsl.pipeline
def inner():
    work()
    work(path="b").set_retry(1)
    work(path="c").set_caching_options(False)


def built(config: dsl.PipelineConfig | None = None, path: str = "x") -> plan.Plan:
    @dsl.pipeline(name="p", pipeline_config=config, pipeline_root="s3://bucket/root")
    def pipeline():
        work(path=path)

    return plan.build(dsl.compile(pipeline))


def documents(config: dsl.PipelineConfig, path: str = "x") -> list[Any]:
    @dsl.pipeline(name="p", pipeline_config=config)
    def pipeline():
        work(path=path)

    return list(yaml.safe_load_all(ir.dump(dsl.compile(pipeline))))


def problems(*docs: Any) -> list[str]:
    with pytest.raises(InvalidPipelineError) as error:
        plan.build(ir.loads(yaml.safe_dump_all(docs)))
    return [str(problem) for problem in error.value.problems]


def test_a_pipeline_says_how_its_runs_are() -> None:
    workspace = dsl.WorkspaceConfig(
        size="10Gi",
        kubernetes=dsl.KubernetesWorkspaceConfig(
            pvcSpecPatch={"storageClassName": "fast", "accessModes": ["ReadWriteMany"]}
        ),
    )
    given = built(
        dsl.PipelineConfig(workspace=workspace, ttl_seconds_after_finished=60, active_deadline_seconds=7200),
        path=dsl.WORKSPACE_PATH_PLACEHOLDER + "/x",
    )
    assert given.config == RunConfig(
        workspace=Workspace("10Gi", {"storageClassName": "fast", "accessModes": ["ReadWriteMany"]}),
        kept_after_success=60,
        kept_after_failure=60,
        active_deadline=7200,
    )
    assert given.pipeline_root == "s3://bucket/root"
    assert built().config == RunConfig()


def test_what_is_said_about_failures_goes_before_what_is_said_about_both() -> None:
    config = built(dsl.PipelineConfig(ttl_seconds_after_finished=60, ttl_seconds_after_failure=5)).config
    assert (config.kept_after_success, config.kept_after_failure) == (60, 5)


def test_wrong_settings_are_refused_by_their_place() -> None:
    spec, platform = documents(dsl.PipelineConfig(active_deadline_seconds=5))
    given = platform["platforms"]["kubernetes"]["pipelineConfig"]
    given |= {"activeDeadlineSeconds": -5, "workspace": {"size": "lots"}}
    found = problems(spec, platform)
    assert len(found) == 2
    assert "pipelineConfig.activeDeadlineSeconds" in found[0]
    assert "-5" in found[0]
    assert "pipelineConfig.workspace.size" in found[1]
    assert "'lots'" in found[1]


def test_a_workspace_that_there_is_not_cannot_be_used() -> None:
    config = dsl.PipelineConfig(workspace=dsl.WorkspaceConfig(size="1Gi"))
    spec, _ = documents(config, path=dsl.WORKSPACE_PATH_PLACEHOLDER + "/x")
    (found,) = problems(spec)
    assert "$.root.dag.tasks.work.inputs.parameters.path" in found
    assert "workspace" in found

    @dsl.pipeline(pipeline_config=config)
    def importing():
        dsl.importer("s3://b/x", dsl.Dataset, download_to_workspace=True)

    (found,) = problems(*list(yaml.safe_load_all(ir.dump(dsl.compile(importing))))[:1])
    assert "$.deploymentSpec.executors.exec-importer.importer.downloadToWorkspace" in found


def test_settings_of_a_sub_pipeline_hold_for_the_steps_inside() -> None:
    @dsl.pipeline
    def outer():
        inner().set_retry(3, backoff_duration="5s").set_caching_options(False)
        inner()

    steps = plan.build(dsl.compile(outer)).steps
    retries = {step.id: step.retry and step.retry.max_count for step in steps.values()}
    assert retries == {
        "inner.work": 3,
        "inner.work-2": 1,
        "inner.work-3": 3,
        "inner-2.work": None,
        "inner-2.work-2": 1,
        "inner-2.work-3": None,
    }
    assert [step.id for step in steps.values() if step.cache.enabled] == ["inner-2.work", "inner-2.work-2"]


def test_a_cache_key_of_a_sub_pipeline_is_refused() -> None:
    @dsl.pipeline
    def outer():
        inner().set_caching_options(True, cache_key="mine")

    with pytest.raises(InvalidPipelineError, match=r"\$\.root\.dag\.tasks\.inner\.cachingOptions\.cacheKey"):
        plan.build(dsl.compile(outer))


def test_a_component_says_which_settings_it_passes_on() -> None:
    @dsl.pipeline
    def passing():
        launch().set_cpu_limit("1")

    (step,) = plan.build(dsl.compile(passing)).steps.values()
    assert step.task_config == TaskConfig(
        ("settings",), frozenset({"resources", "env"}), frozenset({"resources"})
    )


def test_a_component_of_its_own_platform_settings_is_refused() -> None:
    (spec,) = documents(dsl.PipelineConfig())
    spec["components"]["comp-work"]["singlePlatformSpecs"] = [{"platform": "kubernetes"}]
    (found,) = problems(spec)
    assert "$.components.comp-work.singlePlatformSpecs" in found


def test_an_optional_artifact_of_a_pipeline_is_not_given() -> None:
    @dsl.component
    def show(data: dsl.Input[dsl.Dataset] = None):
        print(data)

    @dsl.pipeline
    def maybe(data: dsl.Input[dsl.Dataset] = None):
        show(data=data)

    (step,) = plan.build(dsl.compile(maybe)).steps.values()
    assert step.artifacts["data"].binding is None
    assert step.artifacts["data"].optional


def test_resources_that_kubernetes_does_not_have_are_refused() -> None:
    @dsl.pipeline
    def wanting(memory: str = "1G"):
        work().set_accelerator_type("nvidia.com/gpu").set_accelerator_limit(2).set_memory_limit(memory)
        work().set_accelerator_type("NVIDIA_TESLA_K80")
        work().set_accelerator_limit(2)

    with pytest.raises(InvalidPipelineError) as error:
        plan.build(dsl.compile(wanting))
    (kind, count) = sorted(error.value.problems)
    assert (kind.place, count.place) == (
        "$.deploymentSpec.executors.exec-work-2.container.resources",
        "$.deploymentSpec.executors.exec-work-3.container.resources.accelerator",
    )
    assert "'NVIDIA_TESLA_K80' is no name of a resource" in kind.message


@pytest.mark.parametrize(
    ("request_", "limit", "fits"),
    [
        ("4G", "2G", False),
        ("1Gi", "1G", False),
        ("1000m", "1", True),
        ("2e3", "2k", True),
        ("1E", "1Ei", True),
    ],
)
def test_a_request_is_not_above_its_limit(request_: str, limit: str, fits: bool) -> None:
    for kind in ("cpu", "memory"):
        resources = plan.Resources(**{f"{kind}_request": request_, f"{kind}_limit": limit})
        said = "".join(resource_problems(resources))
        assert said == ("" if fits else f"{kind} request {request_!r} is above the limit {limit!r}")


@pytest.mark.parametrize(
    "image",
    ["python", "python:3.12", "ghcr.io/a/b-c/d_e:v1.2", "localhost:5000/x@sha256:" + "a" * 64, "[::1]:5/x"],
)
def test_names_of_images(image: str) -> None:
    assert image_problem(image) == ""


@pytest.mark.parametrize("image", ["", "Python", "a b", "x:", "-x", "a//b", "x@sha256:1", "$(touch x)"])
def test_what_is_no_name_of_an_image(image: str) -> None:
    assert image_problem(image)


def test_the_uri_of_an_importer_may_hold_placeholders() -> None:
    @dsl.pipeline
    def importing(name: str):
        dsl.importer(dsl.PIPELINE_ROOT_PLACEHOLDER + "/x", dsl.Dataset)
        dsl.importer(f"s3://b/{name}", dsl.Dataset)

    first, second = plan.build(dsl.compile(importing)).steps.values()
    assert isinstance(first.action, plan.Importer)
    assert isinstance(second.action, plan.Importer)
    assert first.action.uri == plan.Template("{{$.pipeline_root}}/x")
    assert isinstance(second.action.uri, plan.Template)
    assert list(second.action.uri.inputs.values()) == [plan.PipelineInput("name")]
