"""FILE: what `tradewind` finds in Python files and compiled pipelines."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from datetime import timedelta
from pathlib import Path

import pytest

from tradewind import ir
from tradewind.cli.deployment import folder_that_loads, run_pipeline_of
from tradewind.cli.exits import UsageError
from tradewind.cli.source import read_source
from tradewind.errors import InvalidPipelineError

PIPELINE = """
from tradewind import dsl

@dsl.component
def greet(name: str) -> str:
    return name

@dsl.pipeline(name="hello")
def hello(name: str = "world"):
    greet(name=name)
"""
DAG = PIPELINE + "\nfrom tradewind.airflow import pipeline_dag\n"


def write(folder: Path, text: str, name: str = "file.py") -> str:
    path = folder / name
    path.write_text(textwrap.dedent(text))
    return str(path)


def test_a_pipeline_in_python(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, PIPELINE))
    assert source.dag_id == "hello"
    assert source.pipeline.spec.pipeline_info.name == "hello"


def test_the_compiled_file_holds_the_same_pipeline(tmp_path: Path) -> None:
    source = read_source(write(tmp_path, PIPELINE))
    compiled = read_source(write(tmp_path, ir.dump(source.pipeline), "hello.yaml"))
    assert compiled.pipeline.spec == source.pipeline.spec
    assert compiled.dag_id == "hello"


def test_a_component_alone_is_a_pipeline_of_one_step(tmp_path: Path) -> None:
    text = PIPELINE.partition("@dsl.pipeline")[0]
    assert read_source(write(tmp_path, text)).pipeline.spec.pipeline_info.name == "greet"


def test_a_dag_file_gives_its_settings_and_is_not_loaded_by_airflow(tmp_path: Path) -> None:
    text = DAG + (
        "dag = pipeline_dag(hello, dag_id='daily', schedule='@daily', experiment='trials', caching=False,\n"
        "    params={'name': 'Ada', }, pod={'namespace': 'x'}, cluster='prod')\n"
    )
    file = write(tmp_path, text)
    script = (
        "import sys, json; from tradewind.cli.source import read_source; s = read_source(sys.argv[1]);"
        "print(json.dumps([s.dag_id, dict(s.run.settings), dict(s.run.params), 'airflow' in sys.modules]))"
    )
    output = subprocess.run(
        [sys.executable, "-c", script, file], capture_output=True, text=True, check=True
    ).stdout
    settings = '{"experiment": "trials", "caching": false, "pod": {"namespace": "x"}}'
    assert output.strip() == f'["daily", {settings}, {{"name": "Ada"}}, false]'


def test_pipeline_dag_is_itself_again_afterwards(tmp_path: Path) -> None:
    import tradewind.airflow as package

    read_source(write(tmp_path, DAG + "dag = pipeline_dag(hello)\n"))
    assert package.pipeline_dag.__module__ == "tradewind.airflow.factory"
    assert str(tmp_path) not in sys.path


def test_templates_of_a_schedule_are_left_out(tmp_path: Path) -> None:
    file = write(tmp_path, DAG + "dag = pipeline_dag(hello, params={'name': '{{ ds }}'})\n")
    assert read_source(file).run.params == {}


def test_a_dag_of_a_compiled_file_beside_it(tmp_path: Path) -> None:
    compiled = ir.dump(read_source(write(tmp_path, PIPELINE)).pipeline)
    write(tmp_path, compiled, "hello.yaml")
    text = "from tradewind.airflow import pipeline_dag\ndag = pipeline_dag('hello.yaml')\n"
    assert read_source(write(tmp_path, text, "dag.py")).pipeline.spec.pipeline_info.name == "hello"


def test_one_of_several_is_chosen_by_name(tmp_path: Path) -> None:
    text = (
        DAG + "first = pipeline_dag(hello)\nsecond = pipeline_dag(hello, dag_id='second', experiment='e')\n"
    )
    file = write(tmp_path, text)
    with pytest.raises(UsageError, match="hello, second") as caught:
        read_source(file)
    assert "--pipeline" in caught.value.remedy
    assert read_source(file, pipeline="second").run.settings == {"experiment": "e"}
    with pytest.raises(UsageError, match="has no pipeline 'third'"):
        read_source(file, pipeline="third")


def test_an_imported_pipeline_is_not_the_files_own(tmp_path: Path) -> None:
    write(tmp_path, PIPELINE, "greeting_parts.py")
    text = """
    from greeting_parts import hello
    from tradewind import dsl

    @dsl.pipeline(name="outer")
    def outer():
        hello()
    """
    assert read_source(write(tmp_path, text)).dag_id == "outer"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = (", "line 1"),
        ("import sys\n1 / 0\n", "line 2: ZeroDivisionError"),
        ("import no_such_module_here\n", "No module named 'no_such_module_here'"),
        ("raise SystemExit(3)\n", "line 1: the file ends the process"),
        ("raise ValueError('one\\ntwo')\n", "ValueError: one two"),
        ("x = 1\n", "there is no pipeline in this file"),
    ],
)
def test_a_python_file_that_cannot_be_used(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_source(write(tmp_path, text))
    assert said in caught.value.message
    assert "file.py" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.remedy


def test_all_mistakes_of_a_pipeline_are_said_at_once(tmp_path: Path) -> None:
    text = PIPELINE.replace("greet(name=name)", "greet(name=1)\n    greet(nom='x')")
    with pytest.raises(InvalidPipelineError) as caught:
        read_source(write(tmp_path, text))
    assert len(caught.value.problems) >= 2


def test_pods_that_cannot_be_taken_over_are_named_by_a_run_alone(tmp_path: Path) -> None:
    text = DAG + "dag = pipeline_dag(hello, pod={'x': object()}, steps={'greet': {'pool': object()}})\n"
    source = read_source(write(tmp_path, text))
    assert "name: hello" in ir.dump(source.pipeline)
    with pytest.raises(InvalidPipelineError) as caught:
        run_pipeline_of(source, None)
    assert {problem.place for problem in caught.value.problems} == {
        "pipeline_dag, argument 'pod'",
        "pipeline_dag, argument 'steps'",
    }


def test_a_run_takes_over_what_is_data_and_names_the_rest(tmp_path: Path) -> None:
    text = """
    from datetime import datetime, timedelta

    def tell(context): ...

    dag = pipeline_dag(
        hello,
        schedule="@daily",
        start_date=datetime(2026, 1, 1),
        default_args={"retries": 3, "retry_delay": timedelta(seconds=5), "on_failure_callback": tell},
        cache_ttl=timedelta(days=1),
        deferrable=False,
        retry_on={"all"},
        final_status="engine",
        steps={"greet": {"execution_timeout": timedelta(hours=3), "on_success_callback": [tell]}},
        on_failure_callback=tell,
        user_defined_macros={"tell": tell, "other": object()},
        cluster="prod",
        params={"name": "{{ ds }}"},
    )
    """
    source = read_source(write(tmp_path, DAG + textwrap.dedent(text)))
    assert run_pipeline_of(source, None).settings == {
        "default_args": {"retries": 3, "retry_delay": timedelta(seconds=5)},
        "cache_ttl": timedelta(days=1),
        "deferrable": False,
        "retry_on": {"all"},
        "final_status": "engine",
        "steps": {"greet": {"execution_timeout": timedelta(hours=3)}},
    }
    assert source.run.left_out == (
        "default_args['on_failure_callback'] (a function)",
        "steps['greet']['on_success_callback'] (a function)",
        "on_failure_callback (a function)",
        "user_defined_macros['tell'] (a function)",
        "user_defined_macros (object is not data)",
        "cluster (the stack has its own)",
        "params['name'] (a template)",
    )


def test_a_dag_file_may_do_with_its_dag_what_it_likes(tmp_path: Path) -> None:
    text = """
    dag = pipeline_dag(hello)
    dag.doc_md = "x"
    dag.tags.add("y")
    first, *rest = [dag.get_task("greet"), *dag.tasks]
    first >> [first] >> dag.task_dict["greet"]
    first << first
    with dag as same:
        assert same
    """
    assert read_source(write(tmp_path, DAG + textwrap.dedent(text))).dag_id == "hello"


def test_a_dag_of_the_text_of_a_pipeline(tmp_path: Path) -> None:
    write(tmp_path, ir.dump(read_source(write(tmp_path, PIPELINE)).pipeline), "hello.yaml")
    text = (
        "from pathlib import Path\nfrom tradewind.airflow import pipeline_dag\n"
        "dag = pipeline_dag(Path(__file__).with_name('hello.yaml').read_text())\n"
    )
    assert read_source(write(tmp_path, text, "dag.py")).dag_id == "hello"


def test_a_dag_of_a_finished_plan_has_steps_but_no_way_back(tmp_path: Path) -> None:
    text = DAG + "from tradewind import plan\ndag = pipeline_dag(plan.build(dsl.compile(hello)))\n"
    source = read_source(write(tmp_path, text))
    assert (source.dag_id, list(source.plan().steps)) == ("hello", ["greet"])
    with pytest.raises(UsageError, match="finished Plan"):
        _ = source.pipeline


def test_what_is_no_pipeline_at_all(tmp_path: Path) -> None:
    text = "from tradewind.airflow import pipeline_dag\ndag = pipeline_dag(5)\n"
    with pytest.raises(InvalidPipelineError, match="int is nothing that a DAG can be made of"):
        read_source(write(tmp_path, text))


def test_only_what_the_file_makes_a_dag_of_is_loaded_by_a_stack_from_its_folder(tmp_path: Path) -> None:
    compiled = ir.dump(read_source(write(tmp_path, PIPELINE, "plain.py")).pipeline)
    write(tmp_path, DAG + "dag = pipeline_dag(hello)\n", "dag.py")
    write(tmp_path, compiled, "hello.yaml")
    found = {
        name: folder_that_loads(read_source(str(tmp_path / name)), [tmp_path])
        for name in ("dag.py", "plain.py", "hello.yaml")
    }
    assert found == {"dag.py": tmp_path, "plain.py": None, "hello.yaml": None}
    assert folder_that_loads(read_source(str(tmp_path / "dag.py")), [tmp_path / "other"]) is None


def test_names_that_no_dag_may_have_become_legal(tmp_path: Path) -> None:
    assert read_source(write(tmp_path, PIPELINE.replace('"hello"', '"my pipeline (2)"'))).dag_id == (
        "my-pipeline-2"
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.yaml", "{ no: [yaml", "YAML"),
        ("a.yaml", "just text", "a.yaml"),
        ("a.yaml", "a: 1\n", "a.yaml"),
        ("a.txt", "", "a.txt"),
    ],
)
def test_a_file_that_is_no_pipeline(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InvalidPipelineError, match=said):
        read_source(write(tmp_path, text, name))


def test_no_such_file_and_a_directory(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no such file"):
        read_source(str(tmp_path / "missing.py"))
    with pytest.raises(UsageError, match="is a directory"):
        read_source(str(tmp_path))
