"""Every pipeline in `pipelines/`, compiled by the real KFP SDK and by us, gives the same document.

Left out of the comparison: the name of the compiler, the release of KFP that components install, and the
shell code around Python components, which is in words of our own. What matters in that code (requirements,
pip's options, the function's source) is compared.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from fixtures.kfp_sdk import KfpSdk
from golden.compiled import PIPELINES, compile_file, translated


@pytest.fixture(scope="session")
def expected(kfp_sdk: KfpSdk) -> dict[Path, Path]:
    return kfp_sdk.compile(PIPELINES)


@pytest.fixture(scope="session")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The same files, written for Tradewind."""
    with translated(tmp_path_factory.mktemp("translated")) as path:
        yield path


BROKEN_BY_KFP = {"items_in_text", "outer_values"}
"""The SDK's files ask for inputs that are not there. Ours do not; the plans of both are equal."""


IN_OUR_WORDS = {"notebook"}
"""What runs a notebook is part of its component's source, and our own; its unit tests compare the rest."""


@pytest.mark.parametrize(
    "path",
    [path for path in PIPELINES if path.stem not in BROKEN_BY_KFP | IN_OUR_WORDS],
    ids=lambda path: path.stem,
)
def test_same_document(path: Path, expected: dict[Path, Path], directory: Path) -> None:
    documents = list(yaml.safe_load_all(expected[path].read_text()))
    compiled = compile_file(directory / path.name)
    ours = [json_format.MessageToDict(compiled.spec)]
    if compiled.platform is not None:
        ours.append(json_format.MessageToDict(compiled.platform))
    assert len(ours) == len(documents)
    for mine, theirs in zip(ours, documents, strict=True):
        assert list(differences(comparable(mine), comparable(theirs))) == []


def differences(mine: Any, theirs: Any, path: str = "$") -> Iterator[str]:
    if isinstance(mine, dict) and isinstance(theirs, dict):
        for key in sorted(mine.keys() | theirs.keys()):
            yield from differences(mine.get(key, "absent"), theirs.get(key, "absent"), f"{path}.{key}")
    elif isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        for index, (one, other) in enumerate(zip(mine, theirs, strict=True)):
            yield from differences(one, other, f"{path}[{index}]")
    elif mine != theirs:
        yield f"{path}: we say {mine!r}, KFP {theirs!r}"


def comparable(document: dict[str, Any]) -> dict[str, Any]:
    document.pop("sdkVersion", None)
    for label, executor in document.get("deploymentSpec", {}).get("executors", {}).items():
        container = executor.get("container", {})
        if "--function_to_execute" in container.get("args", ()):
            container["command"] = meaning_of(container["command"])
        if container.get("image", "").startswith("argostub/"):  # kfp-kubernetes' own components: our words
            leave_out_descriptions(document, label)
    return document


def leave_out_descriptions(document: dict[str, Any], label: str) -> None:
    for component in document["components"].values():
        if component.get("executorLabel") == label:
            for side in ("inputDefinitions", "outputDefinitions"):
                for parameter in component.get(side, {}).get("parameters", {}).values():
                    parameter.pop("description", None)


def meaning_of(command: list[str]) -> dict[str, Any]:
    """What a Python component's command installs and runs."""
    script = command[2] if command[:2] == ["sh", "-c"] else ""
    source = command[-1] if command[-3] == "-ec" else ""
    # Blank lines carry no meaning between the blocks of the source; lines of a function are compared exactly.
    lines = [line for line in source.replace("from tradewind", "from kfp").split("\n") if line]
    return {
        "installs": installs(script),
        "venv": "-m venv" in script,
        "runs": [] if source else command[-3:],
        "source": list(without_extraction(lines)),
    }


def without_extraction(lines: list[str]) -> Iterator[str]:
    """Source without the code that unpacks embedded files, which is in words of our own."""
    extracting = False
    for line in lines:
        extracting = not line.startswith("def ") and (extracting or "__KFP" in line)
        if not extracting and "__kfp" not in line:
            yield line


def installs(script: str) -> list[list[str]]:
    commands = [part for line in script.split("\n") for part in line.split("&&") if "pip install" in part]
    words = [shlex.split(command) for command in commands]
    return [[without_release(word) for word in each[each.index("install") + 1 :]] for each in words]


def without_release(requirement: str) -> str:
    return "kfp" if requirement.startswith("kfp==") else requirement
