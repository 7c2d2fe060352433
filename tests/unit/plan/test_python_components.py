"""Python components are recognised in whatever way an SDK of version 2 has spelled them; nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradewind import ir, plan
from tradewind.plan import Command, PythonFunction
from tradewind.plan.python_component import recognise

DATA = Path(__file__).parent / "data"
VERSIONS = ["2.0.1", "2.4.0", "2.7.0", "2.13.0", "2.17.0"]
ONE, TWO = "https://one.example/simple", "https://two.example/simple"
PANDAS = 'pandas>=2; python_version>"3.8"'

# step → packages, index urls, trusted hosts
SHAPES: dict[str, tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]] = {
    "plain": ((), (), ()),
    "packages": (("scikit-learn", PANDAS), (ONE, TWO), (ONE, TWO)),
    "without-kfp": ((), (), ()),
    "without-kfp-but-numpy": (("numpy",), (), ()),
    "kfp-from-git": (("numpy",), (), ()),
    "kfp-from-path": ((), (), ()),
    "own-kfp": (("numpy", "--pre"), (), ()),
    "in-image": ((), (), ()),
}
NEWER = {
    "plain-2": (("numpy",), (ONE,), ("one.example",)),
    "plain-3": (("numpy",), (), ()),
}  # hosts; use_venv


@pytest.mark.parametrize("version", VERSIONS)
def test_every_spelling_of_the_sdks(version: str) -> None:
    steps = plan.build(ir.load(DATA / f"shapes_sdk_{version}.yaml")).steps
    shapes = {**SHAPES, **(NEWER if version in ("2.13.0", "2.17.0") else {})}
    assert steps.keys() == {*shapes, "shell"}
    for name, (packages, index_urls, trusted_hosts) in shapes.items():
        action = steps[name].action
        assert isinstance(action, PythonFunction), name
        assert action.packages == packages, name
        assert action.pip_index_urls == index_urls, name
        assert action.pip_trusted_hosts == trusted_hosts, name
        assert action.function == ("plain" if name in NEWER else name.replace("-", "_"))
        if name == "in-image":
            assert (action.source, action.module) == (None, None)
        else:
            assert action.source is not None
            assert f"def {action.function}(rows: int" in action.source
    assert steps["shell"].action == Command(
        ("sh", "-c", 'echo "$0" > "$1"'),
        ("{{$.inputs.parameters['text']}}", "{{$.outputs.parameters['result'].output_file}}"),
    )


PROGRAM = """
path=$(mktemp -d)
printf "%s" "$0" > "$path/component.py"
python3 -m kfp.dsl.executor_main --component_module_path "$path/component.py" "$@"
"""
RUN = ["sh", "-ec", PROGRAM, "def f(): ..."]
ARGS = ["--executor_input", "{{$}}", "--function_to_execute", "f"]


def install(line: str) -> list[str]:
    return ["sh", "-c", f'{line} && "$0" "$@"']


def packages(line: str) -> tuple[str, ...]:
    found = recognise([*install(line), *RUN], ARGS)
    assert found is not None
    return found.packages


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("python3 -m pip install --quiet 'kfp==2.0.1' 'numpy'", ("numpy",)),
        ("python3 -m pip install 'kfp[kubernetes]>=2' 'numpy'", ("numpy",)),
        ("python3 -m pip install 'KFP==2.0' 'kfp_pipeline_spec'", ()),
        ("python3 -m pip install 'kfp-kubernetes' 'kfputils'", ("kfp-kubernetes", "kfputils")),
        ("python3 -m pip install 'typing-extensions>=4'", ("typing-extensions>=4",)),
        ("pip install 'a' && pip install '/mnt/sdk' '--no-deps'", ("a",)),
        ("pip install '/mnt/sdk' && pip install 'a' 'b'", ("a", "b")),
        ("pip install '-f' 'https://x.example/' 'a'", ("-f", "https://x.example/", "a")),
        ("pip install 'a @ git+https://x.example/a.git@v1'", ("a @ git+https://x.example/a.git@v1",)),
    ],
)
def test_what_is_installed(line: str, expected: tuple[str, ...]) -> None:
    assert packages(line) == expected


def test_a_module_path_in_the_image() -> None:
    found = recognise(
        ["python3", "-m", "kfp.dsl.executor_main"], ["--component_module_path", "/app/steps.py", *ARGS]
    )
    assert found == PythonFunction(function="f", source=None, module="/app/steps.py")


@pytest.mark.parametrize(
    ("command", "args"),
    [
        (["python3", "train.py"], ARGS),
        (RUN, [*ARGS, "--more", "x"]),
        (RUN, ["--executor_input", "{{$}}"]),
        (RUN, ["--executor_input", "{}", "--function_to_execute", "f"]),
        (RUN, ["--executor_input", "{{$}}", "--function_to_execute", "f()"]),
        (["bash", *RUN], ARGS),
        ([*install("pip install 'a"), *RUN], ARGS),
        (["sh", "-c", 'pip install a; "$0" "$@"; rm -rf x', *RUN], ARGS),
        (["sh", "-ec", "echo hello", "def f(): ..."], ARGS),
        ([], []),
    ],
    ids=[
        "script",
        "more",
        "no name",
        "other input",
        "no identifier",
        "shell around",
        "open quote",
        "more shell",
        "no executor",
        "empty",
    ],
)
def test_everything_else_is_a_command(command: list[str], args: list[str]) -> None:
    assert recognise(command, args) is None
