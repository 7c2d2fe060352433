"""What travels to the pod of a Python component."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tradewind import dsl
from tradewind.errors import InvalidPipelineError


def command_of(component: Any) -> list[str]:
    return [
        value.string_value for value in component.container.struct_value.fields["command"].list_value.values
    ]


def source_of(component: Any) -> str:
    return command_of(component)[-1]


def run(source: str, expression: str) -> str:
    """Run a component's source as the pod would, but for the names that only the pod has."""
    body = "\n".join(line for line in source.split("\n") if not line.startswith(("import kfp", "from kfp")))
    done = subprocess.run(
        [sys.executable, "-c", f"{body}\nprint({expression})"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_source_is_the_function_without_decorators() -> None:
    def helper(x: int) -> int:
        return x + 1

    @dsl.component(
        base_image="python:3.12",
        additional_funcs=[helper],
    )
    def step(x: int) -> int:
        # A comment stays.
        text = """
not indented
"""
        return helper(x) + len(text)

    source = source_of(step)
    assert source.startswith(
        "\nimport kfp\nfrom kfp import dsl\nfrom kfp.dsl import *\nfrom typing import *\n"
    )
    assert "@dsl" not in source
    assert "# A comment stays." in source
    assert run(source, "step(1)") == "16"


def test_braces_and_quotes_in_a_function_are_left_alone() -> None:
    @dsl.component
    def step() -> str:
        return "{x} {{y}} $(date) `date` 'q' \"d\" \\n"

    assert run(source_of(step), "step()") == "{x} {{y}} $(date) `date` 'q' \"d\" \\n"


def test_embedded_files_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "words.txt").write_text("hello")
    (tmp_path / "tree" / "mymodule.py").write_text("ANSWER = 42\n")

    def step(data: dsl.EmbeddedInput[dsl.Dataset]) -> int:
        return 1

    directory = dsl.component(step, embedded_artifact_path=str(tmp_path / "tree"))
    single = dsl.component(step, embedded_artifact_path=str(tmp_path / "tree" / "words.txt"))
    stub = "class dsl:\n    EmbeddedInput = {1: 1}\n    Dataset = 1\n"
    source = stub + source_of(directory)
    words = "open(__KFP_EMBEDDED_ASSET_DIR + '/words.txt').read()"
    assert run(source, f"{words}, __import__('mymodule').ANSWER") == "hello 42"
    assert run(stub + source_of(single), "open(__KFP_EMBEDDED_ASSET_FILE).read()") == "hello"
    assert list(directory.interface.inputs) == []


def test_embedded_files_give_the_same_source_each_time(tmp_path: Path) -> None:
    def step() -> int:
        return 1

    (tmp_path / "words.txt").write_text("hello")
    first = source_of(dsl.component(step, embedded_artifact_path=str(tmp_path / "words.txt")))
    (tmp_path / "words.txt").touch()
    assert source_of(dsl.component(step, embedded_artifact_path=str(tmp_path / "words.txt"))) == first
    with pytest.raises(InvalidPipelineError, match="does not exist"):
        dsl.component(step, embedded_artifact_path=str(tmp_path / "nothing"))


def test_requirements_are_data_for_the_shell() -> None:
    requirement = "x; python_version < '4' $(touch /tmp/never) `id` \"q\""

    @dsl.component(
        packages_to_install=[requirement], install_kfp_package=False, pip_index_urls=["http://a b/$(id)"]
    )
    def step():
        print()

    script = command_of(step)[2]
    (line,) = [line for line in script.split("\n") if "pip install" in line]
    words = shlex.split(line)
    assert words[words.index("--no-warn-script-location") + 1 : words.index("&&")] == [
        *("--index-url", "http://a b/$(id)", "--trusted-host", "http://a b/$(id)", requirement)
    ]


def test_the_command_line_runs(tmp_path: Path) -> None:
    """With stand-ins for pip and KFP's executor, which are not ours to test."""

    @dsl.component(packages_to_install=["one"], pip_trusted_hosts=[])
    def step(x: int) -> int:
        return x

    fake = tmp_path / "python3"
    fake.write_text('#!/bin/sh\necho "$@" >> "$LOG"\ncase "$2" in kfp*) cat "$4" > "$LOG.source";; esac\n')
    fake.chmod(0o755)
    (tmp_path / "pip").symlink_to(fake)
    log = tmp_path / "log"
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "LOG": str(log), "TMPDIR": str(tmp_path)}
    subprocess.run([*command_of(step), "--executor_input", "{}"], env=environment, check=True)
    lines = log.read_text().splitlines()
    assert lines[0] == "-m pip install --quiet --no-warn-script-location one"
    assert "kfp==2.17.3" in lines[1]
    assert lines[2].startswith("-m kfp.dsl.executor_main --component_module_path ")
    assert lines[2].endswith("--executor_input {}")
    assert Path(f"{log}.source").read_text() == source_of(step)


def test_components_keep_what_they_were_made_of() -> None:
    @dsl.component
    def step(x: int) -> int:
        """Add one."""
        return x + 1

    @dsl.pipeline(name="two-words", description="What it does.")
    def pipeline_function(x: int = 1):
        step(x=x)

    assert (step.name, step.description, step.python_func(1)) == ("step", "Add one.", 2)
    assert (pipeline_function.name, pipeline_function.description) == ("two-words", "What it does.")
    assert (step.__name__, pipeline_function.__name__) == ("step", "pipeline_function")
    assert isinstance(pipeline_function, dsl.GraphComponent)
    assert pipeline_function.required_inputs == []
    assert pipeline_function.pipeline_spec.pipeline_info.description == "What it does."


def test_the_ir_of_tasks_and_components() -> None:
    @dsl.container_component
    def say(text: str) -> dsl.ContainerSpec:
        return dsl.ContainerSpec("alpine", ["echo", text])

    assert list(say.component_spec.input_definitions.parameters) == ["text"]
    tasks = []

    @dsl.pipeline
    def inner():
        say(text="a")

    @dsl.pipeline
    def outer():
        tasks.extend([say(text="b"), dsl.importer("s3://a", dsl.Model), inner()])
        with pytest.raises(ValueError, match="task 'say': only tasks of pipelines have a platform_spec"):
            _ = tasks[0].platform_spec

    command, importer, nested = tasks
    assert command.component_spec == say.component_spec
    assert list(command.container_spec.command) == ["echo", "{{$.inputs.parameters['text']}}"]
    assert importer.importer_spec.type_schema.schema_title == "system.Model"
    assert nested.pipeline_spec == inner.pipeline_spec
    assert not nested.platform_spec.platforms
    assert [task.pipeline_spec for task in (command, importer)] == [None, None]
    assert [task.container_spec for task in (importer, nested)] == [None, None]
    assert [task.importer_spec for task in (command, nested)] == [None, None]
