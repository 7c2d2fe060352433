"""`tradewind check FILE`: what would run, with how many pods, or all that is wrong, with its line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from fixtures.damaged_files import damaged
from tradewind import dsl, ir, plan
from tradewind.cli.check_pods import count_pods
from tradewind.cli.main import main

DOCUMENTS = Path(__file__).parents[2] / "golden" / "documents"


def shown(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> list[str]:
    assert main(["check", *map(str, arguments)]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    return output.out.splitlines()


def complaints(capsys: pytest.CaptureFixture[str], file: Path) -> list[str]:
    assert main(["check", str(file)]) == 2
    output = capsys.readouterr()
    assert output.out == ""
    return output.err.splitlines()


# --- what would run ---


def test_loops_and_exit_tasks_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    file = DOCUMENTS / "exit_handler_around_loop.yaml"
    assert shown(capsys, file) == [
        f"pass  {file}: pipeline exit-handler-around-loop, 4 steps",
        "      pods: 2 + 1 for each item of exit-handler-1.for-loop-2 + 1 for each item of "
        "exit-handler-1.for-loop-2.for-loop-3 (retries not counted; a step taken from the cache needs none)",
        "      parameter site: STRING = 'example.com'",
        "      exit-handler-1",
        "        pages         alpine:3.20",
        "        for-loop-2    for each item of pages.Output, 2 at a time",
        "          fetch       alpine:3.20",
        "          for-loop-3  for each item of fetch.Output",
        "            store     alpine:3.20",
        "      report          alpine:3.20  whatever happens, at the end of exit-handler-1",
    ]


def test_branches_are_told_in_few_words(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, DOCUMENTS / "sdk-2.4.0-condition_chain.yaml")
    words = [line for line in lines if line.strip().startswith("condition-")]
    assert words[0].endswith("one of these")
    assert words[1].endswith("if grade.Output == 'A'")
    assert words[2].endswith("else if grade.Output == 'B'")
    assert words[4].endswith("else if int(pipeline.score) > 50")
    assert words[5].endswith("condition-6         else")
    assert "pods: 3 (" in lines[1]


def test_importers_settings_and_names_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pipeline.py"
    file.write_text(
        "from tradewind import dsl\n\n\n"
        "@dsl.component(base_image='python:3.12')\n"
        "def use(data: dsl.Input[dsl.Dataset]):\n    ...\n\n\n"
        "@dsl.pipeline\n"
        "def churn(uri: str):\n"
        "    got = dsl.importer(artifact_uri=uri, artifact_class=dsl.Dataset)\n"
        "    use(data=got.output).set_retry(2).set_caching_options(False).set_display_name('Use it')\n"
    )
    lines = shown(capsys, file)
    assert lines[1].startswith("      pods: 1 (")
    assert lines[3:] == [
        "      importer  no pod: pipeline.uri",
        '      use       python:3.12           after importer, 2 retries, not cached, "Use it"',
    ]


def test_the_plan_says_where_each_value_comes_from(capsys: pytest.CaptureFixture[str]) -> None:
    lines = shown(capsys, DOCUMENTS / "exit_handler_around_loop.yaml", "--plan")
    assert "  given page: NUMBER_INTEGER = item of exit-handler-1.for-loop-2" in lines
    assert any(line.startswith("  given status: STRUCT = status of exit-handler-1") for line in lines)


def test_colours_are_for_terminals(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = DOCUMENTS / "literals.yaml"
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\x1b" not in "".join(shown(capsys, file))
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert shown(capsys, file)[0].startswith("\x1b[32mpass\x1b[0m  ")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in "".join(shown(capsys, file))


# --- how many pods ---


@dsl.component
def step(x: int = 1) -> int:
    return x


@dsl.component
def numbers() -> list:
    return [1, 2]


@dsl.pipeline
def two_steps(on: bool):
    step()
    with dsl.If(on == True):  # noqa: E712
        step()


@dsl.pipeline
def if_alone(n: int):
    step()
    with dsl.If(n > 1):
        step()
        step()


@dsl.pipeline
def if_else(n: int):
    with dsl.If(n > 1):
        step()
        step()
    with dsl.Elif(n > 2):
        step()
    with dsl.Else():
        step()
        step()
        step()


@dsl.pipeline
def if_elif(n: int):
    with dsl.If(n > 1):
        step()
    with dsl.Elif(n > 0):
        step()


@dsl.pipeline
def known_loops():
    with dsl.ParallelFor([1, 2, 3]):
        step()
        with dsl.ParallelFor([1, 2]):
            step()


@dsl.pipeline
def unknown_loops(n: int, items: list):
    with dsl.ParallelFor(items):
        step()
        with dsl.ParallelFor([1, 2]):
            step()
        with dsl.ParallelFor(numbers().output), dsl.If(n > 1):
            step()


@dsl.pipeline
def loop_in_branch(n: int):
    with dsl.If(n > 1), dsl.ParallelFor(numbers().output):
        step()
    with dsl.Else(), dsl.ParallelFor([1, 2, 3, 4]):
        two_steps(on=True)


@pytest.mark.parametrize(
    ("pipeline", "pods"),
    [
        (two_steps, "1 to 2"),
        (if_alone, "1 to 3"),
        (if_else, "1 to 3"),
        (if_elif, "0 to 1"),
        (known_loops, "9"),
        (
            unknown_loops,
            "4 for each item of for-loop-1 + 0 to 1 for each item of for-loop-1.for-loop-3",
        ),
        (
            loop_in_branch,
            "1 to 8 + 0 to 1 for each item of condition-branches-1.condition-4.for-loop-2",
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_pods_are_counted_as_far_as_can_be_known(pipeline: dsl.BaseComponent, pods: str) -> None:
    counted = str(count_pods(plan.build(dsl.compile(pipeline))))
    # Numbers of blocks are the compiler's business.
    assert counted.split(" of ")[0] == pods.split(" of ")[0]
    assert counted.count(" of ") == pods.count(" of ")


# --- what is wrong ---


def test_all_that_is_wrong_is_told_at_once_by_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (DOCUMENTS / "literals.yaml").read_text()
    text = text.replace("name: comp-train}", "name: comp-trian}", 1).replace(
        "image: alpine:3.20", "image: ''"
    )
    text = text.replace("      train-2:\n", "      run_end:\n")  # valid, and not possible here
    file = tmp_path / "broken.yaml"
    file.write_text(text)
    rows = text.splitlines()
    said = complaints(capsys, file)
    assert said[0] == f"{file}: 3 problems; nothing of it would run"
    places = [line for line in said if line.startswith(f"{file}:")][1:]
    assert [rows[int(line.removeprefix(f"{file}:").split(":")[0]) - 1].strip() for line in places] == [
        "image: ''",
        "componentRef: {name: comp-trian}",
        "run_end:",
    ]
    assert "    Remedy: did you mean 'comp-train'?" in said


def test_what_does_not_fit_the_format_has_a_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text((DOCUMENTS / "literals.yaml").read_text().replace("kind: {literals", "kind: {literal"))
    said = complaints(capsys, file)
    assert said[1].startswith(
        f"{file}:8: $.components.comp-train.inputDefinitions.parameters.kind.literal: unknown"
    )
    file.write_text("a: [1\nb: 2")
    assert complaints(capsys, file)[1].startswith(f"{file}:2: this is not YAML")


def test_a_pipeline_in_python_is_told_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "pipeline.py"
    file.write_text(
        "from tradewind import dsl\n\n\n@dsl.component\ndef a(x: int): ...\n\n\n"
        "@dsl.pipeline\ndef churn():\n    a(x='text')\n    a(y=1)\n"
    )
    said = complaints(capsys, file)
    assert "3 problems" in said[0]
    assert any("task 'a', argument 'x'" in line for line in said)


def test_a_file_with_many_faults_says_them_in_the_order_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document = yaml.safe_load((DOCUMENTS / "exit_handler_around_loop.yaml").read_text())
    for component in document["components"].values():
        component.pop("executorLabel", None)
    file = tmp_path / "broken.yaml"
    file.write_text(yaml.safe_dump(document))
    said = [line for line in complaints(capsys, file)[1:] if line.startswith(f"{file}:")]
    numbers = [int(line.removeprefix(f"{file}:").split(":")[0]) for line in said]
    assert len(numbers) >= 4
    assert numbers == sorted(numbers)


def test_any_file_gets_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "damaged.yaml"
    answers = set()
    for number in range(60):
        content = damaged(number)[1]
        file.write_bytes(content if isinstance(content, bytes) else content.encode(errors="surrogatepass"))
        answers.add(main(["check", str(file)]))
        output = capsys.readouterr()
        assert bool(output.out) != bool(output.err)
    assert answers == {0, 2}


DAG_FILE = """
from tradewind import dsl
from tradewind.airflow import pipeline_dag

@dsl.component
def greet(name: str): ...

@dsl.pipeline
def hello(name: str = "world"):
    greet(name=name)

"""


def test_what_pipeline_dag_would_refuse_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "dag.py"
    wrong = "dag = pipeline_dag(hello, nonsense=1, tracking='maybe', params={'q': 1}, steps={'gret': {}})\n"
    file.write_text(DAG_FILE + wrong)
    said = complaints(capsys, file)
    assert "4 problems" in said[0]
    for words in ("'nonsense'", "tracking: is 'maybe'", "params['q']", "gret"):
        assert any(words in line for line in said), words
    file.write_text(DAG_FILE + "dag = pipeline_dag(hello, default_args=5)\n")
    assert len(complaints(capsys, file)) == 2


def test_what_pipeline_dag_takes_would_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "dag.py"
    file.write_text(
        "from datetime import timedelta\n" + DAG_FILE + "dag = pipeline_dag(hello, schedule='@daily',"
        " steps={'greet': {'execution_timeout': timedelta(hours=1), 'pool': 'gpu'}})\ndag.doc_md = 'x'\n"
    )
    assert shown(capsys, file)[0].endswith("pipeline hello, 1 step")


def test_a_check_of_a_dag_file_leaves_no_airflow_behind(tmp_path: Path) -> None:
    file = tmp_path / "dag.py"
    file.write_text(DAG_FILE + "dag = pipeline_dag(hello)\n")
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "tradewind.cli.main", "check", str(file)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert {path.name for path in tmp_path.iterdir()} <= {"dag.py", "__pycache__"}


# --- what may be meant otherwise ---

NESTED = """
from kfp import dsl

@dsl.component
def pair(a: str, b: str): ...

@dsl.pipeline
def pairs(names: list):
    with dsl.ParallelFor(names) as one:
        with dsl.ParallelFor(names) as other:
            pair(a=one, b=other)
"""


def test_items_that_the_sdk_mixes_up_are_told(
    compile_with_kfp: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "pairs.py"
    source.write_text(NESTED)
    notes = [line for line in shown(capsys, compile_with_kfp(source)) if line.startswith("note")]
    (note,) = notes
    assert (
        "for-loop-1.for-loop-2 goes over the list of for-loop-1: the KFP SDK gives both items one name"
        in note
    )
    source.write_text(NESTED.replace("from kfp", "from tradewind"))
    assert not any("note" in line for line in shown(capsys, source))


def test_loops_longer_than_airflow_is_set_to_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    @dsl.component
    def step(x: int): ...

    @dsl.pipeline
    def wide():
        with dsl.ParallelFor(list(range(1025))) as number:
            step(x=number)

    file = tmp_path / "wide.yaml"
    file.write_text(ir.dump(dsl.compile(wide)))
    assert "1025 iterations, Airflow is set to at most 1024 here: raise" in shown(capsys, file)[-1]
