"""Python components, run as a pod runs them."""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path

import pytest

AWKWARD = [
    "{{ ds }} {{ params.x }}",
    "'single' \"double\" `back`",
    "two\nlines\r\nand\ttabs",
    "$(whoami) $HOME ${PATH} $$ %s %%",
    "emoji 🐈 ünïcode \u2028 end",
    "",
    "x" * 1_000_000,
]


def test_parameters_of_every_type_arrive_as_they_are(pod, python_task):
    source = """
        def step(s: str, i: int, f: float, b: bool, l: list, d: Dict[str, int], o: Optional[int] = 7) -> str:
            import json
            return json.dumps([s, i, f, b, l, d, o, type(i).__name__])
    """
    values = {"s": "text", "i": 2**60, "f": 0.1, "b": False, "l": [1, [2]], "d": {"k": 1}}
    ended = pod.run(python_task(source, inputs=values, outputs={"Output": "STRING"}))
    assert json.loads(ended.parameters["Output"]) == ["text", 2**60, 0.1, False, [1, [2]], {"k": 1}, 7, "int"]


def test_awkward_values_come_back_unchanged(pod, python_task):
    source = """
        def step(values: list, path: OutputPath(str)) -> list:
            with open(path, "w", newline="", encoding="utf-8") as file:
                file.write("".join(values[:-1]))
            return values
    """
    root = pod.directory / "store"
    task = python_task(source, inputs={"values": AWKWARD}, outputs={"Output": "LIST", "path": "STRING"})
    ended = pod.run(task)
    assert ended.code == 0, ended.log
    reference = ended.result["ref"]
    assert reference["uri"] == f"{root.as_uri()}/.tradewind/result.json"
    result = json.loads((root / ".tradewind" / "result.json").read_bytes())
    assert result["parameters"] == {"Output": AWKWARD, "path": "".join(AWKWARD[:-1])}


def test_source_larger_than_one_argument(pod, python_task):
    noise = "".join(random.Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=300_000))
    ended = pod.run(
        python_task(
            f"NOISE = '{noise}'\ndef step() -> int:\n    return len(NOISE)\n",
            outputs={"Output": "NUMBER_INTEGER"},
        )
    )
    assert ended.parameters == {"Output": 300_000}


def test_named_tuple_with_parameters_and_artifacts(pod, python_task):
    source = """
        def step() -> NamedTuple("Outputs", [("count", int), ("rate", float), ("table", Dataset)]):
            return (3, 1, "a,b")
    """
    task = python_task(
        source,
        outputs={"count": "NUMBER_INTEGER", "rate": "NUMBER_DOUBLE"},
        output_artifacts={"table": "system.Dataset"},
    )
    ended = pod.run(task)
    assert ended.parameters == {"count": 3, "rate": 1.0}
    assert isinstance(ended.parameters["rate"], float)
    assert (pod.directory / "store" / "table").read_text() == "a,b"


def test_returned_artifact_at_a_uri_of_its_own(pod, python_task):
    source = """
        def step() -> Model:
            model = Model(uri=dsl.get_uri("weights"), metadata={"depth": 3})
            with open(model.path, "w") as file:
                file.write("w")
            return model
    """
    ended = pod.run(python_task(source, output_artifacts={"Output": "system.Model"}))
    (reference,) = ended.result["artifacts"]["Output"]
    assert reference["uri"].endswith("/store/weights")
    assert reference["metadata"] == {"depth": 3}
    assert (pod.directory / "store" / "weights").read_text() == "w"


def test_metrics_are_metadata_and_need_no_file(pod, python_task):
    source = """
        def step(metrics: Output[Metrics], roc: Output[ClassificationMetrics]):
            metrics.log_metric("accuracy", 0.9)
            roc.log_roc_curve([0.0, 1.0], [0.0, 1.0], [float("inf"), 0.5])
            roc.log_confusion_matrix(["a", "b"], [[1, 2], [3, 4]])
    """
    titles = {"metrics": "system.Metrics", "roc": "system.ClassificationMetrics"}
    ended = pod.run(python_task(source, output_artifacts=titles))
    assert ended.code == 0, ended.log
    (metrics,), (roc,) = ended.result["artifacts"]["metrics"], ended.result["artifacts"]["roc"]
    assert metrics["metadata"] == {"accuracy": 0.9}
    assert (metrics["digest"], metrics["size"], metrics["format"]) == (None, 0, None)
    assert roc["metadata"]["confidenceMetrics"][0]["confidenceThreshold"] == "Infinity"
    assert roc["metadata"]["confusionMatrix"] == {
        "annotationSpecs": [{"displayName": "a"}, {"displayName": "b"}],
        "rows": [{"row": [1, 2]}, {"row": [3, 4]}],
    }
    assert "warning" not in ended.log


def test_an_artifact_that_was_forgotten_is_a_warning(pod, python_task):
    ended = pod.run(python_task("def step(m: Output[Model]): pass", output_artifacts={"m": "system.Model"}))
    assert ended.code == 0
    assert "warning: nothing was written to output artifact 'm'" in ended.log


def test_artifacts_from_step_to_step(pod, python_task):
    """One file, one small directory, one that only a tar can keep, a list of them, an absent one."""
    make = """
        def step(one: Output[Dataset], tree: Output[Model], tar: Output[Artifact]):
            import os
            open(one.path, "w").write("one")
            os.makedirs(tree.path + "/sub")
            open(tree.path + "/sub/ü.txt", "w").write("leaf")
            os.makedirs(tar.path + "/empty")
            open(tar.path + "/run.sh", "w").write("#!/bin/sh")
            os.chmod(tar.path + "/run.sh", 0o755)
            one.metadata["rows"] = 5
    """
    use = """
        def step(one: Input[Dataset], both: Input[List[Artifact]], path: InputPath("Model"),
                 gone: Optional[Input[Artifact]] = None) -> list:
            import os
            tree, tar = both
            return [open(one.path).read(), one.metadata["rows"], open(path + "/sub/ü.txt").read(),
                    open(tree.path + "/sub/ü.txt").read(), os.listdir(tar.path + "/empty"),
                    os.access(tar.path + "/run.sh", os.X_OK), type(tree).__name__, gone]
    """
    titles = {"one": "system.Dataset", "tree": "system.Model", "tar": "system.Artifact"}
    made = pod.run(python_task(make, output_artifacts=titles)).result["artifacts"]
    assert {name: listed[0]["format"] for name, listed in made.items()} == {
        "one": "file",
        "tree": "tree",
        "tar": "tar",
    }
    given = {"one": made["one"][0], "both": [made["tree"][0], made["tar"][0]], "path": made["tree"][0]}
    ended = pod.run(python_task(use, artifacts=given, outputs={"Output": "LIST"}))
    assert ended.parameters["Output"] == ["one", 5, "leaf", "leaf", [], True, "Model", None]


def test_changed_content_is_not_taken_for_the_old(pod, python_task):
    made = pod.run(
        python_task(
            "def step(d: Output[Dataset]): open(d.path, 'w').write('1')",
            output_artifacts={"d": "system.Dataset"},
        )
    ).result["artifacts"]["d"][0]
    (pod.directory / "store" / "d").write_text("2")
    ended = pod.run(python_task("def step(d: Input[Dataset]): pass", artifacts={"d": made}))
    assert ended.error["kind"] == "input"
    assert "has changed" in ended.error["message"]


def test_an_input_that_is_gone(pod, python_task):
    reference = {
        "name": "d",
        "type": {},
        "uri": (pod.directory / "no").as_uri(),
        "digest": "sha256:1",
        "format": "file",
    }
    ended = pod.run(python_task("def step(d: Input[Dataset]): pass", artifacts={"d": reference}))
    assert (ended.code, ended.error["kind"]) == (1, "input")
    assert "'d'" in ended.error["message"]


def test_input_passed_on_keeps_its_place_and_digest(pod, python_task):
    made = pod.run(
        python_task(
            "def step(d: Output[Dataset]): open(d.path, 'w').write('1')",
            output_artifacts={"d": "system.Dataset"},
        )
    ).result["artifacts"]["d"][0]
    ended = pod.run(
        python_task(
            "def step(d: Input[Dataset]) -> Dataset: return d",
            artifacts={"d": made},
            output_artifacts={"Output": "system.Dataset"},
            root=(pod.directory / "other").as_uri(),
        )
    )
    (passed,) = ended.result["artifacts"]["Output"]
    assert (passed["uri"], passed["digest"]) == (made["uri"], made["digest"])


def test_model_directory_file_by_file_below_its_uri(pod, python_task):
    task = python_task(
        "def step(m: Output[Model]): open(m.path, 'w').write('x')", output_artifacts={"m": "system.Model"}
    )
    task["executor_input"]["outputs"]["artifacts"]["m"]["artifacts"][0]["tree"] = True
    (reference,) = pod.run(task).result["artifacts"]["m"]
    assert reference["uri"].endswith("/store/m/m")
    assert reference["format"] == "file"
    assert (pod.directory / "store" / "m" / "m").read_text() == "x"


def test_artifact_kept_elsewhere_by_the_component(pod, python_task):
    source = """
        def step(m: Output[Model], n: Output[Model]):
            m.uri = "s3://bucket/key"
            assert m.path == "/s3/bucket/key"
            n.set_path(n.path + "-mine")
            open(n.path, "w").write("mine")
    """
    ended = pod.run(python_task(source, output_artifacts={"m": "system.Model", "n": "system.Model"}))
    assert ended.code == 0, ended.log
    assert ended.result["artifacts"]["m"][0]["uri"] == "s3://bucket/key"
    assert ended.result["artifacts"]["n"][0]["uri"].endswith("/store/n")
    assert (pod.directory / "store" / "n").read_text() == "mine"


@pytest.mark.parametrize(
    "preamble", ["from tradewind import dsl", "from tradewind.dsl import *\nimport tradewind.dsl as dsl"]
)
def test_our_own_name_for_the_dsl(pod, python_task, preamble):
    task = python_task(
        "def step(m: dsl.Output[dsl.Metrics]): m.log_metric('a', 1)", output_artifacts={"m": "system.Metrics"}
    )
    task["source"] = f"{preamble}\ndef step(m: dsl.Output[dsl.Metrics]):\n    m.log_metric('a', 1)\n"
    assert pod.run(task).result["artifacts"]["m"][0]["metadata"] == {"a": 1}


def test_final_status_and_embedded_file(pod, python_task):
    source = """
        __KFP_EMBEDDED_ASSET_DIR = "/somewhere"
        def step(status: PipelineTaskFinalStatus, asset: dsl.EmbeddedInput[Dataset]) -> list:
            return [status.state, status.pipeline_task_name, status.error_message, asset.path]
    """
    status = {"state": "FAILED", "pipelineTaskName": "exit-handler-1", "error": {"code": 9, "message": "no"}}
    ended = pod.run(python_task(source, inputs={"status": status}, outputs={"Output": "LIST"}))
    assert ended.parameters["Output"] == ["FAILED", "exit-handler-1", "no", "/somewhere"]


def test_component_that_lives_in_the_image(pod, python_task):
    home = pod.directory / "image"
    home.mkdir()
    (home / "mine.py").write_text(
        "from __future__ import annotations\n"
        "from kfp import dsl\n"
        "@dsl.component(target_image='x', base_image='y', "
        "task_config_passthroughs=[dsl.TaskConfigField.RESOURCES])\n"
        "def step(n: int, m: dsl.Output[dsl.Metrics]) -> int:\n    m.log_metric('n', n)\n    return n + 1\n"
        "@dsl.pipeline(name='p')\ndef whole():\n    step(n=1)\n"
    )
    pod.environ["PYTHONPATH"] = str(home)
    task = python_task(
        "", inputs={"n": 1}, outputs={"Output": "NUMBER_INTEGER"}, output_artifacts={"m": "system.Metrics"}
    )
    ended = pod.run(task | {"source": None, "module": "mine"})
    assert ended.parameters == {"Output": 2}


def test_failure_shows_the_users_frames_only(pod, python_task):
    source = """
        def helper():
            raise ValueError("no rows\\nat all")
        def step():
            helper()
    """
    ended = pod.run(python_task(source))
    assert ended.code == 1
    assert ended.error["kind"] == "user"
    assert ended.error["type"] == "ValueError"
    assert ended.error["message"] == "no rows\nat all"
    assert "in helper" in ended.error["traceback"]
    assert 'raise ValueError("no rows' in ended.log
    for text in (ended.log, ended.error["traceback"]):
        assert "runtime/main.py" not in text
        assert "runtime/component.py" not in text


def test_a_long_failure_fits_into_the_message(pod, python_task):
    source = """
        def step(n: int = 300):
            if n:
                step(n - 1) if n % 2 else step(n=n - 1)
            raise ValueError("é" * 100_000)
    """
    ended = pod.run(python_task(source))
    assert len(ended.message) <= 4096
    assert ended.error["type"] == "ValueError"
    assert ended.error["message"].startswith("éé")


@pytest.mark.parametrize(
    ("code", "exit_code", "kind"),
    [
        ("raise SystemExit(3)", 3, "SystemExit"),
        ("import sys; sys.exit('told you')", 1, "SystemExit"),
        ("import os; os._exit(0)", 0, "NoResult"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -9, "NoResult"),
        ("import not_there", 1, "ModuleNotFoundError"),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
    ],
)
def test_ends_that_are_no_success(pod, python_task, code, exit_code, kind):
    ended = pod.run(python_task(f"def step():\n    {code}\n"))
    assert ended.code == exit_code
    assert ended.result["ok"] is False
    assert ended.result["error"]["type"] == kind


def test_sys_exit_zero_is_a_success_without_return_value(pod, python_task):
    good = pod.run(python_task("def step(): raise SystemExit(0)"))
    assert good.result == {"protocol": 1, "ok": True, "parameters": {}, "artifacts": {}}
    bad = pod.run(python_task("def step() -> int: raise SystemExit(0)", outputs={"Output": "NUMBER_INTEGER"}))
    assert bad.error["kind"] == "output"
    assert "'Output' is missing" in bad.error["message"]


@pytest.mark.parametrize(
    ("source", "kind", "message"),
    [
        ("def step() -> int: return 'x'", "NUMBER_INTEGER", "returned a str, want int"),
        ("def step() -> str: return 1", "STRING", "returned a int, want str"),
        ("def step() -> dict: return {'a': object()}", "STRUCT", "is not JSON data"),
        ("def step(): return 5", "STRING", "returned int"),
    ],
)
def test_wrong_return_values(pod, python_task, source, kind, message):
    ended = pod.run(python_task(source, outputs={"Output": kind}))
    assert ended.error["kind"] == "output"
    assert message in ended.error["message"]


def test_not_a_number_survives_the_way_through_json(pod, python_task):
    out = pod.run(
        python_task("def step() -> float: return float('nan')", outputs={"Output": "NUMBER_DOUBLE"})
    )
    assert out.parameters == {"Output": "NaN"}
    back = pod.run(
        python_task(
            "def step(x: float) -> bool: return x != x", inputs={"x": "NaN"}, outputs={"Output": "BOOLEAN"}
        )
    )
    assert back.parameters == {"Output": True}


def test_unknown_protocol_and_function(pod, python_task):
    assert pod.run(python_task("def step(): pass", protocol=99)).error["kind"] == "protocol"
    ended = pod.run(python_task("def other(): pass"))
    assert ended.error["kind"] == "protocol"
    assert "no function 'step'" in ended.error["message"]


def test_prints_are_seen_at_once_and_in_order(pod, python_task):
    source = """
        def step():
            import os, sys, subprocess
            print("one")
            os.write(1, b"two\\n")
            print("three", file=sys.stderr)
            subprocess.run(["echo", "four"])
            print("surrogate \\udc80")
            os._exit(0)
    """
    assert pod.run(python_task(source)).log.split("\n")[:4] == ["one", "two", "three", "four"]


def test_sigterm_lets_the_code_clean_up(pod, python_task):
    from tradewind.runtime.shipping import container_command

    source = """
        def step():
            import time
            try:
                print("working")
                time.sleep(60)
            except Exception:
                print("swallowed")
            finally:
                print("cleaned up")
    """
    process, workdir = pod.start(container_command(python_task(source)))
    assert process.stdout.readline() == "working\n"
    process.terminate()
    log, _ = process.communicate(timeout=60)
    assert "cleaned up" in log
    assert "swallowed" not in log
    assert process.returncode == 143
    assert json.loads((workdir / "termination-log").read_text())["error"]["kind"] == "stopped"


def test_mlflow_variables_reach_the_code(pod, python_task):
    pod.environ["MLFLOW_RUN_ID"] = "ab12"
    ended = pod.run(
        python_task(
            "def step() -> str:\n    import os\n    return os.environ['MLFLOW_RUN_ID']",
            outputs={"Output": "STRING"},
        )
    )
    assert ended.parameters == {"Output": "ab12"}


def old_pythons() -> list[str]:
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    found = [str(path) for root in roots if root.is_dir() for path in sorted(root.glob("3.*/bin/python3"))]
    found += [path for minor in range(8, 15) if (path := shutil.which(f"python3.{minor}"))]
    versions = {}
    for path in found:
        name = Path(path).resolve().name
        if name.startswith("python3.") and name[8:].isdigit() and int(name[8:]) >= 8:
            versions[name] = str(Path(path).resolve())
    return sorted(versions.values())


@pytest.mark.parametrize("python", old_pythons(), ids=lambda path: Path(path).name)
def test_every_python_that_is_here(pod, python_task, python):
    source = """
        def step(d: Input[List[Dataset]], o: Optional[Input[Model]], m: Output[Model], p: OutputPath(int),
                 n: Optional[int] = None) -> NamedTuple("T", [("x", float), ("a", Dataset)]):
            import os
            os.makedirs(m.path)
            open(m.path + "/f", "w").write(open(d[0].path).read())
            open(p, "w").write("4")
            return (0.5, "text")
    """
    (pod.directory / "given").write_text("given")
    pod.python = python
    task = python_task(
        source,
        artifacts={
            "d": [{"uri": (pod.directory / "given").as_uri(), "type": {"schemaTitle": "system.Dataset"}}]
        },
        outputs={"x": "NUMBER_DOUBLE", "p": "NUMBER_INTEGER"},
        output_artifacts={"m": "system.Model", "a": "system.Dataset"},
    )
    ended = pod.run(task)
    assert ended.parameters == {"x": 0.5, "p": 4}
    assert (pod.directory / "store" / "m" / "f").read_text() == "given"


@pytest.mark.parametrize(
    ("returned", "kind", "said"),
    [
        ("'a\\0b'", "str", "output 'Output': the text holds a NUL character"),
        ("'\\ud800'", "str", "output 'Output': the text is not valid Unicode"),
        ("2 ** 70", "int", "output 'Output': the integer needs more than 64 bits"),
        ("[1.0, float('nan')]", "list", "output 'Output': JSON has no form for the nan at [1]"),
        ("{'a\\0': 1}", "dict", "output 'Output': the text at ['a\\x00'] holds a NUL character"),
    ],
)
def test_an_output_that_would_not_arrive_unchanged_is_named(pod, python_task, returned, kind, said):
    types = {"str": "STRING", "int": "NUMBER_INTEGER", "list": "LIST", "dict": "STRUCT"}
    source = f"def step() -> {kind}: return {returned}"
    error = pod.run(python_task(source, outputs={"Output": types[kind]})).error
    assert error["kind"] == "output"
    assert said in error["message"]


def test_metadata_that_no_database_takes_is_named(pod, python_task):
    source = "def step(m: Output[Metrics]): m.metadata['a'] = 'b\\0'"
    error = pod.run(python_task(source, output_artifacts={"m": "system.Metrics"})).error
    assert error["kind"] == "output"
    assert "Metadata of output artifact 'm': the text at ['a'] holds a NUL character" in error["message"]
