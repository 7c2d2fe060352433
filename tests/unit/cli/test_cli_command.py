"""The command as a shell sees it: output, errors, exit codes. Nothing here starts a server."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from fixtures.airflow import AirflowHome
from fixtures.http_doubles import Answer, scripted
from tradewind.cli.clusters import ClusterChoice, choose_cluster
from tradewind.cli.exits import UsageError
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
        (["compile", str(DAGS / "hello.py"), "-o", ""], "cannot write"),
        (["compile", str(DAGS / "hello.py"), "-o", "/"], "Is a directory"),
        (["up", "--dags", "/no/such/folder"], "no such directory"),
        (["run", str(DAGS / "hello.py"), "--pipeline-root", "xx"], "--pipeline-root 'xx' is no URI"),
        (["run", str(DAGS / "hello.py"), "--experiment", " "], "--experiment is empty"),
        (["run", str(DAGS / "hello.py"), "--mlflow", "http://127.0.0.1:abc"], "not the address of a server"),
        (["run", str(DAGS / "hello.py"), "--mlflow", "http://a b"], "not the address of a server"),
        (["up", "--mlflow", "http://me:secret@[::1"], "--mlflow 'http://[::1' is not the address"),
        (["up", "--mlflow", "mlruns"], "not the address of a server"),
        (["cache", "list", "--mlflow", "http://127.0.0.1:abc"], "not the address of a server"),
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


def test_sweep_refuses_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sweep", "--mlflow", "http://127.0.0.1:abc"]) == 2
    assert "not the address of a server" in capsys.readouterr().err


def kubeconfig_for(server: str, folder: Path) -> Path:
    file = folder / "kubeconfig"
    file.write_text(
        f'{{"clusters": [{{"name": "c", "cluster": {{"server": "{server}"}}}}],'
        ' "users": [{"name": "u", "user": {}}], "contexts": [{"name": "c",'
        ' "context": {"cluster": "c", "user": "u"}}], "current-context": "c"}'
    )
    return file


@pytest.mark.parametrize("arguments", [["up"], ["run", str(DAGS / "hello.py")]])
def test_servers_that_do_not_answer_are_found_before_anything_starts(
    tmp_path: Path, arguments: list[str]
) -> None:
    home = tmp_path / "home"
    kubeconfig = kubeconfig_for("http://127.0.0.1:9", tmp_path)
    for option, value in (("--mlflow", "http://127.0.0.1:9"), ("--cluster", str(kubeconfig))):
        result = command(*arguments, option, value, home=home)
        assert result.returncode == 3
        assert "http://127.0.0.1:9 cannot be reached" in result.stderr
        assert "Remedy:" in result.stderr
        assert "Traceback" not in result.stderr
        assert result.stdout == ""
        assert not home.exists()


def test_a_server_that_is_no_mlflow_is_wrong_usage(tmp_path: Path) -> None:
    with scripted(lambda request: Answer(200, b"<html>")) as uri:
        result = command("up", "--mlflow", uri, home=tmp_path / "home")
    assert result.returncode == 2
    assert "does not answer like an MLflow server" in result.stderr
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"not: [yaml", "is not YAML: while parsing a flow sequence"),
        (b"a: 1", "has no list of contexts"),
        (b"", "has no list of contexts"),
        (b"contexts: [{}]", "a context has no name"),
        (b"\xff\xfe", "is not text in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_kubeconfig_is_said(tmp_path: Path, text: bytes, said: str) -> None:
    (tmp_path / "kubeconfig").write_bytes(text)
    with pytest.raises(UsageError) as caught:
        choose_cluster(str(tmp_path / "kubeconfig"))
    assert said in caught.value.message
    assert "\n" not in caught.value.message


def test_a_cluster_without_an_address_is_wrong_usage(tmp_path: Path) -> None:
    result = command("up", "--cluster", str(kubeconfig_for("nope", tmp_path)), home=tmp_path / "home")
    assert result.returncode == 2
    assert "the cluster's server is 'nope', which is no address" in result.stderr
    assert not (tmp_path / "home").exists()


def test_clusters_of_the_same_name_are_told_apart(tmp_path: Path) -> None:
    ids = {ClusterChoice(tmp_path / name / "config").connection_id for name in ("a", "b")}
    assert len(ids) == 2


@pytest.mark.parametrize("arguments", [["up"], ["run", str(DAGS / "hello.py")]])
def test_a_home_that_cannot_be_written_is_wrong_usage(arguments: list[str]) -> None:
    result = command(*arguments, home=Path("/proc/nope"))
    assert result.returncode == 2
    assert "/proc/nope cannot be used" in result.stderr
    assert "Traceback" not in result.stderr


def test_check_tries_whether_the_home_can_be_written() -> None:
    result = command("check", home=Path("/proc/nope"))
    assert result.returncode == 1
    assert "FAIL  directory: /proc/nope cannot be used" in result.stdout


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    result = command("--version", home=tmp_path)
    assert (result.returncode, result.stdout) == (0, f"tradewind {version('airflow-provider-tradewind')}\n")


def test_compile_writes_what_the_library_dumps(tmp_path: Path) -> None:
    target = tmp_path / "hello.yaml"
    assert command("compile", str(DAGS / "hello.py"), "-o", str(target), home=tmp_path).returncode == 0
    shown = command("compile", str(DAGS / "hello.py"), "-o", "-", home=tmp_path)
    assert shown.stdout == target.read_text()
    assert "name: hello" in shown.stdout
    piped = command("compile", str(DAGS / "hello.py"), "-o", "/dev/stdout", home=tmp_path)
    assert piped.stdout.startswith(shown.stdout)


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
    kubeconfig = kubeconfig_for("http://127.0.0.1:9", tmp_path)
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
