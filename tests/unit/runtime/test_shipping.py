"""What travels in the pod's command."""

from __future__ import annotations

import ast
import base64
import json
import random
import zlib

import pytest

from tradewind.runtime.shipping import MAX_BYTES, TooLargeError, container_command, payload, runtime_files


def test_the_command_is_deterministic_and_small(python_task):
    task = python_task("def step(): pass")
    command = container_command(task)
    assert command == container_command(dict(reversed(task.items())))
    assert command[:2] == ["python3", "-c"]
    # Every pod carries it. What it costs is worth a look when it grows.
    assert sum(map(len, command)) < 36_000


def test_chunks_stay_below_the_limit_of_one_argument(python_task):
    noise = random.Random(1).randbytes(200_000).hex()
    command = container_command(python_task(f"NOISE = {noise!r}\ndef step(): pass"))
    assert len(command) > 4
    assert max(map(len, command)) <= 96 * 1024


@pytest.mark.parametrize(
    ("options", "shipped"),
    [
        ({}, False),
        ({"artifacts": {"d": {"uri": "mlflow-artifacts:/1/d"}, "e": {"uri": "https://host/e"}}}, False),
        ({"artifacts": {"d": {"uri": "s3://bucket/d"}}}, True),
        # A result that is too large for the message goes there.
        ({"root": "gs://bucket/run"}, True),
        # The component may keep it anywhere.
        ({"output_artifacts": {"m": "system.Model"}}, True),
    ],
)
def test_object_stores_are_left_at_home_where_none_is_met(python_task, options, shipped):
    chunks = payload(python_task("def step(): pass", **options))
    files = json.loads(zlib.decompress(base64.b64decode("".join(chunks))))["files"]
    assert ("tradewind/runtime/fsspec_store.py" in files) is shipped
    assert "tradewind/runtime/stores.py" in files


def test_a_task_that_no_pod_takes_is_refused(python_task):
    noise = random.Random(1).randbytes(1_000_000).hex()
    with pytest.raises(TooLargeError, match="as an artifact") as caught:
        container_command(python_task("def step(x: str): pass", inputs={"x": noise}))
    assert caught.value.size > MAX_BYTES


def test_the_runtime_is_python_3_8_and_keeps_its_line_numbers():
    files = runtime_files()
    assert "kfp/dsl/__init__.py" in files
    assert "tradewind/runtime/main.py" in files
    assert "tradewind/runtime/shipping.py" not in files
    for path, source in files.items():
        tree = ast.parse(source, path, feature_version=(3, 8))
        assert '"""' not in source, path
        assert isinstance(tree, ast.Module)


def test_the_runtime_imports_the_standard_library_and_itself_only():
    import sys

    optional = {"fsspec"}
    for path, source in runtime_files().items():
        for node in ast.walk(ast.parse(source)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                top = name.split(".")[0]
                ours = name.startswith("tradewind.runtime") or top == "kfp"
                assert ours or top in sys.stdlib_module_names | optional, f"{path} imports {name}"
