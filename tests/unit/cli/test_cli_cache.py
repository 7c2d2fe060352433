"""`tradewind cache` on a cache of files."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tradewind.artifacts import CacheIndex
from tradewind.cli.main import main

DAY = 86400


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs `tradewind cache ACTION ...` on three results: train (10 days old, 2 MB), train (new), split."""
    monkeypatch.setenv("TRADEWIND_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("AIRFLOW_HOME")
    root = (tmp_path / "store").as_uri()
    index = CacheIndex(root)
    now = time.time()
    for key, component, age, size in (
        ("aa11" * 16, "train", 10 * DAY, 2_000_000),
        ("aa22" * 16, "train", 0, 0),
        ("bb33" * 16, "split", 3600, 12),
    ):
        data = tmp_path / key[:4]
        data.write_text("x")
        reference = {"uri": data.as_uri(), "digest": "sha256:1", "size": size, "format": "file"}
        index.store(
            key,
            {
                "parameters": {"Output": 0.5},
                "artifacts": {"model": [reference]} if size else {},
                "source": {
                    "dag_id": "churn",
                    "run": f"run-{key[:2]}",
                    "step": component,
                    "url": "http://af/x",
                },
                "component": component,
                "image": "python:3.11",
                "image_digest": "sha256:5",
            },
        )
        (path,) = (tmp_path / "store").rglob(f"{key}.json")
        document = json.loads(path.read_text())
        path.write_text(json.dumps(document | {"stored": now - age}))

    def run(action: str, *arguments: str) -> int:
        return main(["cache", action, "--store", root, *arguments])

    run.keys = lambda: [entry.key[:4] for entry in index.entries()]  # type: ignore[attr-defined]
    return run


def test_a_list_for_people_and_one_for_programs(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert store("list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:5] for line in lines] == [
        ["KEY", "COMPONENT", "AGE", "SIZE", "MADE"],
        ["aa22aa22aa22", "train", "0s", "0", "B"],
        ["bb33bb33bb33", "split", "1h", "12", "B"],
        ["aa11aa11aa11", "train", "10d", "2.0", "MB"],
    ]
    assert lines[1].endswith("churn / run-aa / train")
    assert store("list", "--component", "train", "--older-than", "7d", "--json") == 0
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["key"], entry["size"], entry["source"]["run"]) == ("aa11" * 16, 2_000_000, "run-aa")
    assert store("list", "--component", "nobody") == 0
    assert capsys.readouterr().out == "No results are cached\n"


def test_one_result(store: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert store("show", "aa2") == 0
    shown = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert shown["key"].strip() == "aa22" * 16
    assert shown["image"].strip() == "python:3.11 sha256:5"
    assert shown["output Output"].strip() == "0.5"
    assert store("show", "bb") == 0  # its artifact has another size than it had
    assert "no longer there" in capsys.readouterr().out
    assert store("show", "aa") == 2
    assert "2 results have a key that starts with 'aa'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (["--component", "train", "--yes"], ["bb33"]),
        (["--component", "train", "--older-than", "7d", "--yes"], ["aa22", "bb33"]),
        (["--older-than", "30m", "--yes"], ["aa22"]),
        (["aa1", "bb3", "--yes"], ["aa22"]),
        (["--all", "--yes"], []),
        (["--all", "--dry-run"], ["aa11", "aa22", "bb33"]),
        (["--component", "nobody"], ["aa11", "aa22", "bb33"]),
    ],
)
def test_forgetting(store: Any, arguments: list[str], left: list[str], tmp_path: Path) -> None:
    assert store("clear", *arguments) == 0
    assert store.keys() == left
    assert (tmp_path / "aa11").exists()  # artifacts stay


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["clear", "--all"], "--yes"),
        (["clear"], "in one way"),
        (["clear", "aa1", "--all", "--yes"], "in one way"),
        (["clear", "zz", "--yes"], "no result has a key"),
        (["clear", "--older-than", "long", "--yes"], "no duration"),
        (["show", "zz"], "tradewind cache list"),
    ],
)
def test_mistakes_forget_nothing(
    store: Any, arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert store(*arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("tradewind cache: ")
    assert said in error
    assert len(store.keys()) == 3


def test_which_cache_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRADEWIND_HOME", str(tmp_path))
    monkeypatch.delenv("AIRFLOW_HOME")
    assert main(["cache", "list"]) == 2
    assert "no stack runs" in capsys.readouterr().err
    # What the stack that ran here last has left behind, as files.
    root = tmp_path / "mlflow" / "artifacts" / "tradewind"
    CacheIndex(root.as_uri()).store("cc44", {"parameters": {}, "artifacts": {}, "component": "left"})
    assert main(["cache", "list"]) == 0
    assert "left" in capsys.readouterr().out
    assert main(["cache", "list", "--mlflow", "http://127.0.0.1:9"]) == 3
    # The Airflow of this shell.
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setenv("AIRFLOW__TRADEWIND__ARTIFACT_STORE", (tmp_path / "other").as_uri())
    from tradewind.operators.configuration import configuration

    configuration.cache_clear()
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out == "No results are cached\n"
    configuration.cache_clear()


def test_check_tries_the_artifact_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tradewind.cli.check_servers import configured_findings
    from tradewind.operators.configuration import configuration

    def finding(store: str) -> Any:
        monkeypatch.setenv("AIRFLOW__TRADEWIND__ARTIFACT_STORE", store)
        configuration.cache_clear()
        return next(found for found in configured_findings() if found.subject == "artifact store")

    good = finding((tmp_path / "store").as_uri())
    assert (good.ok, list((tmp_path / "store").rglob("check-*"))) == (True, [])
    bad = finding("nosuchscheme://x")
    assert not bad.ok
    assert "nosuchscheme" in bad.detail
    configuration.cache_clear()
