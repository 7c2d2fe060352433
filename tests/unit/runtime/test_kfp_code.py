"""Code compiled by the real KFP SDK: it runs here without KFP, and comes out as KFP's own executor has it."""

from __future__ import annotations

import json
import subprocess
import textwrap

import pytest
import yaml

COMPONENTS = '''
from typing import Dict, List, NamedTuple, Optional
from kfp import dsl
from kfp.dsl import ClassificationMetrics, Dataset, Input, InputPath, Metrics, Model, Output, OutputPath


def shared(text: str) -> str:
    return text.upper()


@dsl.component(additional_funcs=[shared])
def scalars(s: str, i: int, f: float, b: bool, l: list, d: Dict[str, int], o: Optional[str] = None) -> dict:
    """A docstring, a {{ template }} and a 'quote'."""
    return {"s": shared(s), "i": i, "f": f, "b": b, "l": l, "d": d, "o": o}


@dsl.component
def many(n: int) -> NamedTuple("Outputs", [("half", float), ("text", str), ("data", Dataset)]):
    outputs = NamedTuple("Outputs", [("half", float), ("text", str), ("data", Dataset)])
    return outputs(n / 2, "x" * n, "content")


@dsl.component
def artifacts(
    one: Input[Dataset],
    several: Input[List[Model]],
    path: InputPath("Dataset"),
    made: Output[Model],
    metrics: Output[Metrics],
    classes: Output[ClassificationMetrics],
    text: OutputPath(str),
    absent: Optional[Input[Dataset]] = None,
) -> int:
    made.framework = "sklearn"
    with open(made.path, "w") as file:
        file.write(open(one.path).read() + open(path).read() + "".join(open(m.path).read() for m in several))
    metrics.log_metric("score", 0.5)
    classes.log_roc_data_point(fpr=0.1, tpr=0.2, threshold=0.3)
    classes.set_confusion_matrix_categories(["a", "b"])
    classes.log_confusion_matrix_row("a", [1, 2])
    classes.log_confusion_matrix_cell("b", "a", 9)
    with open(text, "w") as file:
        file.write(type(one).__name__ + str(absent) + one.name + str(one.metadata))
    return len(several)


@dsl.component
def returned() -> Model:
    model = Model(uri=dsl.get_uri("mine"), metadata={"k": [1, 2]})
    with open(model.path, "w") as file:
        file.write("weights")
    return model


@dsl.component
def status(final: dsl.PipelineTaskFinalStatus) -> str:
    return "|".join(str(v) for v in (final.state, final.pipeline_task_name, final.error_code))
'''

ORACLE = """
import importlib.util, json, os, sys
os.environ["_KFP_RUNTIME"] = "true"
from kfp.dsl.executor import Executor
found = {}
for name, path, executor_input in json.load(sys.stdin):
    spec = importlib.util.spec_from_file_location("m_" + name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    Executor(executor_input, getattr(module, name)).execute()
    with open(executor_input["outputs"]["outputFile"]) as file:
        found[name] = json.load(file)
json.dump(found, sys.stdout)
"""

TYPES = {
    "scalars": {"Output": "STRUCT"},
    "many": {"half": "NUMBER_DOUBLE", "text": "STRING"},
    "artifacts": {"text": "STRING", "Output": "NUMBER_INTEGER"},
    "returned": {},
    "status": {"Output": "STRING"},
}
MADE = {
    "many": {"data": "system.Dataset"},
    "artifacts": {
        "made": "system.Model",
        "metrics": "system.Metrics",
        "classes": "system.ClassificationMetrics",
    },
    "returned": {"Output": "system.Model"},
}
VALUES = {
    "scalars": {"s": "a'{{ b }}\n", "i": 5, "f": 0.5, "b": False, "l": [1, "2"], "d": {"k": 1}},
    "many": {"n": 3},
    "status": {"final": {"state": "FAILED", "pipelineTaskName": "exit-handler-1", "error": {"code": 3}}},
}


@pytest.fixture(scope="module")
def sources(kfp_sdk, tmp_path_factory):
    """The source of each component, as the SDK compiled it."""
    home = tmp_path_factory.mktemp("components")
    header, *components = COMPONENTS.split("@dsl.component")
    files = [home / f"{number}.py" for number in range(len(components))]
    for file, component in zip(files, components, strict=True):
        file.write_text(f"{header}@dsl.component{component}")
    found = {}
    for compiled in kfp_sdk.compile(files).values():
        document = next(yaml.safe_load_all(compiled.read_text()))
        (executor,) = document["deploymentSpec"]["executors"].values()
        found[executor["container"]["args"][-1]] = executor["container"]["command"][-1]
    return found


@pytest.fixture(scope="module")
def oracle(kfp_sdk, sources, tmp_path_factory):
    """What KFP's own executor makes of them, by component."""
    cases = []
    for name in TYPES:
        home = tmp_path_factory.mktemp(name)
        path = home / f"{name}.py"
        path.write_text(sources[name])
        cases.append((name, str(path), executor_input(name, home)))
    done = subprocess.run(
        [kfp_sdk.python, "-W", "ignore", "-c", ORACLE],
        input=json.dumps(cases), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def executor_input(name, home):
    """What KFP's launcher would give, with local paths for URIs."""
    given, outputs = inputs(home), {}
    for output, title in MADE.get(name, {}).items():
        kind = {"schemaTitle": title, "schemaVersion": "0.0.1"}
        one = {"name": output, "type": kind, "uri": str(home / "outputs" / output), "metadata": {}}
        outputs[output] = {"artifacts": [one]}
    return {
        "inputs": {
            "parameterValues": VALUES.get(name, {}),
            "artifacts": {
                key: {"artifacts": value if isinstance(value, list) else [value]}
                for key, value in (given if name == "artifacts" else {}).items()
            },
        },
        "outputs": {
            "parameters": {key: {"outputFile": str(home / "outputs" / key)} for key in TYPES[name]},
            "artifacts": outputs,
            "outputFile": str(home / "outputs" / "output_metadata.json"),
        },
    }


def inputs(home):
    found = []
    for number, title in enumerate(("system.Dataset", "system.Model", "system.Model")):
        path = home / f"given-{number}"
        path.write_text(f"<{number}>")
        kind = {"schemaTitle": title, "schemaVersion": "0.0.1"}
        found.append({"name": "given", "uri": str(path), "type": kind, "metadata": {"n": number}})
    return {"one": found[0], "path": found[0], "several": found[1:]}


@pytest.mark.parametrize("name", sorted(TYPES))
def test_the_outcome_is_that_of_kfp(pod, python_task, sources, oracle, name, tmp_path):
    task = python_task(
        "",
        function=name,
        inputs=VALUES.get(name),
        artifacts=inputs(tmp_path) if name == "artifacts" else None,
        outputs=TYPES[name],
        output_artifacts=MADE.get(name),
    )
    ended = pod.run(task | {"source": sources[name]})
    assert ended.code == 0, ended.log
    expected = oracle[name]
    ours = ended.parameters
    # KFP's executor output holds returned values only; what went into files is its launcher's business.
    assert {key: ours[key] for key in expected.get("parameterValues", {})} == expected.get(
        "parameterValues", {}
    )
    theirs = {key: value["artifacts"][0] for key, value in expected.get("artifacts", {}).items()}
    made = {key: value[0] for key, value in ended.result["artifacts"].items()}
    assert {key: one["metadata"] for key, one in made.items()} == {
        key: one["metadata"] for key, one in theirs.items()
    }
    assert {key: one["uri"].rpartition("/")[2] for key, one in made.items()} == {
        key: one["uri"].rpartition("/")[2] for key, one in theirs.items()
    }
    if name == "artifacts":
        assert ours["text"] == "DatasetNonegiven{'n': 0}"
        assert (tmp_path / "store" / "made").read_text() == "<0><0><1><2>"


def test_the_compiled_source_is_the_sdks_own(sources):
    assert textwrap.dedent(sources["scalars"]).startswith("\nimport kfp\nfrom kfp import dsl")


def test_the_real_package_is_found_behind_the_name(pod, python_task, kfp_sdk):
    source = """
        def step() -> list:
            import kfp
            from kfp.dsl.types import type_utils
            from kfp import components
            return [kfp.dsl.Dataset.__module__, type_utils.__name__, components.__name__]
    """
    pod.python = str(kfp_sdk.python)
    ended = pod.run(python_task(source, outputs={"Output": "LIST"}))
    assert ended.parameters["Output"] == [
        "tradewind.runtime.artifacts",
        "kfp.dsl.types.type_utils",
        "kfp.components",
    ]


def test_what_is_not_there_says_so(pod, python_task):
    ended = pod.run(python_task("def step():\n    import kfp\n    kfp.Client()\n"))
    assert ended.error["type"] == "AttributeError"
    assert "packages_to_install" in ended.error["message"]
