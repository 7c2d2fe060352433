"""Signatures of components: what is understood beyond KFP, and what is refused, all problems at once."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from typing import Any, List, NamedTuple, Optional, Union  # noqa: UP035

import pytest
from kfp.pipeline_spec.pipeline_spec_pb2 import ParameterType

from tradewind import dsl
from tradewind.errors import InvalidPipelineError


class Wrong(dsl.Artifact):
    schema_title = "mine.Thing"


class NoVersion(dsl.Artifact):
    schema_title = "system.Thing"
    schema_version = "1"


def problems(make: Any, function: Any) -> dict[str, str]:
    with pytest.raises(InvalidPipelineError) as raised:
        make(function)
    return {problem.place: problem.message for problem in raised.value.problems}


def test_modern_annotations_are_understood() -> None:
    @dsl.component
    def modern(
        a: int | None = None,
        b: Optional[str] = None,  # noqa: UP045
        c: Union[float, None] = None,  # noqa: UP007
        d: list[dict[str, int]] = [],  # noqa: B006
        e: List[str] = [],  # noqa: B006, UP006
        f: dsl.Input[list[dsl.Dataset]] = None,  # type: ignore[assignment]
        g: dsl.Input[dsl.Model] | None = None,
    ) -> NamedTuple("Out", [("x", int)]):  # type: ignore[valid-type]
        return (1,)

    inputs = modern.proto.input_definitions
    types = {
        name: ParameterType.ParameterTypeEnum.Name(entry.parameter_type)
        for name, entry in inputs.parameters.items()
    }
    assert types == {"a": "NUMBER_INTEGER", "b": "STRING", "c": "NUMBER_DOUBLE", "d": "LIST", "e": "LIST"}
    assert all(entry.is_optional for entry in [*inputs.parameters.values(), *inputs.artifacts.values()])
    assert {name: entry.is_artifact_list for name, entry in inputs.artifacts.items()} == {
        "f": True,
        "g": False,
    }


def test_all_problems_of_a_signature_at_once() -> None:
    def broken(
        bare,
        odd: set,
        thing: dsl.Input[Wrong],
        version: dsl.Output[NoVersion],
        parts: dsl.Output[list[dsl.Dataset]],
        missing: Nowhere,  # noqa: F821  # type: ignore[name-defined]
        Output: int,
        _hidden: int,
        *more: int,
        number: int = "x",  # type: ignore[assignment]
        data: dsl.Input[dsl.Dataset] = "x",  # type: ignore[assignment]
        ratio: float = float("nan"),
        **options: int,
    ) -> object:
        return None

    found = problems(dsl.component, broken)
    assert {place.removeprefix("component 'broken', ") for place in found} == {
        "argument 'bare'",
        "argument 'odd'",
        "argument 'thing'",
        "argument 'version'",
        "argument 'parts'",
        "argument 'missing'",
        "argument 'Output'",
        "argument '_hidden'",
        "argument 'more'",
        "argument 'number'",
        "argument 'data'",
        "argument 'ratio'",
        "argument 'options'",
        "return annotation",
    }
    assert (
        found["component 'broken', argument 'number'"] == "the default does not fit: expects int, got str 'x'"
    )
    assert "must be 'system.<Name>'" in found["component 'broken', argument 'thing'"]


def test_output_names_do_not_clash() -> None:
    def clash(model: dsl.Output[dsl.Model]) -> NamedTuple("Out", [("model", str)]):  # type: ignore[valid-type]
        return ("x",)

    assert problems(dsl.component, clash) == {
        "component 'clash', output 'model'": "there is another output called 'model'"
    }


def test_pipelines_return_their_outputs() -> None:
    def churn(model: dsl.Output[dsl.Model], path: dsl.OutputPath(str)):  # type: ignore[valid-type]
        pass

    message = "a pipeline returns its outputs; it has no output arguments"
    assert problems(dsl.pipeline, churn) == {
        "pipeline 'churn', argument 'model'": message,
        "pipeline 'churn', argument 'path'": message,
    }


def test_functions_without_source_are_refused() -> None:
    namespace: dict[str, Any] = {}
    exec("def hidden(x: int) -> int:\n    return x", namespace)
    assert "cannot be read" in problems(dsl.component, namespace["hidden"])["component 'hidden'"]
    # Where the source is not needed, that is fine.
    assert dsl.component(namespace["hidden"], target_image="x:1").name == "hidden"

    async def later(x: int) -> int:
        return x

    assert problems(dsl.component, later) == {"component 'later'": "is an async function"}


def test_custom_artifacts_under_an_alias_are_refused() -> None:
    def use(thing: dsl.Input[Alias]):
        pass

    assert "alias" in problems(dsl.component, use)["component 'use'"]


class Renamed(dsl.Artifact):
    schema_title = "system.Renamed"


Alias = Renamed


def test_a_text_is_no_list_of_packages() -> None:
    def step():
        pass

    def make(function: Any) -> Any:
        return dsl.component(function, packages_to_install="numpy", pip_index_urls=[None])

    assert problems(make, step) == {
        "component 'step', packages_to_install": "expects a list of texts, got 'numpy'",
        "component 'step', pip_index_urls": "expects a list of texts, got [None]",
    }


def test_container_components() -> None:
    def artifact_itself(data: dsl.Input[dsl.Dataset]):
        return dsl.ContainerSpec("alpine", ["cat", data])

    def number(data: dsl.Input[dsl.Dataset]):
        return dsl.ContainerSpec("alpine", ["sleep", 5], [None])

    def unknown_input(text: str):
        return dsl.ContainerSpec("alpine", [dsl.IfPresentPlaceholder("txt", then=text)])

    def nothing():
        pass

    def no_image():
        return dsl.ContainerSpec("", ["true"])

    def no_command():
        return dsl.ContainerSpec("alpine")

    def no_command_line():
        return dsl.ContainerSpec("alpine", ["a\0b"])

    def bare_artifact(data: dsl.Dataset, many: list[dsl.Dataset], maybe: dsl.Dataset | None = None):
        return dsl.ContainerSpec("alpine")

    def in_text(text: str):
        return dsl.ContainerSpec("alpine", [f"{dsl.ConcatPlaceholder(['a', text])}"])

    def returns() -> int:
        return dsl.ContainerSpec("alpine")

    assert problems(dsl.container_component, artifact_itself) == {
        "container component 'artifact_itself', command[1]": (
            "artifact 'data' cannot be passed by itself; use .uri, .path or .metadata[...]"
        )
    }
    assert set(problems(dsl.container_component, number)) == {
        "container component 'number', command[1]",
        "container component 'number', args[0]",
    }
    assert "not an input" in "".join(problems(dsl.container_component, unknown_input).values())
    assert problems(dsl.container_component, nothing) == {
        "container component 'nothing'": "returns a NoneType"
    }
    assert problems(dsl.container_component, no_image) == {
        "container component 'no_image', image": "is not given"
    }
    assert "entry point" in "".join(problems(dsl.container_component, no_command).values())
    assert "NUL" in "".join(problems(dsl.container_component, no_command_line).values())
    assert list(problems(dsl.container_component, bare_artifact)) == [
        f"container component 'bare_artifact', argument '{name}'" for name in ("data", "many", "maybe")
    ]
    assert "f-string" in "".join(problems(dsl.container_component, in_text).values())
    assert list(problems(dsl.container_component, returns)) == [
        "container component 'returns', return annotation"
    ]


KFP_NAMES = """
import inspect, json
from kfp import compiler, components, dsl
from kfp.dsl.types import artifact_types, type_annotations
functions = [dsl.component, dsl.pipeline, dsl.importer, dsl.notebook_component, dsl.container_component]
functions += [compiler.Compiler.compile, compiler.KubernetesManifestOptions]
functions += [components.load_component_from_file, components.load_component_from_url]
print(json.dumps({
    "dsl": dsl.__all__,
    "compiler": compiler.__all__,
    "components": components.__all__,
    "task": [name for name in dir(dsl.PipelineTask) if name.startswith(("set_", "add_", "after", "ignore"))],
    "artifact_types": [n for n in dir(artifact_types) if n[0].isupper() and not n.startswith(("RESPONSE",))],
    "annotations": [n for n in ("Input", "Output", "InputPath", "OutputPath") if n in dir(type_annotations)],
    "signatures": {each.__qualname__: list(inspect.signature(each).parameters) for each in functions},
}))
"""


def test_the_image_may_be_an_argument() -> None:
    @dsl.container_component
    def convert(image: str):
        return dsl.ContainerSpec(image, [image])  # KFP fails here with a TypeError

    container = dsl.compile(convert).spec.deployment_spec["executors"]["exec-convert"]["container"]
    assert container["image"] == "{{$.inputs.parameters['image']}}"


def test_every_name_of_kfp_s_is_there_with_its_arguments(kfp_sdk: Any) -> None:
    from tradewind import compiler, components
    from tradewind.dsl.types import artifact_types, type_annotations

    done = subprocess.run([kfp_sdk.python, "-c", KFP_NAMES], capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    ours = {
        "dsl": dsl,
        "compiler": compiler,
        "components": components,
        "task": dsl.PipelineTask,
        "annotations": type_annotations,
    }
    assert len(theirs["dsl"]) > 40
    for where, module in ours.items():
        assert [name for name in theirs[where] if not hasattr(module, name)] == [], where
    classes = [name for name in dir(artifact_types) if isinstance(getattr(artifact_types, name), type)]
    assert set(classes) <= set(theirs["artifact_types"])
    functions: list[Any] = [dsl.component, dsl.pipeline, dsl.importer, dsl.notebook_component]
    functions += [dsl.container_component, compiler.Compiler.compile, compiler.KubernetesManifestOptions]
    functions += [components.load_component_from_file, components.load_component_from_url]
    signatures = {each.__qualname__: list(inspect.signature(each).parameters) for each in functions}
    assert signatures == theirs["signatures"]


def test_the_dsl_is_light() -> None:
    script = (
        "import sys; from tradewind import dsl;"
        "print([m for m in ('airflow', 'kubernetes', 'mlflow', 'requests', 'asyncio') if m in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
