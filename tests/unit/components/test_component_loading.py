"""Loaded components, in pipelines that the real KFP SDK and we compile from the same file."""

from __future__ import annotations

import base64
import http.server
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from fixtures.kfp_sdk import KfpSdk
from tradewind import components, dsl, ir
from tradewind.errors import ConfigurationError, InvalidPipelineError, UnreachableError

VERSION_1 = """\
name: Convert Data
description: Converts.
inputs:
- {name: Rows, type: Integer, default: '5'}
- {name: Share, type: Float, optional: true}
- {name: Keep it, type: Boolean, default: 'yes'}
- {name: Columns, type: JsonArray, default: '["a", "b"]'}
- {name: Data 1, type: Dataset}
- {name: Anything}
- {name: Extra, type: {GCSPath: {data_type: CSV}}, optional: true}
- {name: Vertex, type: google.VertexModel, optional: true}
- {name: label, type: String, optional: true}
outputs:
- {name: Out, type: Model}
- {name: Note, type: String}
- {name: Raw}
implementation:
  container:
    image: alpine:3.20
    command: [convert, --rows, {inputValue: Rows}, {inputPath: Data 1}, {inputUri: Anything}]
    args:
    - {outputPath: Out}
    - {outputPath: Note}
    - {outputUri: Raw}
    - if:
        cond: {isPresent: label}
        then: [--label, {inputValue: label}]
        else: [--no-label]
    - if:
        cond: {isPresent: Share}
        then: {concat: [--share=, {inputValue: Share}]}
    - concat: [a, {concat: [{inputValue: Columns}, b]}]
    - {executorInput: null}
    env: {MODE: fast}
"""

FILES = """\
from kfp import compiler, components, dsl
from kfp.dsl import Dataset, Input, Model, Output


@dsl.component
def train(
    rows: int, data: Input[Dataset], model: Output[Model], rate: float = 0.5, extra: dict = None
) -> float:
    return 1.0


# One task to each component in `inner`: what the SDK makes of loaded tasks of one name depends on the order
# of a hash table, and some orders it gets wrong.
@dsl.component
def weigh(rows: int) -> float:
    return rows / 2


@dsl.container_component
def fetch(text: str, out: Output[Dataset]):
    return dsl.ContainerSpec("alpine", ["touch", out.path, text])


@dsl.pipeline(name="inner")
def inner(rows: int = 3, texts: list = None) -> float:
    \"\"\"An inner one.\"\"\"
    fetched = fetch(text="x")
    with dsl.ParallelFor([1, 2]) as item:
        train(rows=item, data=fetched.outputs["out"])
    return weigh(rows=rows).output


for made in (train, fetch, inner):
    compiler.Compiler().compile(made, f"{__file__}.{made.name}.yaml")
"""

USER = """\
from kfp import components, dsl

train = components.load_component_from_file({train!r})
fetch = components.load_component_from_file({fetch!r})
inner = components.load_component_from_file({inner!r})
convert = components.load_component_from_file({convert!r})


@dsl.pipeline(name="user")
def user(rows: int):
    fetched = fetch(text="y").set_memory_limit("1G").set_env_variable("A", "b")
    trained = train(rows=rows, data=fetched.outputs["out"]).set_cpu_limit("1")
    made = convert(data_1=fetched.outputs["out"], anything=trained.outputs["model"], label="x")
    made.set_env_variable("MORE", "1")
    nested = inner(rows=2)
    train(rows=3, data=made.outputs["raw"], rate=nested.output)
"""


def compiled_files(kfp_sdk: KfpSdk, directory: Path) -> dict[str, Path]:
    source = directory / "files.py"
    source.write_text(FILES)
    kfp_sdk.compile([source])
    files = {name: directory / f"files.py.{name}.yaml" for name in ("train", "fetch", "inner")}
    files["convert"] = directory / "convert.yaml"
    files["convert"].write_text(VERSION_1)
    return files


def test_loaded_components_compile_as_with_kfp(kfp_sdk: KfpSdk, tmp_path: Path) -> None:
    files = compiled_files(kfp_sdk, tmp_path)
    text = USER.format(**{name: str(path) for name, path in files.items()})
    user, alone = tmp_path / "user.py", tmp_path / "alone.py"
    user.write_text(text)
    load = f"components.load_component_from_file({str(files['convert'])!r})"
    alone.write_text(f"from kfp import components\nc = {load}")
    expected = kfp_sdk.compile([user, alone])
    for path in (user, alone):
        names: dict[str, Any] = {}
        exec(path.read_text().replace("from kfp import", "from tradewind import"), names)
        last = [value for value in names.values() if isinstance(value, components.BaseComponent)][-1]
        theirs = yaml.safe_load(expected[path].read_text())
        assert comparable(json_format.MessageToDict(dsl.compile(last).spec)) == comparable(theirs)


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    """Components and executors in place of their names, which the SDK numbers in no order."""
    executors = document["deploymentSpec"]["executors"]
    used = set()

    def expanded(component: dict[str, Any]) -> dict[str, Any]:
        component = json.loads(json.dumps(component))
        if "executorLabel" in component:
            used.add(component["executorLabel"])
            component["executor"] = executors[component.pop("executorLabel")]
        for task in component.get("dag", {}).get("tasks", {}).values():
            task["component"] = expanded(document["components"][task.pop("componentRef")["name"]])
        return component

    root = expanded(document["root"])
    assert used == executors.keys()
    return {"pipelineInfo": document["pipelineInfo"], "root": root, "count": len(document["components"])}


def test_a_compiled_component_is_a_container(kfp_sdk: KfpSdk, tmp_path: Path) -> None:
    files = compiled_files(kfp_sdk, tmp_path)
    train, inner = (components.load_component_from_file(str(files[name])) for name in ("train", "inner"))
    assert isinstance(train, components.ContainerComponent)
    assert isinstance(train, components.YamlComponent)
    assert not isinstance(inner, components.ContainerComponent)
    assert inner.description == "An inner one."
    assert train.required_inputs == ["rows", "data"]
    # As a pipeline it is what the file says, and loading that again changes nothing.
    assert json_format.MessageToDict(dsl.compile(train).spec) == yaml.safe_load(files["train"].read_text())


def test_settings_of_a_file_that_wraps_one_component_are_kept() -> None:
    @dsl.component
    def train(rows: int) -> int:
        return rows

    @dsl.pipeline(name="train")
    def wrapped(rows: int) -> int:
        return train(rows=rows).set_caching_options(False).output

    loaded = components.load_component_from_text(ir.dump(dsl.compile(wrapped)))

    @dsl.pipeline
    def outer() -> int:
        return loaded(rows=1).output

    spec = dsl.compile(outer).spec
    inner = (
        spec.components["comp-train-2"]
        if "comp-train-2" in spec.components
        else spec.components["comp-train"]
    )
    tasks = [task for each in (inner, *spec.components.values()) for task in each.dag.tasks.values()]
    assert tasks
    assert not any(task.caching_options.enable_cache for task in tasks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("{inputValue: Rows}", "{inputPath: Rows}"), "'Rows' is a parameter, and has no file"),
        (("{inputUri: Anything}", "{inputValue: Anything}"), "'Anything' is an artifact, and has no value"),
        (("{outputPath: Note}", "{outputPath: Nothing}"), "names 'Nothing'"),
        (("default: '5'", "default: five"), "'five' is no int"),
        (("{name: Raw}", "{name: raw}, {name: Raw}"), None),
        (("name: Anything", "name: rows"), "and so is another one"),
        (("    env: {MODE: fast}", "    fileOutputs: {Raw: /out}"), "fileOutputs: is not supported"),
        (("{executorInput: null}", "{inputMetadata: Data 1}"), "inputMetadata: is not a placeholder"),
        (("{isPresent: label}", "'true'"), "if: is not {cond"),
        (("container:", "graph:"), "has no container"),
        (
            ("{name: Anything}", "{name: Anything, default: x}"),
            "'Anything' is an artifact and has no default",
        ),
    ],
)
def test_what_cannot_run_is_refused_with_its_place(change: tuple[str, str], message: str | None) -> None:
    text = VERSION_1.replace(*change)
    assert text != VERSION_1
    with pytest.raises(InvalidPipelineError) as caught:
        components.load_component_from_text(text)
    if message is not None:
        assert message in str(caught.value)


def test_a_file_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="no pipeline"):
        components.load_component_from_text("hello: world")
    with pytest.raises(InvalidPipelineError, match="cannot be read"):
        components.load_component_from_file("/does/not/exist.yaml")


def test_from_an_address_with_a_password() -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = base64.b64encode(b"ann:secret").decode()
            self.send_response(200 if self.headers["Authorization"] == f"Basic {known}" else 401)
            self.end_headers()
            self.wfile.write(VERSION_1.encode())

        def log_message(self, *_: Any) -> None:
            """Quiet."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/convert.yaml"
        assert components.load_component_from_url(url, auth=("ann", "secret")).name == "convert-data"
        with pytest.raises(ConfigurationError, match="answered 401"):
            components.load_component_from_url(url)
        server.shutdown()
    with pytest.raises(UnreachableError, match="cannot be reached"):
        components.load_component_from_url(url)
    with pytest.raises(ConfigurationError, match="is no address"):
        components.load_component_from_url("file:///etc/passwd")
