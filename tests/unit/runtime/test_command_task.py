"""Container components: with Python in the image, and without."""

from __future__ import annotations

import json
import time

import pytest

from tradewind.runtime.failures import OutputError
from tradewind.runtime.shipping import (
    ResultError,
    container_command,
    parse_result,
    plain_command,
    sh_command,
)

OUT = "/tmp/tradewind/outputs/out"
AWKWARD = ["{{ x }}", 'it\'s "quoted"', "a\nb", "$(whoami) $(PATH) $$ ${HOME}", "🐈", "", "*", "--"]


@pytest.fixture
def bare(pod):
    """A pod whose image has a shell and no Python. The work directory must be the default one there."""
    pod.python = None
    pod.environ["TRADEWIND_WORKDIR"] = ""
    return pod


def paths_of_its_own(task, tmp_path):
    """Move the declared paths: tests of images without Python share this machine's /tmp."""
    return json.loads(json.dumps(task).replace("/tmp/tradewind", str(tmp_path / "work")))


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("STRING", "  as it is\n", "  as it is\n"),
        ("NUMBER_INTEGER", " 42\n", 42),
        ("NUMBER_DOUBLE", "1e-3\n", 0.001),
        ("NUMBER_DOUBLE", "inf", "Infinity"),
        ("BOOLEAN", "T\n", True),
        ("BOOLEAN", "0", False),
        ("LIST", "[1, {}]", [1, {}]),
        ("STRUCT", '{"a": null}', {"a": None}),
    ],
)
def test_output_parameters_by_type(pod, command_task, kind, text, value):
    ended = pod.run(command_task("sh", "-c", 'printf %s "$1" > "$0"', OUT, text, outputs={"out": kind}))
    assert ended.parameters == {"out": value}


@pytest.mark.parametrize(
    ("kind", "text"),
    [("NUMBER_INTEGER", "5.0"), ("NUMBER_DOUBLE", "x"), ("BOOLEAN", "yes"), ("LIST", "{}"), ("STRUCT", "[")],
)
def test_output_parameters_of_another_type(pod, command_task, kind, text):
    ended = pod.run(command_task("sh", "-c", 'printf %s "$1" > "$0"', OUT, text, outputs={"out": kind}))
    assert ended.error["kind"] == "output"
    assert "'out'" in ended.error["message"]


def test_missing_parameter_fails_and_missing_artifact_warns(pod, command_task):
    ended = pod.run(command_task("true", outputs={"out": "STRING"}))
    assert (ended.code, ended.error["kind"]) == (1, "output")
    ended = pod.run(command_task("true", output_artifacts={"m": "system.Model"}))
    assert ended.code == 0
    assert "warning: nothing was written to output artifact 'm'" in ended.log


def test_artifacts_and_executor_output_file(pod, command_task):
    (pod.directory / "data").write_text("data")
    script = (
        'cat "$0" > "$1"; printf \'{"parameterValues": {"n": 3}, "artifacts": {"m": {"artifacts": '
        '[{"metadata": {"k": 1}}]}}}\' > "$2"'
    )
    base = "/tmp/tradewind"
    command = [
        "sh",
        "-c",
        script,
        f"{base}/inputs/d",
        f"{base}/outputs/m",
        f"{base}/outputs/output_metadata.json",
    ]
    task = command_task(
        *command,
        artifacts={"d": {"uri": (pod.directory / "data").as_uri()}},
        outputs={"n": "NUMBER_INTEGER"},
        output_artifacts={"m": "system.Model"},
    )
    ended = pod.run(task)
    assert ended.parameters == {"n": 3}
    assert ended.result["artifacts"]["m"][0]["metadata"] == {"k": 1}
    assert (pod.directory / "store" / "m").read_text() == "data"


def unread(task):
    """The task as the operator makes it when the command asks for no input's path."""
    for listed in task["executor_input"]["inputs"]["artifacts"].values():
        for artifact in listed["artifacts"]:
            artifact["unread"] = True
    return task


@pytest.mark.parametrize(
    "artifact", [{"uri": "s3://bucket/x", "digest": "sha256:0", "format": "file"}, {"uri": "nosuch://x/y"}]
)
def test_what_nobody_reads_is_not_brought(pod, command_task, artifact):
    task = unread(
        command_task("sh", "-c", f"echo read > {OUT}", artifacts={"d": artifact}, outputs={"out": "STRING"})
    )
    ended = pod.run(task, timeout=20)
    assert ended.parameters == {"out": "read\n"}
    assert ended.log == ""


def test_what_nobody_reads_needs_no_python(bare, command_task, tmp_path):
    task = command_task(
        "sh", "-c", f"echo read > {OUT}", artifacts={"d": {"uri": "nosuch://x/y"}}, outputs={"out": "STRING"}
    )
    ended = bare.run_command(sh_command(paths_of_its_own(unread(task), tmp_path)))
    assert ended.code == 0, ended.log


def test_a_command_whose_input_cannot_be_read_is_not_started(pod, command_task):
    task = command_task("touch", str(pod.directory / "ran"), artifacts={"d": {"uri": "nosuch://x/y"}})
    ended = pod.run(task | {"store_timeout_seconds": 300}, timeout=20)
    assert ended.error["kind"] == "input"
    assert "'d'" in ended.error["message"]
    assert "nosuch:// needs" in ended.error["message"]
    assert not (pod.directory / "ran").exists()


@pytest.mark.parametrize("pack", [container_command, sh_command])
def test_awkward_arguments_arrive_unchanged(pod, command_task, pack):
    script = 'for a in "$@"; do printf "%s\\001" "$a"; done > "$0"'
    ended = pod.run_command(pack(command_task("sh", "-c", script, OUT, *AWKWARD, outputs={"out": "STRING"})))
    assert ended.parameters["out"].split("\1")[:-1] == AWKWARD


def test_plain_commands_are_never_expanded(pod, command_task):
    ended = pod.run_command(plain_command(command_task("printf", "%s|", *AWKWARD)))
    assert ended.log == "".join(text + "|" for text in AWKWARD)
    assert ended.message == ""


def test_a_value_that_looks_like_a_path_is_data(pod, command_task):
    task = command_task(
        "sh", "-c", 'printf %s "$1" > "$0"', OUT, "/tmp/tradewind/other", outputs={"out": "STRING"}
    )
    assert pod.run(task).parameters == {"out": "/tmp/tradewind/other"}


@pytest.mark.parametrize("pack", [container_command, sh_command, plain_command])
def test_nul_is_refused(command_task, pack):
    with pytest.raises(ValueError, match="NUL"):
        pack(command_task("echo", "a\0b"))


@pytest.mark.parametrize(
    ("command", "code"),
    [(["sh", "-c", "exit 7"], 7), (["not-there"], 127), (["sh", "-c", "kill -9 $$"], 137)],
)
def test_exit_codes_are_the_commands_own(pod, command_task, command, code):
    ended = pod.run(command_task(*command))
    assert ended.code == code
    assert ended.error["kind"] == "user"


def test_sigterm_reaches_the_command(pod, command_task):
    script = "trap 'echo stopping; exit 5' TERM; echo started; while :; do sleep 0.05; done"
    process, workdir = pod.start(container_command(command_task("sh", "-c", script)))
    assert process.stdout.readline() == "started\n"
    process.terminate()
    log, _ = process.communicate(timeout=60)
    assert "stopping" in log
    assert process.returncode == 5
    assert json.loads((workdir / "termination-log").read_text())["error"]["kind"] == "stopped"


def test_without_python_small_outputs_come_back(bare, command_task, tmp_path):
    task = command_task(
        "sh",
        "-c",
        'printf "%s" "$1" > "$0"; printf 4 > "$2"',
        OUT,
        "".join(AWKWARD),
        "/tmp/tradewind/outputs/n",
        outputs={"out": "STRING", "n": "NUMBER_INTEGER"},
    )
    ended = bare.run_command(sh_command(paths_of_its_own(task, tmp_path)))
    assert ended.code == 0, ended.log
    result = parse_result(ended.message, output_types=task["output_types"])
    assert result["parameters"] == {"out": "".join(AWKWARD), "n": 4}


@pytest.mark.parametrize(
    ("script", "code", "kind", "message"),
    [
        ("exit 7", 7, "user", "exit code 7"),
        ("true", 1, "output", "'out' is missing"),
        ('i=0; while [ $i -lt 500 ]; do printf 0123456789; i=$((i+1)); done > "$0"', 1, "output", "4096"),
    ],
)
def test_without_python_failures_have_a_reason(bare, command_task, tmp_path, script, code, kind, message):
    task = paths_of_its_own(command_task("sh", "-c", script, OUT, outputs={"out": "STRING"}), tmp_path)
    ended = bare.run_command(sh_command(task))
    assert ended.code == code
    assert ended.error["kind"] == kind
    assert message in ended.error["message"]


def test_without_python_the_type_of_an_output_is_checked_afterwards(bare, command_task, tmp_path):
    task = command_task("sh", "-c", 'echo many > "$0"', OUT, outputs={"out": "NUMBER_INTEGER"})
    ended = bare.run_command(sh_command(paths_of_its_own(task, tmp_path)))
    with pytest.raises(OutputError, match="Output parameter 'out': "):
        parse_result(ended.message, output_types=task["output_types"])


def test_without_python_artifacts_are_refused(bare, command_task, tmp_path):
    task = command_task("touch", str(tmp_path / "ran"), output_artifacts={"model": "system.Model"})
    ended = bare.run_command(sh_command(paths_of_its_own(task, tmp_path)))
    assert (ended.code, ended.error["kind"]) == (1, "protocol")
    assert "model" in ended.error["message"]
    assert not (tmp_path / "ran").exists()


def test_without_python_sigterm_reaches_the_command(bare, command_task, tmp_path):
    script = "trap 'echo stopping; exit 5' TERM; echo started; while :; do sleep 0.05; done"
    process, workdir = bare.start(sh_command(paths_of_its_own(command_task("sh", "-c", script), tmp_path)))
    assert process.stdout.readline() == "started\n"
    began = time.monotonic()
    process.terminate()
    log, _ = process.communicate(timeout=60)
    assert "stopping" in log
    assert time.monotonic() - began < 10
    assert process.returncode == 143
    assert json.loads((workdir / "termination-log").read_text())["error"]["kind"] == "stopped"


@pytest.mark.parametrize(
    "message",
    ["", "no json", "[]", '{"ok": true}', '{"protocol": 2, "ok": true}', '{"protocol": 1, "ok": false}',
     '{"protocol": 1, "ok": true, "parameters": []}',
     '{"protocol":1,"ok":true,"parameters":{"a":"' + "x" * 4096],
)  # fmt: skip
def test_what_is_no_result_is_refused(message):
    with pytest.raises(ResultError):
        parse_result(message)


def test_a_kept_result_is_checked_by_its_digest(pod, python_task):
    ended = pod.run(python_task("def step() -> str: return 'x' * 5000", outputs={"Output": "STRING"}))
    kept = (pod.directory / "store" / ".tradewind" / "result.json").read_bytes()
    assert parse_result(ended.message, lambda uri: kept)["parameters"] == {"Output": "x" * 5000}
    with pytest.raises(ResultError, match="not the one"):
        parse_result(ended.message, lambda uri: kept + b" ")
