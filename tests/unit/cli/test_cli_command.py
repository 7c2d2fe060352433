"""The command as a shell sees it: output, errors, exit codes. Nothing here starts a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.airflow import AirflowHome
from tradewind.cli.main import main

DAGS = Path(__file__).parents[3] / "dags"


def command(*arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/bin:/bin", "TRADEWIND_HOME": str(home), "HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-m", "tradewind.cli.main", *arguments],
        env=environment,
        capture_output=True,
        text=True,
    )


def test_help_teaches_by_example_and_imports_nothing_heavy(tmp_path: Path) -> None:
    result = command("--help", home=tmp_path)
    assert result.returncode == 0
    assert "tradewind run dags/breast_cancer.py" in result.stdout
    assert "130  interrupted" in result.stdout
    heavy = "import sys, tradewind.cli.main as m; m._parser(); print([n for n in %r if n in sys.modules])"
    names = ["airflow", "kubernetes", "mlflow", "yaml", "google.protobuf", "rich", "tradewind.local"]
    loaded = subprocess.run([sys.executable, "-c", heavy % names], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["run", "compile", "up", "check", "cache", "sweep"])
def test_each_subcommand_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    assert f"  tradewind {name}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "no_such.py"], "no such file"),
        (["run", str(DAGS / "hello.py"), "-p", "nam=x"], "did you mean 'name'?"),
        (["run", str(DAGS / "breast_cancer.py"), "-p", "seed=x", "-p", "test_fraction=y"], "2 problems"),
        (["run", str(DAGS / "hello.py"), "--cluster", "nowhere"], "neither a file nor a context"),
        (["run", str(DAGS / "hello.py"), "--no-watch"], "tradewind up"),
        (["compile", str(DAGS / "hello.py"), "-o", "/no/such/folder/out.yaml"], "cannot write"),
        (["check", "no_such.yaml"], "no such file"),
        (["up", "--dags", "/no/such/folder"], "no such directory"),
    ],
)
def test_bad_input_is_one_error_with_a_remedy_and_nothing_is_started(
    tmp_path: Path, arguments: list[str], said: str
) -> None:
    home = tmp_path / "home"
    result = command(*arguments, home=home)
    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not home.exists()


def test_compile_writes_what_the_library_dumps(tmp_path: Path) -> None:
    target = tmp_path / "hello.yaml"
    assert command("compile", str(DAGS / "hello.py"), "-o", str(target), home=tmp_path).returncode == 0
    shown = command("compile", str(DAGS / "hello.py"), "-o", "-", home=tmp_path)
    assert shown.stdout == target.read_text()
    assert "name: hello" in shown.stdout


def test_check_of_a_file_says_what_would_run(tmp_path: Path) -> None:
    result = command("check", str(DAGS / "breast_cancer.py"), home=tmp_path)
    assert result.returncode == 0
    assert "9 steps" in result.stdout
    assert "pods: 9 " in result.stdout
    assert "parameter seed: NUMBER_INTEGER = 7" in result.stdout


def test_check_without_a_stack_looks_at_this_machine(tmp_path: Path) -> None:
    result = command("check", home=tmp_path)
    assert result.returncode == 0, result.stdout
    assert "pass  apache-airflow: 3." in result.stdout
    assert "pass  stack: does not run" in result.stdout


def test_check_names_a_cluster_that_cannot_be_reached(tmp_path: Path) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        '{"clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],'
        ' "users": [{"name": "u", "user": {}}], "contexts": [{"name": "c",'
        ' "context": {"cluster": "c", "user": "u"}}], "current-context": "c"}'
    )
    result = command("check", "--cluster", str(kubeconfig), home=tmp_path)
    assert result.returncode == 1
    assert "FAIL  cluster: http://127.0.0.1:9 cannot be reached" in result.stdout
    assert "Remedy:" in result.stdout


def test_an_airflow_without_mlflow_is_told_what_is_missing(tmp_path: Path, airflow_home: AirflowHome) -> None:
    environment = {**os.environ, "TRADEWIND_HOME": str(tmp_path), "AIRFLOW_HOME": str(airflow_home.path)}
    arguments = [sys.executable, "-m", "tradewind.cli.main", "check"]
    result = subprocess.run(arguments, env=environment, capture_output=True, text=True)
    assert result.returncode == 1
    assert "FAIL  MLflow: no server is configured" in result.stdout
