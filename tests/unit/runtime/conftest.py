"""Pods without a cluster: the container's command as a real process, with a clean environment."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tradewind.runtime.shipping import container_command

PREAMBLE = "import kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n\n"


@dataclass
class Ended:
    """How a container ended."""

    code: int
    log: str
    message: str

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.message)
        return found

    @property
    def parameters(self) -> dict[str, Any]:
        assert self.code == 0, self.log
        found: dict[str, Any] = self.result["parameters"]
        return found

    @property
    def error(self) -> dict[str, Any]:
        assert self.code != 0, self.message
        found: dict[str, Any] = self.result["error"]
        return found


class Pod:
    """Starts containers, each with a directory and an environment of its own.

    Attributes:
        environ: variables of the container, besides PATH and the protocol's.
        python: what `python3` is in the image; None: there is none.
    """

    def __init__(self, directory: Path, python: str | None) -> None:
        self.directory = directory
        self.environ: dict[str, str] = {}
        self.python = python
        self._count = 0
        self._started: list[subprocess.Popen[str]] = []

    def run(self, task: Mapping[str, Any], **options: Any) -> Ended:
        """Carry out a task to its end."""
        return self.run_command(container_command(dict(task)), **options)

    def run_command(self, command: list[str], *, timeout: float = 60) -> Ended:
        """Run a container command to its end."""
        process, workdir = self.start(command)
        output, _ = process.communicate(timeout=timeout)
        message = workdir / "termination-log"
        return Ended(process.returncode, output, message.read_text() if message.exists() else "")

    def start(self, command: list[str]) -> tuple[subprocess.Popen[str], Path]:
        """Start a container; returns the process and its directory."""
        self._count += 1
        workdir = self.directory / f"container-{self._count}"
        (workdir / "bin").mkdir(parents=True)
        if self.python and (Path(self.python).parent.parent / "pyvenv.cfg").exists():
            # A virtual environment is found by the path of its Python: no link to it.
            path = f"{Path(self.python).parent}:/usr/bin:/bin"
        elif self.python:
            (workdir / "bin" / "python3").symlink_to(self.python)
            path = f"{workdir / 'bin'}:/usr/bin:/bin"
        else:
            for tool in ("sh", "cat", "mkdir", "base64", "tr", "sleep", "printf", "rm"):
                found = shutil.which(tool)
                if found:
                    (workdir / "bin" / tool).symlink_to(found)
            path = str(workdir / "bin")
        environ = {
            "PATH": path,
            "HOME": str(workdir),
            "TRADEWIND_WORKDIR": str(workdir / "work"),
            "TRADEWIND_TERMINATION_LOG": str(workdir / "termination-log"),
            **self.environ,
        }
        environ = {name: value for name, value in environ.items() if value}
        expanded = [kubelet_expands(argument, environ) for argument in command]
        process = subprocess.Popen(
            expanded,
            cwd=workdir,
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._started.append(process)
        return process, workdir

    def clean_up(self) -> None:
        """Kill what is left, children of the containers included."""
        for process in self._started:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def kubelet_expands(argument: str, environ: Mapping[str, str]) -> str:
    """Expand `$(NAME)` as Kubernetes does in commands; `$$` stands for a dollar."""

    def replace(match: re.Match[str]) -> str:
        if match.group() == "$$":
            return "$"
        return environ.get(match.group(1), match.group())

    return re.sub(r"\$\$|\$\(([^)]*)\)", replace, argument)


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """A pod whose image has the base Python of this test run, and none of our packages."""
    started = Pod(tmp_path, getattr(sys, "_base_executable", sys.executable))
    yield started
    started.clean_up()


MakeTask = Callable[..., dict[str, Any]]


@pytest.fixture
def python_task(tmp_path: Path) -> MakeTask:
    """Makes tasks of kind "python" with everything a test does not care about filled in.

    Outputs are given as {name: parameter type} and {name: schema title}.
    """
    return lambda source, **options: make_task(tmp_path, python_source=source, **options)


@pytest.fixture
def command_task(tmp_path: Path) -> MakeTask:
    """Makes tasks of kind "command"."""
    return lambda *command, **options: make_task(tmp_path, command=list(command), **options)


def make_task(
    store: Path,
    *,
    python_source: str | None = None,
    function: str = "step",
    command: list[str] | None = None,
    inputs: Mapping[str, Any] | None = None,
    artifacts: Mapping[str, Any] | None = None,
    outputs: Mapping[str, str] | None = None,
    output_artifacts: Mapping[str, str] | None = None,
    root: str = "",
    **more: Any,
) -> dict[str, Any]:
    base, root = "/tmp/tradewind", root or (store / "store").as_uri()
    given = {}
    for name, value in (artifacts or {}).items():
        listed = value if isinstance(value, list) else [value]
        paths = [
            f"{base}/inputs/{name}" + (f"/{i}" if isinstance(value, list) else "") for i in range(len(listed))
        ]
        given[name] = {
            "artifacts": [{**one, "customPath": path} for one, path in zip(listed, paths, strict=True)]
        }
    made = {
        name: {
            "artifacts": [
                {
                    "name": name,
                    "type": {"schemaTitle": title, "schemaVersion": "0.0.1"},
                    "uri": f"{root}/{name}",
                    "metadata": {},
                    "customPath": f"{base}/outputs/{name}",
                }
            ]
        }
        for name, title in (output_artifacts or {}).items()
    }
    task = {
        "protocol": 1,
        "kind": "command" if python_source is None else "python",
        "command": command or [],
        "packages": [],
        "pip": {"index_urls": [], "trusted_hosts": []},
        "executor_input": {
            "inputs": {"parameterValues": dict(inputs or {}), "artifacts": given},
            "outputs": {
                "parameters": {name: {"outputFile": f"{base}/outputs/{name}"} for name in outputs or {}},
                "artifacts": made,
                "outputFile": f"{base}/outputs/output_metadata.json",
            },
        },
        "output_types": dict(outputs or {}),
        "result_uri": f"{root}/.tradewind/result.json",
        "store_timeout_seconds": 5,
    }
    if python_source is not None:
        task |= {"function": function, "source": PREAMBLE + textwrap.dedent(python_source), "module": None}
    return task | more
