"""`compiler.Compiler().compile` writes what the real KFP SDK writes, from the same file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.kfp_sdk import KfpSdk
from tradewind import compiler, components, dsl
from tradewind.errors import ConfigurationError, FatalError, InvalidPipelineError

SOURCE = '''\
from typing import List, Optional

from kfp import compiler, dsl

OUT = {out!r}


@dsl.container_component
def fetch(text: str, out: dsl.Output[dsl.Dataset]):
    return dsl.ContainerSpec("alpine", ["touch", out.path, text])


@dsl.pipeline(name="inner")
def inner(
    rows: int = 3,
    texts: List[str] = ["a"],
    options: dict = {{"a": 1}},
    share: float = 0.5,
    on: bool = True,
    label: Optional[str] = None,
    word: str = "x y",
) -> dsl.Dataset:
    """First line.

    Second line.

    Args:
        rows: how many.
    """
    return fetch(text=word).output


compile = compiler.Compiler().compile
options = compiler.KubernetesManifestOptions(namespace="team", include_pipeline_manifest=True)
compile(inner, OUT + "/plain.yaml")
compile(inner, OUT + "/named.yml", "other-name", "Other name", {{"rows": 7, "word": "z", "label": None}})
compile(inner, OUT + "/old.json", type_check=False)
compile(inner, OUT + "/bare.yaml", kubernetes_manifest_format=True)
compile(inner, OUT + "/manifest.yaml", kubernetes_manifest_format=True, kubernetes_manifest_options=options)
'''


@pytest.fixture(scope="module")
def outputs(kfp_sdk: KfpSdk, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    directory = tmp_path_factory.mktemp("compiler")
    theirs, mine = directory / "theirs", directory / "mine"
    theirs.mkdir()
    mine.mkdir()
    source = directory / "source.py"
    source.write_text(SOURCE.format(out=str(theirs)))
    kfp_sdk.compile([source])
    translated = directory / "translated.py"
    text = SOURCE.format(out=str(mine)).replace("from kfp import", "from tradewind import")
    translated.write_text(text)
    import importlib.util

    spec = importlib.util.spec_from_file_location("translated_compiler", translated)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.warns(DeprecationWarning, match="JSON"):
        spec.loader.exec_module(module)
    return mine, theirs, vars(module)


@pytest.mark.parametrize("name", ["plain.yaml", "named.yml", "old.json", "bare.yaml", "manifest.yaml"])
def test_files_say_the_same(outputs: tuple[Path, Path, dict[str, Any]], name: str) -> None:
    mine, theirs, _ = outputs
    assert without_version(mine / name) == without_version(theirs / name)
    assert header(mine / name) == header(theirs / name)


def without_version(path: Path) -> list[Any]:
    documents = list(yaml.safe_load_all(path.read_text()))
    for document in documents:
        document.pop("sdkVersion", None)
        document.get("spec", {}).get("pipelineSpec", {}).pop("sdkVersion", None)
    return documents


def header(path: Path) -> list[str]:
    lines = [line for line in path.read_text().splitlines() if line.startswith("#")]
    # To protobuf each number is a float, and KFP shows them so.
    return [re.sub(r": int \[Default: (\d+)\.0\]", r": int [Default: \1]", line) for line in lines]


def test_the_description_survives_a_file(outputs: tuple[Path, Path, dict[str, Any]]) -> None:
    mine, theirs, names = outputs
    assert names["inner"].description == "First line.\nSecond line."
    for directory in (mine, theirs):
        loaded = components.load_component_from_file(str(directory / "plain.yaml"))
        assert loaded.description == names["inner"].description


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"nothing": 1}, "its inputs: label, on"),
        ({"rows": "many"}, "expects int"),
        ({"texts": 5}, "expects list"),
    ],
)
def test_wrong_parameters(
    outputs: tuple[Path, Path, dict[str, Any]], tmp_path: Path, parameters: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidPipelineError, match=message):
        compiler.Compiler().compile(
            outputs[2]["inner"], str(tmp_path / "x.yaml"), pipeline_parameters=parameters
        )
    assert not (tmp_path / "x.yaml").exists()


def test_wrong_targets(outputs: tuple[Path, Path, dict[str, Any]], tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"\.yaml"):
        compiler.Compiler().compile(outputs[2]["inner"], str(tmp_path / "x.txt"))
    with pytest.raises(FatalError, match="function cannot be compiled"):
        compiler.Compiler().compile(dsl.get_uri, str(tmp_path / "x.yaml"))  # type: ignore[arg-type]
    with pytest.raises(InvalidPipelineError, match="not allowed"):
        compiler.Compiler().compile(outputs[2]["inner"], str(tmp_path / "x.yaml"), pipeline_name="A b")
