"""Images without Python, and even without a shell: a Python that is brought along takes care of artifacts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tradewind.runtime.shipping import HELPER, helper_command, helper_init_command


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that was brought along, by what the init container does."""
    target = tmp_path_factory.mktemp("portable") / "python"
    *command, place = helper_init_command()
    assert place == HELPER
    python = getattr(sys, "_base_executable", sys.executable)
    assert command[0] == "python3"
    environ = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TRADEWIND"))
    }
    arguments = [argument.replace("$$", "$") for argument in command[1:]]
    subprocess.run([python, *arguments, str(target)], check=True, env=environ)
    return target


def command_of(task: dict[str, object], home: Path) -> list[str]:
    return [argument.replace(HELPER, str(home)) for argument in helper_command(task)]


def test_artifacts_of_an_image_with_nothing_in_it(pod, command_task, home, tmp_path):
    pod.python = None
    pod.environ |= {"PATH": "/nowhere", "PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere"}
    (tmp_path / "data.txt").write_text("some rows")
    data = {"name": "data", "type": {"schemaTitle": "system.Dataset"}, "metadata": {}}
    task = command_task(
        "/bin/cp",
        "/tmp/tradewind/inputs/data",
        "/tmp/tradewind/outputs/model",
        artifacts={"data": {**data, "uri": (tmp_path / "data.txt").as_uri()}},
        output_artifacts={"model": "system.Model"},
    )
    ended = pod.run_command(command_of(task, home))
    assert ended.code == 0, ended.log
    model = ended.result["artifacts"]["model"][0]
    assert Path(model["uri"].removeprefix("file://")).read_text() == "some rows"
    assert (model["format"], model["size"]) == ("file", 9)


def test_results_of_any_size_and_an_environment_untouched(pod, command_task, home):
    pod.python = None
    script = 'i=0; while [ $i -lt 500 ]; do printf 0123456789; i=$((i+1)); done > "$0"; env > "$1"'
    out, env = "/tmp/tradewind/outputs/out", "/tmp/tradewind/outputs/env"
    pod.environ["PATH"] = os.defpath
    task = command_task("/bin/sh", "-c", script, out, env, outputs={"out": "STRING", "env": "STRING"})
    ended = pod.run_command(command_of(task, home))
    assert ended.code == 0, ended.log
    kept = json.loads((pod.directory / "store" / ".tradewind" / "result.json").read_text())
    assert kept["parameters"]["out"] == "0123456789" * 500
    assert "SSL_CERT_FILE" not in kept["parameters"]["env"]
    assert "TRADEWIND_HELPER" not in kept["parameters"]["env"]


def test_the_copy_verifies_certificates_and_starts_itself(home, tmp_path):
    """What packages for object stores need: HTTPS, and a Python that pip can start."""
    code = (
        "import hashlib, json, ssl, subprocess, sys, sysconfig, urllib.request, zlib\n"
        "show = [sys.executable, '-c', 'import sys, ensurepip; print(sys.prefix)']\n"
        "child = subprocess.run(show, capture_output=True).stdout.decode().strip()\n"
        "import os; assert 'TRADEWIND_ENVIRONMENT_CACHE' not in os.environ\n"
        "print(json.dumps([sys.prefix, child, sys.path, ssl.create_default_context().get_ca_certs() != []]))"
    )
    command = [f"{home}/ld.so", "--library-path", f"{home}/shared", f"{home}/bin/python3", "-I", "-c", code]
    done = subprocess.run(
        command, env={"TRADEWIND_ENVIRONMENT_CACHE": "/x"}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    prefix, of_child, path, has_authorities = json.loads(done.stdout)
    assert prefix == of_child == str(home)
    assert has_authorities == (home / "cert.pem").exists()
    assert all(entry.startswith(str(home)) for entry in path)


def test_on_a_shared_host_nothing_is_copied(tmp_path):
    *command, _ = helper_init_command()
    target = tmp_path / "python"
    arguments = [argument.replace("$$", "$") for argument in command[1:]]
    environ = {"TRADEWIND_SHARED_HOST": "1", "PATH": os.environ["PATH"]}
    subprocess.run([sys.executable, *arguments, str(target)], check=True, env=environ)
    assert sum(len(files) for _, _, files in os.walk(target)) == 1
    line = [f"{target}/ld.so", "--library-path", "x", "y", "-I", "-c", "print(5)"]
    assert subprocess.run(line, capture_output=True, check=True, env=environ).stdout == b"5\n"


def test_the_copy_has_the_parts_of_the_c_library_that_compiled_packages_ask_for(home):
    """An image without Python may have none of them, and newer C libraries do not load them."""
    shared = {path.name for path in (home / "shared").iterdir()}
    assert {"libpthread.so.0", "libdl.so.2", "librt.so.1", "libm.so.6"} <= shared
