"""Notebook components, compiled by us and by the real KFP SDK: both run, and their notebooks are kept."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf import json_format

from fixtures.kfp_sdk import KfpSdk
from tradewind import dsl
from tradewind.errors import FatalError, InvalidPipelineError
from tradewind.plan.python_component import recognise
from tradewind.runtime.notebook_html import page

Documents = tuple[dict[str, Any], dict[str, Any]]

SOURCE = """\
from kfp import dsl


@dsl.notebook_component(notebook_path={path!r}, base_image="python:3.12", pip_index_urls=["https://x/simple"])
def train(rows: int, words: dict, report: dsl.Output[dsl.HTML]) -> float:
    dsl.run_notebook(rows=rows, words=words, place=report.path)
    with open(report.path) as file:
        return len(file.read()) / 2
"""


def code(*lines: str, tags: tuple[str, ...] = ()) -> dict[str, Any]:
    source = "\n".join(lines)
    about = {"cell_type": "code", "execution_count": None, "outputs": [], "metadata": {"tags": [*tags]}}
    return {**about, "source": source}


def write_notebook(path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": "# <Training>"},
        code("rows, words, place = 1, {}, None", tags=("parameters",)),
        code("import helper, kfp", "helper.double(rows)"),
        code("print('rows:', rows, words)", "1 / (rows - 13)"),
        code("with open(place, 'w') as file:", "    file.write('x' * helper.double(rows))"),
    ]
    path.mkdir()
    (path / "helper.py").write_text("def double(n):\n    return 2 * n\n")
    content = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    (path / "train.ipynb").write_text(json.dumps(content))


@pytest.fixture(scope="module")
def compiled(kfp_sdk: KfpSdk, tmp_path_factory: pytest.TempPathFactory) -> Documents:
    directory = tmp_path_factory.mktemp("notebooks")
    write_notebook(directory / "book")
    text = SOURCE.format(path=str(directory / "book"))
    (directory / "theirs.py").write_text(text)
    (directory / "mine.py").write_text(text.replace("from kfp import", "from tradewind import"))
    theirs = yaml.safe_load(kfp_sdk.compile([directory / "theirs.py"])[directory / "theirs.py"].read_text())
    spec = importlib.util.spec_from_file_location("notebook_of_ours", directory / "mine.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return json_format.MessageToDict(dsl.compile(module.train).spec), theirs


def python_of(document: dict[str, Any]) -> Any:
    container = document["deploymentSpec"]["executors"]["exec-train"]["container"]
    return recognise(container.pop("command"), container["args"])


def test_compiled_as_by_the_sdk(compiled: Documents) -> None:
    mine, theirs = (json.loads(json.dumps(each)) for each in compiled)
    one, other = python_of(mine), python_of(theirs)
    assert (one.packages, one.pip_index_urls, one.function) == (other.packages, other.pip_index_urls, "train")
    assert one.packages == dsl.NOTEBOOK_PACKAGES
    assert mine.pop("sdkVersion") != theirs.pop("sdkVersion")
    assert mine == theirs


@pytest.mark.parametrize(("whose", "rows"), [("mine", 6), ("theirs", 13)])
def test_the_notebook_is_kept_whatever_happens(
    compiled: Documents,
    pod: Any,
    python_task: Any,
    tmp_path_factory: pytest.TempPathFactory,
    whose: str,
    rows: int,
) -> None:
    document = json.loads(json.dumps(compiled[whose == "theirs"]))
    function = python_of(document)
    home = os.environ.get("TRADEWIND_HOME") or str(tmp_path_factory.getbasetemp())
    pod.environ["TRADEWIND_ENVIRONMENT_CACHE"] = str(Path(home) / "notebook-environments")
    pod.environ |= {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_"))}
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        pod.environ["PATH"] = f"{Path(pod.python).parent}:{uv.parent}:/usr/bin:/bin"
    options = {
        "outputs": {"Output": "NUMBER_DOUBLE"},
        "output_artifacts": {"report": "system.HTML"},
        "function": "train",
        "packages": list(function.packages),
    }
    words = {"a": [None, True], "quote": "it's"}
    task = python_task("", inputs={"rows": rows, "words": words}, **options) | {"source": function.source}
    ended = pod.run(task, timeout=300)
    kept = pod.directory / "store" / "notebooks"
    notebook = json.loads((kept / "train.ipynb").read_text())
    shown = (kept / "train.html").read_text()
    injected = notebook["cells"][2]
    assert injected["metadata"]["tags"] == ["injected-parameters"]
    assert f"rows = {rows}" in "".join(injected["source"])
    assert "rows: 6" in shown if rows == 6 else "ZeroDivisionError" in shown
    assert "&lt;Training&gt;" in shown
    assert f"rows: {rows} {words}" in ended.log
    if rows == 6:
        assert ended.parameters == {"Output": 6.0}
    else:
        assert (ended.error["kind"], ended.error["type"]) == ("user", "RuntimeError")
        assert ended.error["message"] == "train.ipynb, cell 5: ZeroDivisionError: division by zero"


def test_wrong_notebooks(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "book").mkdir()
    wrong = {
        str(tmp_path / "none.ipynb"): "does not exist",
        str(tmp_path / "a.txt"): "is no notebook",
        str(tmp_path / "book"): "holds 0 notebooks",
    }
    for path, message in wrong.items():
        with pytest.raises(InvalidPipelineError, match=message):

            @dsl.notebook_component(notebook_path=path)
            def train() -> None:
                dsl.run_notebook()

    with pytest.raises(FatalError, match="only in a step"):
        dsl.run_notebook(rows=1)


def test_a_page_shows_every_kind_of_output() -> None:
    outputs = [
        {"output_type": "stream", "text": ["a <b>\n", "c"]},
        {"output_type": "error", "traceback": ["\x1b[31mboom\x1b[0m"]},
        {"output_type": "display_data", "data": {"image/png": "iVBO\nRw0="}},
        {
            "output_type": "display_data",
            "data": {"text/html": "<script>f()</script>"},
        },
        {"output_type": "execute_result", "data": {"text/plain": "42"}},
        {"output_type": "display_data", "data": {"application/json": {"a": 1}}},
    ]
    text = page({"cells": [{**code("1 < 2"), "outputs": outputs}]}, "<n>")
    for expected in ("1 &lt; 2", "a &lt;b&gt;\nc", ">boom<", "base64,iVBORw0=", ">42<", "&quot;a&quot;: 1"):
        assert expected in text
    assert "<script>" not in text
    assert 'sandbox srcdoc="&lt;script&gt;' in text
