"""The operator's side of the artifact store, and the index of the step cache."""

from __future__ import annotations

import subprocess
import sys
import uuid

import pytest

from tradewind.artifacts import ArtifactStore, cache
from tradewind.errors import ConfigurationError, FatalError, UnreachableError


@pytest.fixture(params=["mlflow", "file"])
def place(request, tmp_path):
    """Environment and root URI of a store."""
    if request.param == "file":
        return {}, tmp_path.as_uri()
    server = request.getfixturevalue("mlflow_server")
    return {"MLFLOW_TRACKING_URI": server.uri}, f"mlflow-artifacts:/{uuid.uuid4().hex}"


def test_objects(place):
    environ, root = place
    store = ArtifactStore(environ)
    uri = store.child(root, "a/b c.json")
    store.write(uri, b"1")
    assert store.read(uri) == b"1"
    assert store.list(root) == ["a/b c.json"]
    store.delete(uri)
    with pytest.raises(FileNotFoundError):
        store.read(uri)


def test_the_cache_remembers_lists_and_forgets(place):
    environ, root = place
    assert cache.lookup(root, "aa11", environ) is None
    cache.store(root, "aa11", {"parameters": {"x": "🐈"}}, environ)
    cache.store(root, "bb22", {"step": "b"}, environ)
    cache.store(root, "bb22", {"step": "again"}, environ)
    assert cache.lookup(root, "aa11", environ) == {"parameters": {"x": "🐈"}}
    assert [(entry.key, entry.value) for entry in cache.entries(root, environ)][1] == (
        "bb22",
        {"step": "again"},
    )
    assert cache.clear(root, environ, where=lambda entry: entry.value.get("step") == "again") == 1
    assert cache.lookup(root, "bb22", environ) is None
    assert cache.clear(root, environ) == 1
    assert list(cache.entries(root, environ)) == []


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"{", b'{"version": 99, "key": "aa11"}', b'{"version": 1, "key": "x"}']
)
def test_a_damaged_entry_is_no_entry(tmp_path, content):
    root = tmp_path.as_uri()
    cache.store(root, "aa11", {})
    (path,) = tmp_path.rglob("aa11.json")
    path.write_bytes(content)
    assert cache.lookup(root, "aa11") is None
    cache.store(root, "aa11", {"new": 1})
    assert cache.lookup(root, "aa11") == {"new": 1}


@pytest.mark.parametrize("key", ["", "../../etc", "a/b", "ü1"])
def test_keys_that_are_no_keys(tmp_path, key):
    with pytest.raises(FatalError, match="cache key"):
        cache.store(tmp_path.as_uri(), key, {})


def test_errors_say_whether_to_try_again():
    away = ArtifactStore({"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"}, timeout_seconds=0.2)
    with pytest.raises(UnreachableError, match=r"127\.0\.0\.1:9"):
        away.read("mlflow-artifacts:/x")
    with pytest.raises(ConfigurationError, match="MLFLOW_TRACKING_URI"):
        ArtifactStore({}).write("mlflow-artifacts:/x", b"")


def test_any_filesystem_of_fsspec(tmp_path):
    pytest.importorskip("fsspec")
    store = ArtifactStore({})
    root = f"memory://{uuid.uuid4().hex}"
    store.write(f"{root}/a/b", b"1")
    assert store.list(root) == ["a/b"]
    assert store.read(f"{root}/a/b") == b"1"
    store.delete(root)
    assert store.list(root) == []
    with pytest.raises(FileNotFoundError):
        store.read(f"{root}/a/b")


def test_a_lookup_loads_nothing_heavy(tmp_path):
    code = (
        "import sys; from tradewind.artifacts import cache; cache.lookup(sys.argv[1], 'aa11'); "
        "print([m for m in ('kubernetes', 'mlflow', 'airflow', 'requests', 'fsspec') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path.as_uri()], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
