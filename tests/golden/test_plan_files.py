"""What becomes of every pipeline here, as text in `plans/`. `make golden` writes it anew: look at the diff.

A pipeline compiled by the KFP SDK must come to the same plan as one compiled by us, and one compiled by an
older SDK to the same as today's. `documents/sdk-<version>-<pipeline>.yaml` is `pipelines/<pipeline>.py`,
compiled with `kfp==<version>`: to be made again when that pipeline changes.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from fixtures.kfp_sdk import KfpSdk
from golden.compiled import DOCUMENTS, PIPELINES, PLANS, compile_file, translated
from tradewind import ir, plan
from tradewind.cli.check_plan import plan_text
from tradewind.errors import InvalidPipelineError
from tradewind.ir import Pipeline

WRITE = os.environ.get("GOLDEN") == "write"
OLDER = [path for path in DOCUMENTS if path.name.startswith("sdk-")]
WRITTEN = [path for path in DOCUMENTS if path not in OLDER]


@pytest.fixture(scope="session")
def ours(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Texts of the plans of all pipelines, as compiled by us."""
    with translated(tmp_path_factory.mktemp("translated")) as directory:
        return {path.stem: text_of(compile_file(directory / path.name)) for path in PIPELINES}


@pytest.fixture(scope="session")
def theirs(kfp_sdk: KfpSdk) -> dict[str, str]:
    """The same, as compiled by the KFP SDK."""
    return {path.stem: text_of(ir.load(file)) for path, file in kfp_sdk.compile(PIPELINES).items()}


def text_of(pipeline: Pipeline) -> str:
    try:
        built = plan.build(pipeline)
    except InvalidPipelineError as error:
        return "\n".join(["refused", *(f"  {problem}" for problem in error.problems), ""])
    return "\n".join([*plan_text(built), ""])


def compare(name: str, text: str) -> None:
    golden = PLANS / f"{name}.txt"
    if WRITE:
        golden.write_text(text)
    assert golden.exists(), f"no {golden.name}: run `make golden`, and look at what it writes"
    assert text == golden.read_text()


@pytest.mark.parametrize("name", [path.stem for path in PIPELINES])
def test_the_plan_is_as_it_was(name: str, ours: dict[str, str]) -> None:
    compare(name, ours[name])


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: path.stem)
def test_the_plan_of_a_document_is_as_it_was(path: Path) -> None:
    compare(path.stem, text_of(ir.load(path)))


@pytest.mark.parametrize("name", [path.stem for path in PIPELINES])
def test_the_sdk_s_file_comes_to_the_same_plan(
    name: str, ours: dict[str, str], theirs: dict[str, str]
) -> None:
    assert theirs[name] == ours[name]


@pytest.mark.parametrize("path", OLDER, ids=lambda path: path.stem)
def test_an_older_sdk_s_file_comes_to_the_same_plan(path: Path, ours: dict[str, str]) -> None:
    match = re.fullmatch(r"sdk-([\d.]+)-(\w+)", path.stem)
    assert match is not None, "documents of older SDKs are named sdk-<version>-<pipeline>.yaml"
    pipeline = ir.load(path)
    assert pipeline.spec.sdk_version == f"kfp-{match[1]}"
    assert without_versions(text_of(pipeline)) == without_versions(ours[match[2]])


def without_versions(text: str) -> str:
    """What changed between versions: the usual image; up to 2.7 a pipeline puts out all metrics in it; from
    2.17 on a claim may have a source.
    """
    text = re.sub(r"^  given data_source: STRUCT, optional\n", "", text, flags=re.MULTILINE)
    text = re.sub(r"^  in python:3\.\d+(?= |$)", "  in python", text, flags=re.MULTILINE)
    return re.sub(r"^  output [\w-]+-(?:metrics|curves|best) = .*\n", "", text, flags=re.MULTILINE)


def test_every_plan_file_has_its_pipeline() -> None:
    names = {path.stem for path in (*PIPELINES, *WRITTEN)}
    stale = [path for path in sorted(PLANS.glob("*.txt")) if path.stem not in names]
    if WRITE:
        for path in stale:
            path.unlink()
        stale = []
    assert not stale
