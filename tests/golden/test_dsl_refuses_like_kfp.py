"""What the KFP SDK refuses, the DSL refuses by an error that the same `except` catches.

The SDK's own classes are known to nobody who imports from tradewind; what counts are Python's, of which they
are.
"""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from fixtures.kfp_sdk import KfpSdk
from tradewind import compiler, dsl
from tradewind.errors import TradewindError

# Components for all pieces of wrong code, then the pieces, each behind a line with its name.
COMPONENTS, *PIECES = re.split(
    "^=== ", Path(__file__).with_name("refused.txt").read_text(), flags=re.MULTILINE
)
WRONG = dict(piece.split("\n", 1) for piece in PIECES)
ONLY_BY_US = [name for name in WRONG if name.startswith("only by us: ")]
ONLY_BY_KFP = [name for name in WRONG if name.startswith("only by KFP: ")]
BY_BOTH = [name for name in WRONG if not name.startswith("only by ")]

# Runs each file and compiles what it defines last; tells which errors of Python's the error is.
TELL = """\
import importlib.util, json, os, sys, warnings
warnings.simplefilter("ignore")
sys.dont_write_bytecode = True
from kfp import compiler
from kfp.dsl.base_component import BaseComponent
told = {}
for name, path in json.load(sys.stdin).items():
    try:
        spec = importlib.util.spec_from_file_location(os.path.basename(path)[:-3], path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        last = [value for value in vars(module).values() if isinstance(value, BaseComponent)][-1]
        compiler.Compiler().compile(last, path[:-3] + ".yaml")
    except Exception as error:
        told[name] = [each.__name__ for each in type(error).__mro__ if each.__module__ == "builtins"]
json.dump(told, sys.stdout)
"""


@pytest.fixture(scope="session")
def refused_by_kfp(kfp_sdk: KfpSdk, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, list[str]]:
    """For each piece that the SDK refuses: the error's classes, as far as they are Python's."""
    directory = tmp_path_factory.mktemp("refused")
    files = {}
    for number, (name, text) in enumerate(WRONG.items()):
        path = directory / f"refused_{number}.py"
        path.write_text(COMPONENTS + text)
        files[name] = str(path)
    done = subprocess.run(
        [kfp_sdk.python, "-c", TELL],
        input=json.dumps(files),
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: Mapping[str, list[str]] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for one piece of code; its module is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.modules.pop("refused_piece", None)


def compile_piece(text: str, directory: Path) -> None:
    """Run a piece of code and compile what it defines last."""
    path = directory / "refused_piece.py"
    path.write_text((COMPONENTS + text).replace("from kfp import", "from tradewind import"))
    spec = importlib.util.spec_from_file_location("refused_piece", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["refused_piece"] = module
    spec.loader.exec_module(module)
    last = [value for value in vars(module).values() if isinstance(value, dsl.BaseComponent)][-1]
    compiler.Compiler().compile(last, str(directory / "piece.yaml"))


@pytest.mark.parametrize("name", BY_BOTH)
def test_the_same_kind_of_error(name: str, refused_by_kfp: Mapping[str, list[str]], directory: Path) -> None:
    with pytest.raises(Exception) as raised:
        compile_piece(WRONG[name], directory)
    ours = {each.__name__ for each in type(raised.value).__mro__}
    assert set(refused_by_kfp[name]) <= ours, raised.value


@pytest.mark.parametrize("name", ONLY_BY_US)
def test_what_kfp_lets_pass_is_refused_in_words(
    name: str, refused_by_kfp: Mapping[str, list[str]], directory: Path
) -> None:
    assert name not in refused_by_kfp
    with pytest.raises(TradewindError):
        compile_piece(WRONG[name], directory)


@pytest.mark.parametrize("name", ONLY_BY_KFP)
def test_what_only_kfp_refuses(name: str, refused_by_kfp: Mapping[str, list[str]], directory: Path) -> None:
    assert name in refused_by_kfp
    compile_piece(WRONG[name], directory)
