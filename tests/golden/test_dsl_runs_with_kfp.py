"""A component compiled by us runs under the real KFP SDK's executor, as it would on Kubeflow."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from fixtures.kfp_sdk import KfpSdk
from tradewind import dsl


def half(number: float) -> float:
    return number / 2


def test_our_command_line_under_kfp_s_executor(kfp_sdk: KfpSdk, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("hello")

    @dsl.component(
        install_kfp_package=False,
        additional_funcs=[half],
        embedded_artifact_path=str(tmp_path / "words.txt"),
    )
    def train(
        rows: int,
        metrics: dsl.Output[dsl.Metrics],
        words: dsl.EmbeddedInput[dsl.Dataset],
        rate: float = 0.5,
    ) -> float:
        with open(words.path) as file:
            metrics.log_metric("letters", len(file.read()))
        return half(rows * rate)

    container = dsl.compile(train).spec.deployment_spec["executors"]["exec-train"]["container"]
    metrics = {"name": "metrics", "type": {"schemaTitle": "system.Metrics"}, "uri": "gs://x", "metadata": {}}
    executor_input = {
        "inputs": {"parameterValues": {"rows": 12}},
        "outputs": {
            "parameters": {"Output": {"outputFile": str(tmp_path / "Output")}},
            "artifacts": {"metrics": {"artifacts": [{**metrics, "customPath": str(tmp_path / "metrics")}]}},
            "outputFile": str(tmp_path / "outputs.json"),
        },
    }
    arguments = [json.dumps(executor_input) if text == "{{$}}" else text for text in container["args"]]
    path = f"{kfp_sdk.python.parent}:/usr/bin:/bin"
    done = subprocess.run(
        [*container["command"], *arguments],
        env={"PATH": path, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outputs = json.loads((tmp_path / "outputs.json").read_text())
    assert outputs["parameterValues"] == {"Output": 3.0}
    assert outputs["artifacts"]["metrics"]["artifacts"][0]["metadata"] == {"letters": 5}
