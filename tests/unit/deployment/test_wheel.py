"""What is shipped: the wheel holds everything that runs, and Airflow finds it where only that is there."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "uv", "build", "--quiet", "--wheel", "--out-dir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


def test_it_holds_every_module(wheel: Path):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for source in (ROOT / "plugin", ROOT / "operators"):
        files = [path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        missing = {path.relative_to(source).as_posix() for path in files} - inside
        assert not missing


@pytest.fixture(scope="module")
def venv(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment in which only the wheel is installed."""
    venv = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    python = venv / "bin" / "python"
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--no-deps", "--python", str(python)]
    subprocess.run([*install, str(wheel)], check=True)
    return venv


TYPED = """\
from tradewind import compiler, components, dsl, kubernetes
from tradewind.errors import InvalidPipelineError

@dsl.pipeline
def churn() -> None: ...

compiler.Compiler().compile(churn, "churn.yaml")
components.load_component_from_file("step.yaml")
kubernetes.use_secret_as_env

def places(error: InvalidPipelineError) -> list[str]:
    return [problem.place for problem in error.problems]

def wrong(error: InvalidPipelineError) -> int:
    return error.message
"""


def test_it_brings_its_types_along(venv: Path, tmp_path: Path):
    (tmp_path / "dag.py").write_text(TYPED)
    (site,) = venv.glob("lib/python*/site-packages")
    (site / "rest.pth").write_text(sysconfig.get_path("purelib"))
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(venv / "bin" / "python")]
    done = subprocess.run([*command, "dag.py"], capture_output=True, text=True, cwd=tmp_path)
    (site / "rest.pth").unlink()
    expected = 'dag.py:15: error: Incompatible return value type (got "str", expected "int")  [return-value]'
    assert done.stdout.splitlines() == [expected, "Found 1 error in 1 file (checked 1 source file)"]


def test_airflow_finds_provider_plugin_and_command_in_it(venv: Path, tmp_path: Path):
    python = venv / "bin" / "python"
    code = (
        "import tradewind.operators.step, tradewind.airflow, tradewind.cli.main\n"
        "from airflow.plugins_manager import get_plugin_info\n"
        "from airflow.providers_manager import ProvidersManager\n"
        "place = tradewind.operators.step.__file__\n"
        "provider = 'airflow-provider-tradewind' in ProvidersManager().providers\n"
        "plugin = 'tradewind' in {each['name'] for each in get_plugin_info()}\n"
        "print('FOUND', place, provider, plugin)\n"
    )
    # Everything else comes from this environment; its own Tradewind does not, a path file brings that along.
    environment = os.environ | {
        "PYTHONPATH": sysconfig.get_path("purelib"),
        "AIRFLOW_HOME": str(tmp_path / "home"),
    }
    done = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    found = next(line for line in done.stdout.splitlines() if line.startswith("FOUND"))
    _, place, provider, plugin = found.split()
    assert Path(place).is_relative_to(venv)
    assert (provider, plugin) == ("True", "True")
    shown = subprocess.run(
        [str(venv / "bin" / "tradewind"), "--help"], capture_output=True, text=True, env=environment
    )
    assert shown.returncode == 0, shown.stderr
